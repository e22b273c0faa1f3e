"""A small editing pipeline behind OpenAI's POST /images/edits on loopback, with the additional fields of vLLM-Omni.

It runs a FLUX.2-klein pipeline of diffusers in this process, one request at a time. It replaces an engine that serves
editors, so that a local editor can be compared with the same editor behind a server.
"""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

Form = Mapping[str, Any]  # the fields of a request; "image" holds the bytes of the file


class EditServer:
    """Answers requests with a pipeline.

    Args:
        pipeline: A small Flux2KleinPipeline; see `loaded`.
        name: The name under which it is served.
    """

    _lock: ClassVar = threading.Lock()  # for all servers, because they may share a pipeline

    def __init__(self, pipeline: Any, name: str = "klein") -> None:
        self.name, self.pipeline = name, pipeline
        self.requests: list[dict[str, Any]] = []

    def models(self) -> dict[str, Any]:
        """Return the answer to GET /models."""
        return {"object": "list", "data": [{"id": self.name, "object": "model", "root": f"org/{self.name}"}]}

    def answer(self, form: Form) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the answer to a request."""
        with self._lock:
            self.requests.append(dict(form))
            image = self.edited(form)
        encoded = io.BytesIO()
        image.save(encoded, str(form.get("output_format", "png")))
        return 200, {"created": 0, "data": [{"b64_json": base64.b64encode(encoded.getvalue()).decode()}]}

    def edited(self, form: Form) -> Any:
        """Return the edited image as a PIL image."""
        import torch
        from PIL import Image

        source = Image.open(io.BytesIO(form["image"])).convert("RGB")
        width, height = map(int, form["size"].split("x")) if "size" in form else source.size
        with torch.inference_mode():
            made = self.pipeline(
                image=[source],
                prompt=[form["prompt"]],
                width=width,
                height=height,
                generator=[torch.Generator("cpu").manual_seed(int(form.get("seed", 0)))],
                num_inference_steps=int(form.get("num_inference_steps", 1)),
                guidance_scale=float(form.get("guidance_scale", 1.0)),
                max_sequence_length=128,
                text_encoder_out_layers=(1,),
            )
        return made.images[0]


def loaded(folder: Path) -> Any:
    """Load the pipeline in a folder, such as one made by `testing.tiny.editors.klein`."""
    from diffusers import Flux2KleinPipeline

    pipeline = Flux2KleinPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@contextmanager
def edit_server(server: EditServer) -> Iterator[str]:
    """Serve until the end of the block. Yields the base URL of the API, `http://127.0.0.1:PORT/v1`."""
    import uvicorn

    config = uvicorn.Config(_app(server), lifespan="off", ws="none", log_level="critical", access_log=False)
    inner = uvicorn.Server(config)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=inner.run, args=([listener],), name="edit-server", daemon=True)
        thread.start()
        try:
            while not inner.started and thread.is_alive():
                time.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            inner.should_exit = inner.force_exit = True
            thread.join()


def _app(server: EditServer) -> Any:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def models(request: Request) -> JSONResponse:
        return JSONResponse(server.models())

    async def edits(request: Request) -> JSONResponse:
        async with request.form() as fields:
            form = {name: value if isinstance(value, str) else await value.read() for name, value in fields.items()}
        status, body = await run_in_threadpool(server.answer, form)
        return JSONResponse(body, status)

    return Starlette(routes=[Route("/v1/models", models), Route("/v1/images/edits", edits, methods=["POST"])])
