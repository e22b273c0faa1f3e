"""Work after the denoiser, in parallel with it: a batch is decoded while the next one is denoised."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, NamedTuple, Self, TypeVar

from safetypairs_hf.models.memory import give_back, out_of_memory

Result = TypeVar("Result")


class Promised(NamedTuple, Generic[Result]):
    """A future result, and the call that computes it."""

    future: Future[Result]
    call: Callable[[], Result]

    def result(self) -> Result:
        """Wait for the result. If memory ran out while the denoiser was working, call again now that it is not."""
        try:
            return self.future.result()
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        give_back()
        return self.call()


class DecodeThread:
    """A thread, on a GPU with its own stream, in which calls run in order. It is a context manager.

    Args:
        device: Where the calls work.
        at_once: Make each call in `submit`, not in the thread.
    """

    def __init__(self, device: Any, at_once: bool = False) -> None:
        self._device, self._at_once = device, at_once
        self._stream: Any = None
        self._promised: list[Promised[Any]] = []

    def __enter__(self) -> Self:
        import torch

        self._thread = ThreadPoolExecutor(1)
        if self._device.type == "cuda" and not self._at_once:
            self._stream = torch.cuda.Stream(self._device)
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def submit(self, call: Callable[[], Result]) -> Promised[Result]:
        """Make a call after all earlier calls, and after all work that the device was given so far."""
        future: Future[Result]
        if self._at_once:
            future = Future()
            future.set_result(call())
            return Promised(future, call)
        self._promised.append(promised := Promised(self._thread.submit(self._run, call, self._mark()), call))
        return promised

    def settle(self) -> bool:
        """Wait for all calls, and ignore their errors. Return whether there was any since the last time."""
        settled, self._promised = self._promised, []
        for promised in settled:
            promised.future.exception()
        return bool(settled)

    def _mark(self) -> Any:
        """Return a mark in the caller's stream after everything submitted so far."""
        import torch

        return None if self._stream is None else torch.cuda.current_stream(self._device).record_event()

    def _run(self, call: Callable[[], Result], mark: Any) -> Result:
        import torch

        if self._stream is None:
            return call()
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(mark)
            result = call()
            # The input of the call can be freed only after the stream has read it, and any stream may use the result.
            self._stream.synchronize()
            return result
