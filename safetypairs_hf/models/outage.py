"""Distinguish a service that is down, or settings that cannot work, from single images that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Problems without a verdict of the service, for which a repeated request may help.
FAILURES: Final = frozenset({"server_error", "rate_limited", "timed_out"})
# If this many requests fail and none is answered, the cause is the service or the settings, not the images.
TELLING: Final = 4
# If none is answered for this many rounds of the requests in flight, and this many requests, the service is gone.
_ROUNDS: Final = 3
_MOST: Final = 8


@dataclass
class Outage:
    """Counts the outcomes of requests.

    Args:
        concurrency: Requests in flight.
        asked: The number of finished requests.
        failed: The number of them that failed.
        in_a_row: The number that failed since the last answer.
        said: The server's text for the last failed one.
    """

    concurrency: int
    asked: int = 0
    failed: int = 0
    in_a_row: int = 0
    said: str = ""

    def count(self, problem: str, said: str) -> bool:
        """Count a request by its problem and text; return whether so many failed that the others will fail too."""
        self.asked += 1
        if problem not in FAILURES:
            self.in_a_row = 0
            return False
        self.failed, self.in_a_row, self.said = self.failed + 1, self.in_a_row + 1, said
        return self.in_a_row >= max(_MOST, _ROUNDS * self.concurrency)

    @property
    def total(self) -> bool:
        """Return whether at least one request was made and all of them failed."""
        return 0 < self.asked == self.failed


def problem_of(status: int) -> str:
    """Return the meaning of an HTTP error response, as one of FAILURES."""
    return "rate_limited" if status == 429 else "timed_out" if status in (408, 504) else "server_error"
