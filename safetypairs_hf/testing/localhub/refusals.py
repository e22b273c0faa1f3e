"""What the server says when it says no, in the words that the real clients understand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from starlette.responses import JSONResponse, Response


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """An answer other than the one asked for: HTTP status, message, and the Hub's X-Error-Code where it has one."""

    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})

    def response(self) -> Response:
        # A header is latin-1 and one line; the body has the message whole.
        safe = self.message.encode("latin-1", "replace").decode("latin-1").replace("\r", " ").replace("\n", " ")
        headers = {**self.headers, "X-Error-Message": safe}
        if self.code:
            headers["X-Error-Code"] = self.code
        return JSONResponse({"error": self.message}, self.status, headers)


def no_repo(signed_in: bool) -> Refusal:
    """The same for a repo that is missing and one that is private: nobody learns which."""
    return Refusal(404 if signed_in else 401, "Repository not found", "RepoNotFound")


def no_revision(revision: str) -> Refusal:
    return Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def no_entry(path: str, commit: str = "") -> Refusal:
    return Refusal(404, f"{path} does not exist on this revision", "EntryNotFound", {"X-Repo-Commit": commit})


@contextmanager
def reading(what: str) -> Iterator[None]:
    """For code that takes a client's words apart: what is missing or of another type becomes a Refusal (400)."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Refusal(400, f"The {what} cannot be read: {type(error).__name__}: {error}") from None
