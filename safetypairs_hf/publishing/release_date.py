"""The date of publication that a release states."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from safetypairs_hf.core.errors import PublishError

VARIABLE = "SOURCE_DATE_EPOCH"


def release_date() -> str:
    """Return the date of a release as YYYY-MM-DD, in UTC.

    It is today, unless the environment sets SOURCE_DATE_EPOCH
    (https://reproducible-builds.org/specs/source-date-epoch/), which makes two releases of one run equal to the byte on
    any day.

    Raises:
        PublishError: SOURCE_DATE_EPOCH is not a number of seconds since 1970, or is after the year 9999.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return datetime.now(UTC).date().isoformat()
    try:
        if not (given.isascii() and given.isdigit()):
            raise ValueError
        return datetime.fromtimestamp(int(given), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        raise PublishError(
            f"{VARIABLE} is {given[:40]!r}; expected the seconds from 1970 to the date of the release, such as "
            "1767225600, or nothing for today"
        ) from None
