"""Speed up a denoiser with nearly the same result: attention by the card, weights in FP8, compiled blocks.

No lever makes an image depend more on the others of its batch than batching does anyway: FP8 scales the states of each
token separately. Levers do change the last bits, and FP8 changes more, so every row names the active ones.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Final, NamedTuple

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.models.loading import pick_device

# Names of diffusers. The last two need separate packages, and accept no mask.
ATTENTION: Final = (
    "auto",
    "native",
    "_native_cudnn",
    "_native_flash",
    "_native_efficient",
    "_native_math",
    "flash",
    "_flash_3",
)
WITHOUT_MASKS: Final = ("flash", "_flash_3")
FP8: Final = ("off", "auto", "rows", "weights")
COMPILER = "inductor"
_NO_TORCHAO: Final = "needs torchao: pip install 'safetypairs-hf[fp8]'; or give fp8=off"


class Card(NamedTuple):
    """The choice of "auto" on cards with a compute capability of `least` or more."""

    least: tuple[int, int]
    attention: str
    fp8: str


# cuDNN's attention is the fastest that comes with PyTorch on Hopper and Blackwell (as published; not measured here).
# FP8 products begin with Ada. Before that, and on a CPU, PyTorch chooses.
CARDS: Final = (
    Card((9, 0), "_native_cudnn", "rows"),
    Card((8, 9), "native", "rows"),
    Card((0, 0), "native", "off"),
)


def check(attention: str, fp8: str) -> None:
    """Raise RecipeError if a setting is unknown."""
    for name, given, known in (("attention", attention, ATTENTION), ("fp8", fp8, FP8)):
        if given not in known:
            raise RecipeError(f"{name} = {given!r}; expected one of {', '.join(known)}")


def check_torchao(fp8: str) -> None:
    """Raise SafetyPairsError if torchao is needed (not "off" or "auto") and not installed."""
    if fp8 in ("rows", "weights") and importlib.util.find_spec("torchao") is None:
        raise SafetyPairsError(f"fp8={fp8} {_NO_TORCHAO}")


def card_of(device: str) -> Card:
    """Return the choice of "auto" on a device, which may itself be "auto"."""
    import torch

    where = torch.device(pick_device(device))
    return with_capability(*(torch.cuda.get_device_capability(where) if where.type == "cuda" else (0, 0)))


def with_capability(major: int, minor: int) -> Card:
    """Return the choice of "auto" for a compute capability; (0, 0) stands for anything but an NVIDIA card."""
    return next(card for card in CARDS if (major, minor) >= card.least)


def turned_on(attention: str, fp8: str, compiled: bool, device: str) -> tuple[str, ...]:
    """Return the active levers on a device that change bits, as named in rows; () for plain PyTorch."""
    card = card_of(device)
    attention = card.attention if attention == "auto" else attention
    fp8 = card.fp8 if fp8 == "auto" else fp8
    named = ((f"attention={attention}", attention != "native"), (f"fp8={fp8}", fp8 != "off"))
    return (*(text for text, on in named if on), *(["compile_blocks"] if compiled else []))


def turn_on(denoiser: Any, attention: str, fp8: str, compiled: bool, device: str) -> None:
    """Set the attention of a pipeline's denoiser, then convert its weights to FP8, then compile its blocks.

    Raises:
        SafetyPairsError: The device or the installed packages do not support a setting.
    """
    card = card_of(device)
    _set_attention(denoiser, card.attention if attention == "auto" else attention, asked=attention != "auto")
    _quantize(denoiser, card.fp8 if fp8 == "auto" else fp8, fp8)
    if compiled:
        _compile(denoiser)


def _set_attention(denoiser: Any, backend: str, asked: bool) -> None:
    from diffusers.utils import logging

    takes = any(hasattr(getattr(module, "processor", None), "_attention_backend") for module in denoiser.modules())
    if not takes:
        if asked and backend != "native":
            raise SafetyPairsError(f"attention={backend}: {type(denoiser).__name__} takes none; give attention=auto")
        return
    logger = logging.get_logger("diffusers.models.modeling_utils")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns at each call that attention backends are new
    try:
        denoiser.set_attention_backend(backend)
    except (RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise SafetyPairsError(f"attention={backend} cannot be used here: {said}; give attention=native") from error
    finally:
        logger.setLevel(level)


def _quantize(denoiser: Any, kind: str, asked: str) -> None:
    """Convert the weights of a denoiser's blocks to FP8 with torchao.

    "rows": the products are in FP8 too, with a scale for each token and for each row of the weights. One scale for all
    tokens of a batch would let an image depend on its batch-mates. "weights": only the memory is halved.
    """
    if kind == "off":
        return
    try:
        from torchao import quantization
    except ImportError as error:
        raise SafetyPairsError(f"fp8={asked} {_NO_TORCHAO}") from error
    if kind == "rows":
        how = quantization.Float8DynamicActivationFloat8WeightConfig(granularity=quantization.PerRow())
    else:
        how = quantization.Float8WeightOnlyConfig()
    try:
        quantization.quantize_(denoiser, how, filter_fn=_is_large)
    except AssertionError as error:
        said = " ".join(str(error).split())
        raise SafetyPairsError(f"fp8={asked} cannot be used here: {said}; give fp8=weights or fp8=off") from error


def _is_large(module: Any, name: str) -> bool:
    """Return whether a layer is a matrix product in the blocks; layers before and after them keep their precision."""
    import torch

    sides = (module.in_features, module.out_features) if isinstance(module, torch.nn.Linear) else (1,)
    return "transformer_blocks." in name and not any(side % 16 for side in sides)


def _compile(denoiser: Any) -> None:
    """Compile the repeated blocks once for all sizes: one graph for single images and one for larger batches."""
    denoiser.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=COMPILER)
