"""Qwen-Image-Edit-2509 and -2511 (Alibaba, Apache-2.0), about 60 GiB: a list of images is one prompt's references.

The pipeline takes one prompt a call, so this editor answers one by one, and says that its batches are of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from safetypairs_hf.editors import qwen_edit
from safetypairs_hf.editors.batching import Item, Size, edit_in_batches
from safetypairs_hf.models.loading import let_go, revision_of
from safetypairs_hf.records import Edited, Instruction, Picture, Pixels, Reject

LICENSE = "apache-2.0"


@dataclass(frozen=True)
class QwenEditPlus:
    """An editor; see `records.Editor`. `model` is a folder, or a Hub id with `commit`; `guidance` as in QwenEdit."""

    model: str = "Qwen/Qwen-Image-Edit-2511"
    commit: str | None = None
    steps: int = 40
    guidance: float = 4.0
    device: str = "auto"
    name: str = "qwen-image-edit-plus"
    holds_model: bool = True

    @cached_property
    def revision(self) -> str:
        return revision_of(self.model, self.commit)

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        return edit_in_batches(images, instructions, seeds, self._run, batch_size=1, multiple=1, least=1)

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        return qwen_edit.round_trip(self._pipeline, images, 1)

    def release(self) -> None:
        let_go(self, "_pipeline")

    def _run(self, batch: Sequence[Item], size: Size) -> Sequence[Pixels]:
        import numpy as np
        import torch

        [item] = batch
        with torch.inference_mode():
            made = self._pipeline(
                image=[item.image],
                prompt=item.prompt,
                negative_prompt=" " if self.guidance > 1 else None,  # without one it does not guide
                generator=item.generator,
                num_inference_steps=self.steps,
                true_cfg_scale=self.guidance,
            )
        return [np.asarray(made.images[0])]

    @cached_property
    def _pipeline(self) -> Any:
        return qwen_edit.load(self.model, self.commit, self.device, "QwenImageEditPlusPipeline")
