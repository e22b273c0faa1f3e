"""Where Arrow takes its memory from, while something large is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa


@contextmanager
def large_buffers() -> Iterator[None]:
    """Arrow keeps the memory that it frees, where it can.

    Its usual allocator gives large buffers back to the system, and gets them again page by page: a third of the time
    that it takes to write images.
    """
    with _pool(pa.jemalloc_memory_pool() if "jemalloc" in pa.supported_memory_backends() else pa.default_memory_pool()):
        yield


@contextmanager
def small_memory() -> Iterator[None]:
    """Arrow gives back the memory that it frees.

    Its usual allocator holds on to that for a while: to write 10,000 rows of texts takes 27 MB with it, and 16 without.
    """
    with _pool(pa.system_memory_pool()):
        yield


@contextmanager
def _pool(chosen: pa.MemoryPool) -> Iterator[None]:
    usual = pa.default_memory_pool()
    pa.set_memory_pool(chosen)
    try:
        yield
    finally:
        pa.set_memory_pool(usual)
