"""Serve the review of a run or a published version as a page for people to decide on its pairs."""

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

from safetypairs_hf.core.errors import SafetyPairsError, printable
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
    """A review that is being served: the address of its page, with the token, and what it is of."""

    address: str
    sessions: Sessions

    def __str__(self) -> str:
        rules, pairs = self.sessions.rules, self.sessions.pairs
        each = "1 reviewer" if rules.reviewers == 1 else f"{rules.reviewers} reviewers"
        order = "doubtful pairs first" if rules.order == "doubtful" else "in random order"
        return (
            f"{pairs.name}: {len(pairs.pairs):,} pairs, {order}, each for {each}\n"
            f"decisions go to {self.sessions.folder.url.rstrip('/')}/{FOLDER}\n\n    {self.address}\n"
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
    """Serve the page until Ctrl-C, or until `stop` is set. See `serve_review` for the arguments and what it raises.

    Args:
        told: is called with the server once it answers; by default it prints the address.
        stop: ends the review when it is set by another thread.
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
    """Serve the page in a thread until the end of the block.

    Args:
        what: RUN or TARGET[@VERSION].
        reviewer: the only reviewer; None lets the page ask each one for a name.
        reviewers: how many reviewers each pair goes to; one more decides where they disagree or one is not sure.
        order: "doubtful" (the pairs of whose flip the judges are least sure come first) or "random".
        limit: pairs that one reviewer sees in a session, at most.
        host: the address to listen on, which is also the name that the page is reached by.
        port: 0 takes one that is free.
        tls: a certificate and its key, PEM files; needed where `host` is not loopback.
        out: the folder of the decisions; by default the run, or ./review-NAME-VERSION for a published version.

    Raises:
        SafetyPairsError: an argument is of no use, `what` cannot be read, or decisions of before are damaged.
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
    """Raise SafetyPairsError where unsafe images would go over a network in clear, or to whatever name is asked."""
    if not loopback and tls is None:
        raise SafetyPairsError(
            f"--host {host} can be reached by others, and the images would go there in clear; give --tls CERT KEY, or "
            "leave --host out and use an SSH tunnel (docs/review.md)"
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
    """The folder of the decisions on RUN or TARGET[@VERSION], whose name with its version is `name`.

    By default it is the run, or ./review-NAME-VERSION for a published version.
    """
    place, _, version = name.rpartition("@")
    return RunFolder(out or (what if is_run(what) else f"./review-{Path(place).name}-{version}"))
