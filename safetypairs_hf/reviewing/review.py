"""Serve a web page on which people review the pairs of a run or a published version."""

from __future__ import annotations

import ipaddress
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safetypairs_hf.core.errors import SafetyPairsError, counted, printable
from safetypairs_hf.core.nearest import nearest
from safetypairs_hf.core.run_folder import RunFolder, is_run
from safetypairs_hf.reviewing.assignment import ORDERS
from safetypairs_hf.reviewing.decisions import FOLDER, check_reviewer

if TYPE_CHECKING:
    from safetypairs_hf.reviewing.sessions import Sessions

HOST: Final = "127.0.0.1"
PORT: Final = 8901


@dataclass(frozen=True)
class ReviewServer:
    """A running review: the address of its page, including the token, and its sessions."""

    address: str
    sessions: Sessions

    def __str__(self) -> str:
        rules, pairs = self.sessions.rules, self.sessions.pairs
        order = "doubtful pairs first" if rules.order == "doubtful" else "in random order"
        return (
            f"{pairs.name}: {counted(len(pairs.pairs), 'pair')}, {order}, each for "
            f"{counted(rules.reviewers, 'reviewer')}\ndecisions go to "
            f"{self.sessions.folder.url.rstrip('/')}/{FOLDER}\n\n    {self.address}\n"
        )


def review(
    what: str,
    *,
    reviewer: str | None = None,
    reviewers: int = 2,
    order: str = ORDERS[0],
    limit: int = 200,
    host: str = HOST,
    port: int = PORT,
    tls: tuple[Path, Path] | None = None,
    out: str | None = None,
    told: Callable[[ReviewServer], object] = print,
    stop: threading.Event | None = None,
) -> None:
    """Serve the review page until Ctrl-C, or until `stop` is set.

    Args:
        what: RUN or TARGET[@VERSION].
        reviewer: The only reviewer; None makes the page ask each visitor for a name.
        reviewers: How many reviewers see each pair; one more decides if they disagree or one of them is not sure.
        order: "doubtful" (pairs with the least certain judges first) or "random".
        limit: The largest number of pairs that one reviewer sees in a session.
        host: The address to listen on, which is also the host name of the page's address.
        port: The port to listen on; 0 takes a free one.
        tls: A certificate and its key, as PEM files; required unless `host` is loopback.
        out: The folder of the decisions; by default the run, or ./review-NAME-VERSION for a published version.
        told: Called with the server once it answers; by default it prints the address.
        stop: Ends the review when another thread sets it.

    Raises:
        SafetyPairsError: An argument is invalid, `what` cannot be read, or earlier decisions are damaged.
    """
    given = {"reviewer": reviewer, "reviewers": reviewers, "order": order, "limit": limit}
    with serve_review(what, host=host, port=port, tls=tls, out=out, **given) as server:  # type: ignore[arg-type]
        told(server)
        try:
            (stop or threading.Event()).wait()
        except KeyboardInterrupt:
            return


@contextmanager
def serve_review(
    what: str,
    *,
    reviewer: str | None = None,
    reviewers: int = 2,
    order: str = ORDERS[0],
    limit: int = 200,
    host: str = HOST,
    port: int = 0,
    tls: tuple[Path, Path] | None = None,
    out: str | None = None,
) -> Iterator[ReviewServer]:
    """Serve the review page in a thread until the end of the `with` block.

    Args:
        what: As in `review`.
        reviewer: As in `review`.
        reviewers: As in `review`.
        order: As in `review`.
        limit: As in `review`.
        host: As in `review`.
        port: As in `review`.
        tls: As in `review`.
        out: As in `review`.

    Yields:
        The running server, once it answers.

    Raises:
        SafetyPairsError: As in `review`.
    """
    try:
        from safetypairs_hf.core.web_server import listening, running
        from safetypairs_hf.reviewing import review_app
    except ImportError as error:
        raise SafetyPairsError(f"review needs {error.name}; type: pip install 'safetypairs-hf[review]'") from error
    from safetypairs_hf.reviewing.request_checks import LOOPBACK_NAMES
    from safetypairs_hf.reviewing.reviewed_pairs import open_reviewed
    from safetypairs_hf.reviewing.sessions import Rules, Sessions

    _check(reviewer, reviewers, order, limit)
    loopback = _is_loopback(host)
    _check_host(host, loopback, tls)
    pairs = open_reviewed(what)
    folder = decisions_folder(what, pairs.name, out)
    sessions = Sessions(pairs, folder, Rules(reviewers, order, limit, reviewer))
    token = secrets.token_urlsafe(24)
    options = {} if tls is None else {"ssl_certfile": str(tls[0]), "ssl_keyfile": str(tls[1])}
    app = review_app.build(sessions, token, LOOPBACK_NAMES if loopback else {host.casefold()})
    with listening(host, port) as listener, running(app, listener, "review", **options):
        name = f"[{host}]" if ":" in host else host
        scheme = "https" if tls else "http"
        yield ReviewServer(f"{scheme}://{name}:{listener.getsockname()[1]}/{token}/", sessions)


def _check(reviewer: str | None, reviewers: int, order: str, limit: int) -> None:
    if reviewer is not None:
        check_reviewer(reviewer)
    if reviewers < 1:
        raise SafetyPairsError(f"{reviewers} reviewers: expected 1 or more")
    if limit < 1:
        raise SafetyPairsError(f"a limit of {limit} pairs: expected 1 or more")
    if order not in ORDERS:
        near = nearest(order, ORDERS)
        hint = f"; did you mean {near!r}?" if near else ""
        raise SafetyPairsError(f"no order {printable(order)!r}; expected {' or '.join(ORDERS)}{hint}")


def _check_host(host: str, loopback: bool, tls: tuple[Path, Path] | None) -> None:
    """Raise SafetyPairsError if unsafe images would cross a network unencrypted, or be served under any host name."""
    if not loopback and tls is None:
        raise SafetyPairsError(
            f"--host {host} can be reached by others, and the images would be sent unencrypted; give --tls CERT KEY, "
            "or leave --host out and use an SSH tunnel (docs/review.md)"
        )
    if host in ("0.0.0.0", "::", ""):
        raise SafetyPairsError(f"--host {host!r}: name the one address or name by which reviewers reach this machine")
    if tls is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*tls, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise SafetyPairsError(
                f"--tls {tls[0]} {tls[1]}: {why}; expected a certificate and its key, without a password, as PEM files"
            ) from error


def _no_password() -> str:
    raise ValueError("the key has a password")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def decisions_folder(what: str, name: str, out: str | None = None) -> RunFolder:
    """Return the folder of the decisions on RUN or TARGET[@VERSION]; `name` is the name with its version.

    By default it is the run, or ./review-NAME-VERSION for a published version.
    """
    place, _, version = name.rpartition("@")
    return RunFolder(out or (what if is_run(what) else f"./review-{Path(place).name}-{version}"))
