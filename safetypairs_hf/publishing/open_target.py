"""Reads the TARGET of a command: a repo on the Hub, or a local folder."""

from __future__ import annotations

import re
from pathlib import Path

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.publishing.local_target import LocalTarget
from safetypairs_hf.publishing.target import Target


def parse_target(text: str, *, private: bool = False, gated: str | None = None) -> Target:
    """`org/name` is a Hub repo; what starts with `.`, `/` or `~` is a local folder.

    Raises:
        PublishError: it is neither, or could be both.
    """
    if text.startswith((".", "/", "~")):
        if private or gated:
            raise PublishError(f"{text} is a local folder: --private and --gated are for the Hub")
        return LocalTarget(text)
    if not re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", text):
        raise PublishError(f"{text!r} is no target; expected org/name on the Hub, or a local folder such as ./{text}")
    if Path(text).exists():
        raise PublishError(f"{text} is a folder here and could be a Hub id too; for the folder write ./{text}")
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    from safetypairs_hf.publishing.hub_target import HubTarget

    try:
        validate_repo_id(text)
    except HFValidationError as error:
        raise PublishError(f"{text!r} is no Hub id: {str(error).splitlines()[0]}") from error
    return HubTarget(text, private=private, gated=gated)
