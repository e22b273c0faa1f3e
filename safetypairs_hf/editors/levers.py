"""What makes a denoiser faster without another result: attention by the card, weights in FP8, compiled blocks.

None of them lets an image depend on the others of its batch beyond what a batch does anyway: FP8 scales the states of
each token by themselves. They do change the last bits, and FP8 more than that, so every row names those that were on.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Final, NamedTuple

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.models.loading import pick_device

# Names of diffusers. The last two are packages of their own, and take no mask.
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
    """What "auto" takes on cards of a compute capability of `least` and more."""

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
    """Raise RecipeError where a setting is none that there is."""
    for name, given, known in (("attention", attention, ATTENTION), ("fp8", fp8, FP8)):
        if given not in known:
            raise RecipeError(f"{name} = {given!r}; expected one of {', '.join(known)}")


def check_torchao(fp8: str) -> None:
    """Raise SafetyPairsError where it is not installed, which all but "off" and "auto" need on any machine."""
    if fp8 in ("rows", "weights") and importlib.util.find_spec("torchao") is None:
        raise SafetyPairsError(f"fp8={fp8} {_NO_TORCHAO}")


def card_of(device: str) -> Card:
    """What "auto" takes on a device, which may be "auto" too."""
    import torch

    where = torch.device(pick_device(device))
    return with_capability(*(torch.cuda.get_device_capability(where) if where.type == "cuda" else (0, 0)))


def with_capability(major: int, minor: int) -> Card:
    """What "auto" takes on a card of a compute capability; (0, 0) stands for whatever is no card of NVIDIA."""
    return next(card for card in CARDS if (major, minor) >= card.least)


def turned_on(attention: str, fp8: str, compiled: bool, device: str) -> tuple[str, ...]:
    """The levers that are on on a device and that change bits, as rows name them; () for PyTorch as it comes."""
    card = card_of(device)
    attention = card.attention if attention == "auto" else attention
    fp8 = card.fp8 if fp8 == "auto" else fp8
    named = ((f"attention={attention}", attention != "native"), (f"fp8={fp8}", fp8 != "off"))
    return (*(text for text, on in named if on), *(["compile_blocks"] if compiled else []))


def turn_on(denoiser: Any, attention: str, fp8: str, compiled: bool, device: str) -> None:
    """Set the attention of a pipeline's denoiser, then bring its weights to FP8, then compile its blocks.

    Raises:
        SafetyPairsError: the device, or what is installed, cannot do what was asked for.
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
    logger.setLevel(logging.ERROR)  # it says at each call that attention backends are new
    try:
        denoiser.set_attention_backend(backend)
    except (RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise SafetyPairsError(f"attention={backend} cannot be used here: {said}; give attention=native") from error
    finally:
        logger.setLevel(level)


def _quantize(denoiser: Any, kind: str, asked: str) -> None:
    """Bring the weights of a denoiser's blocks to FP8, by torchao.

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
    """Whether a layer is one of the products in the blocks; what leads in and out of them keeps its precision."""
    import torch

    sides = (module.in_features, module.out_features) if isinstance(module, torch.nn.Linear) else (1,)
    return "transformer_blocks." in name and not any(side % 16 for side in sides)


def _compile(denoiser: Any) -> None:
    """Compile the blocks that repeat, once for all sizes: a graph for batches of one image and one for larger ones."""
    denoiser.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=COMPILER)
