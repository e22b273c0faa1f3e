"""The web application of the review: the page, its files, the pictures, and the requests that the page posts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import ForeignTextError, parse_object
from safetypairs_hf.core.pictures import media_type
from safetypairs_hf.reviewing.request_checks import Checked
from safetypairs_hf.reviewing.sessions import OutOfDateError, Sessions, page_settings

PAGE: Final = Path(__file__).parent / "page"
# The files that can be fetched, by name. A name in a request never becomes a path.
FILES: Final = {"": "text/html", "page.css": "text/css", "page.js": "text/javascript", "views.js": "text/javascript"}


def build(sessions: Sessions, token: str, hosts: Collection[str]) -> ASGIApp:
    """Return the application, which answers only at `/TOKEN/` of these hosts."""
    files = {name: (PAGE / (name or "index.html")).read_bytes() for name in FILES}

    async def file(request: Request) -> Response:
        name = request.path_params.get("name", "")
        if name not in files:
            return JSONResponse({"error": "there is no such file"}, 404)
        return Response(files[name], media_type=f"{FILES[name]}; charset=utf-8")

    async def settings(request: Request) -> Response:
        return JSONResponse(page_settings(sessions))

    async def picture(request: Request) -> Response:
        given = request.path_params
        try:
            found = await run_in_threadpool(sessions.picture, given["reviewer"], given["pair_id"], given["side"])
        except SafetyPairsError as error:
            return JSONResponse({"error": str(error)}, 500)
        if found is None:
            return JSONResponse({"error": "this picture is not assigned to you"}, 404)
        return Response(found, media_type=media_type(found))

    return Checked(
        Starlette(
            routes=[
                Route("/", file),
                Route("/settings.json", settings),
                Route("/pictures/{reviewer}/{pair_id}/{side}", picture),
                *(Route(f"/api/{name}", _posted(sessions, *each), methods=["POST"]) for name, each in POSTED.items()),
                Route("/{name}", file),
            ]
        ),
        token,
        hosts,
    )


# The page's POST requests: the method that handles each, and its arguments with their types.
POSTED: Final[Mapping[str, tuple[Callable[..., dict[str, Any]], Mapping[str, type]]]] = {
    "open": (Sessions.open, {"reviewer": str}),
    "blind": (Sessions.answer_blind, {"reviewer": str, "pair_id": str, "side": str, "seconds": float}),
    "decide": (
        Sessions.decide,
        {"reviewer": str, "pair_id": str, "action": str, "reason": str, "note": str, "seconds": float},
    ),
    "undo": (Sessions.undo, {"reviewer": str, "pair_id": str}),
    "again": (Sessions.look_again, {"reviewer": str}),
}


def _posted(
    sessions: Sessions, method: Callable[..., dict[str, Any]], arguments: Mapping[str, type]
) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            given = _arguments(await request.body(), arguments)
        except ForeignTextError as error:
            return JSONResponse({"error": f"the request {error}"}, 400)
        try:
            state = await run_in_threadpool(method, sessions, **given)
        except OutOfDateError as error:
            return JSONResponse({"error": str(error)}, 409)
        except SafetyPairsError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(state)

    return answer


def _arguments(body: bytes, wanted: Mapping[str, type]) -> dict[str, Any]:
    try:
        given = parse_object(body.decode())
    except UnicodeDecodeError:
        raise ForeignTextError("is not UTF-8") from None
    if given.keys() != wanted.keys():
        raise ForeignTextError(f"has {', '.join(given)}; expected {', '.join(wanted)}")
    for name, kind in wanted.items():
        value = given[name]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            given[name] = float(value)
        elif not isinstance(value, kind):
            raise ForeignTextError(f"has a {name} that is no {kind.__name__}")
    return given
