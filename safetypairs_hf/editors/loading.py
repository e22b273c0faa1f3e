"""Loads a pipeline of diffusers: of the class asked for, on a device, with no bars of its own."""

from __future__ import annotations

from typing import Any

from safetypairs_hf.models.loading import PIPELINE, check_class, pick_device, pick_dtype


def load_pipeline(model: str, commit: str | None, kind: str, device: str, loader: Any = None, **options: Any) -> Any:
    """Load a folder or a pinned Hub id whose pipeline class is `kind`.

    Args:
        loader: the class that loads it, where that is not the class it names.
        options: further arguments of `from_pretrained`.

    Raises:
        SafetyPairsError: no such model, or one of another class.
    """
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging

    check_class(model, commit, PIPELINE, (kind,))
    where = pick_device(device)
    had_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        loaded = (loader or DiffusionPipeline).from_pretrained(
            model, revision=commit, dtype=pick_dtype(where), **options
        )
    finally:
        if had_bars:
            logging.enable_progress_bar()
    loaded.to(where).set_progress_bar_config(disable=True)
    return loaded
