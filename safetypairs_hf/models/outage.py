"""Tell a service that is down, or settings with which nothing can work, from single images that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# The problems in which a service has not had its say, so that asking again may help.
FAILURES: Final = frozenset({"server_error", "rate_limited", "timed_out"})
# Where so many requests fail and none is answered, it is the service or the settings, and not these images.
TELLING: Final = 4
# Where none is answered for so many rounds of all that are in flight, and for so many requests, it has gone.
_ROUNDS: Final = 3
_MOST: Final = 8


@dataclass
class Outage:
    """Counts what became of requests.

    Args:
        concurrency: requests in flight.
        asked: the requests that have come to an end.
        failed: those of them that failed.
        in_a_row: those that failed since one was answered.
        said: what came for the last one that failed.
    """

    concurrency: int
    asked: int = 0
    failed: int = 0
    in_a_row: int = 0
    said: str = ""

    def count(self, problem: str, said: str) -> bool:
        """Count a request, by its problem and what came; return whether so many have failed that the rest will."""
        self.asked += 1
        if problem not in FAILURES:
            self.in_a_row = 0
            return False
        self.failed, self.in_a_row, self.said = self.failed + 1, self.in_a_row + 1, said
        return self.in_a_row >= max(_MOST, _ROUNDS * self.concurrency)

    @property
    def total(self) -> bool:
        """Whether there was no request that did not fail, among one or more."""
        return 0 < self.asked == self.failed


def problem_of(status: int) -> str:
    """Return what an answer of HTTP with an error means, as one of FAILURES."""
    return "rate_limited" if status == 429 else "timed_out" if status in (408, 504) else "server_error"
