"""Pipelines of the real shapes with random weights, made where they run; and the same at toy size.

The sizes are those of the published configurations of FLUX.2-klein-4B (with Qwen3-4B) and Qwen-Image-Edit (with
Qwen2.5-VL-7B). The tokenizers alone are small ones: a prompt has more tokens than by the real ones, or is padded to as
many.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from safetypairs_hf.models.processors import images_only
from safetypairs_hf.testing.tiny import qwen_vl, tokenizers


@dataclass(frozen=True)
class Shape:
    """The arguments of the configurations of a pipeline's parts.

    `seen`: the fewest and the most pixels that the text encoder sees of an image.
    """

    transformer: dict[str, Any]
    vae: dict[str, Any]
    text: dict[str, Any]
    vision: dict[str, Any] = field(default_factory=dict)
    seen: tuple[int, int] = (56**2, 12_845_056)


KLEIN_4B = Shape(
    transformer={
        "in_channels": 128,
        "num_layers": 5,
        "num_single_layers": 20,
        "num_attention_heads": 24,
        "attention_head_dim": 128,
        "joint_attention_dim": 7680,
        "mlp_ratio": 3.0,
        "axes_dims_rope": (32, 32, 32, 32),
        "guidance_embeds": False,
    },
    vae={},  # as by default: 128, 256, 512 and 512 channels, and latents of 32
    text={
        "vocab_size": 151_936,
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "tie_word_embeddings": True,
    },
)
QWEN_EDIT = Shape(
    transformer={
        "num_layers": 60,
        "num_attention_heads": 24,
        "attention_head_dim": 128,
        "joint_attention_dim": 3584,
        "axes_dims_rope": (16, 56, 56),
    },
    vae={},  # as by default: 96 to 384 channels, and latents of 16
    text={
        "vocab_size": 152_064,
        "hidden_size": 3584,
        "intermediate_size": 18_944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    },
    vision={
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
        "fullatt_block_indexes": [7, 15, 23, 31],
        "window_size": 112,
    },
)
_TOY_TEXT = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
TOY_KLEIN = Shape(
    transformer=KLEIN_4B.transformer
    | {
        "in_channels": 4,
        "num_layers": 1,
        "num_single_layers": 1,
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "joint_attention_dim": 32,
        "axes_dims_rope": (4, 4, 4, 4),
    },
    vae={
        "block_out_channels": (4, 4, 4),
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "layers_per_block": 1,
        "latent_channels": 1,
        "norm_num_groups": 1,
    },
    text=_TOY_TEXT | {"head_dim": 16},
)
TOY_QWEN = Shape(
    transformer=QWEN_EDIT.transformer
    | {
        "in_channels": 16,
        "out_channels": 4,
        "num_layers": 1,
        "num_attention_heads": 1,
        "attention_head_dim": 16,
        "joint_attention_dim": 32,
        "axes_dims_rope": (8, 4, 4),
    },
    vae={
        "base_dim": 2,
        "z_dim": 4,
        "dim_mult": [1, 1, 1, 1, 1],
        "num_res_blocks": 0,
        "temperal_downsample": [False, False, True, True],
        "latents_mean": [0.0] * 4,
        "latents_std": [1.0] * 4,
    },
    text=_TOY_TEXT | {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}},
    vision={
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": 32,
        "fullatt_block_indexes": [1],
    },
    seen=(56**2, 112**2),
)


def klein(shape: Shape, device: str, dtype: Any) -> Any:
    """A Flux2KleinPipeline."""
    import diffusers
    from transformers import Qwen3Config, Qwen3ForCausalLM

    with made_on(device, dtype):
        text = Qwen3ForCausalLM(Qwen3Config(**shape.text)).eval()
        transformer = diffusers.Flux2Transformer2DModel(**shape.transformer)
        vae = diffusers.AutoencoderKLFlux2(**shape.vae)
    return _quiet(
        diffusers.Flux2KleinPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=vae.eval(),
            text_encoder=text,
            tokenizer=tokenizers.qwen2(),
            transformer=transformer.eval(),
            is_distilled=True,
        )
    )


def qwen_edit(shape: Shape, device: str, dtype: Any) -> Any:
    """A QwenImageEditPipeline; its text encoder and its processor are a chat model, too."""
    import diffusers
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    named = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    tokenizer = tokenizers.chat(qwen_vl.SPECIALS, named)
    config = Qwen2_5_VLConfig(
        text_config={**shape.text, **tokenizers.ends(tokenizer)},
        vision_config=shape.vision,
        **tokenizers.ids(tokenizer, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>"),
        **tokenizers.ids(tokenizer, vision_start_token_id="<|vision_start|>", vision_end_token_id="<|vision_end|>"),
        tie_word_embeddings=False,
    )
    with made_on(device, dtype):
        text = Qwen2_5_VLForConditionalGeneration(config).eval()
        transformer = diffusers.QwenImageTransformer2DModel(**shape.transformer)
        vae = diffusers.AutoencoderKLQwenImage(**shape.vae)
    least, most = shape.seen
    images = Qwen2VLImageProcessorPil(size={"shortest_edge": least, "longest_edge": most})
    template = tokenizers.chatml("<|vision_start|><|image_pad|><|vision_end|>")
    return _quiet(
        diffusers.QwenImageEditPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
                use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02
            ),
            vae=vae.eval(),
            text_encoder=text,
            tokenizer=tokenizer,
            processor=images_only(Qwen2VLProcessor)(images, tokenizer, chat_template=template),
            transformer=transformer.eval(),
        )
    )


@contextmanager
def made_on(device: str, dtype: Any) -> Iterator[None]:
    """Tensors that are made meanwhile are of this type and lie on this device, so that no copy of them ever moves."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


def _quiet(pipeline: Any) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
