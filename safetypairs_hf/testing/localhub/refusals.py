"""Error answers, with the status, message and error code that the Hub's clients understand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from starlette.responses import JSONResponse, Response


class Refusal(Exception):  # noqa: N818 - an answer to the client, not a fault of the server
    """Answer a request with an error.

    Args:
        status: The HTTP status.
        message: What is wrong, for the user.
        code: The Hub's X-Error-Code, such as "RepoNotFound"; "" if the Hub has none.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Return the answer, with the error in the body and in the headers, as the Hub sends it."""
        # A header is one line of latin-1 without control characters; the body holds the message unchanged.
        line = "".join(char if char.isprintable() else " " for char in self.message)
        safe = line.strip().encode("latin-1", "replace").decode("latin-1")
        headers = {**self.headers, "X-Error-Message": safe}
        if self.code:
            headers["X-Error-Code"] = self.code
        return JSONResponse({"error": self.message}, self.status, headers)


def no_repo(signed_in: bool) -> Refusal:
    """Return the answer for a missing repo and for a private one. The two must not be distinguishable."""
    return Refusal(404 if signed_in else 401, "Repository not found", "RepoNotFound")


def moved(location: str) -> Refusal:
    """Return the answer for the earlier name of a repo.

    `location` is a path, because clients send their token only to a relative redirect.
    """
    return Refusal(307, f"This repo was moved to {location}", headers={"Location": location})


def no_revision(revision: str) -> Refusal:
    return Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def no_entry(path: str, commit: str = "") -> Refusal:
    return Refusal(404, f"{path} does not exist on this revision", "EntryNotFound", {"X-Repo-Commit": commit})


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Refuse (400) a request body whose fields are missing or of another type than the code in the block expects."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Refusal(400, f"The {what} cannot be read: {type(error).__name__}: {error}") from None
