"""Editing pipelines of the real classes with small random weights, in folders that the editors load.

They only add noise to an image. They exist to run every class, file and call of a real build on a CPU in seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetypairs_hf.testing.tiny import tokenizers
from safetypairs_hf.testing.tiny.weights import seeded

# Sizes that all image transformers share, and those that the two of Flux share.
_TRANSFORMER: dict[str, Any] = {"num_layers": 1, "attention_head_dim": 16}
_FLUX = _TRANSFORMER | {"patch_size": 1, "in_channels": 4, "num_single_layers": 1, "num_attention_heads": 2}
_QWEN_TEXT: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
_QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def klein(folder: Path, seed: int = 0) -> Path:
    """Save a Flux2KleinPipeline; call it with `text_layers=(1,)` and `max_sequence_length=64`."""
    import diffusers
    from transformers import Qwen3Config, Qwen3ForCausalLM

    with seeded(seed):
        text = Qwen3ForCausalLM(Qwen3Config(vocab_size=512, **_QWEN_TEXT, head_dim=8))
        transformer = diffusers.Flux2Transformer2DModel(
            **_FLUX,
            joint_attention_dim=16,
            timestep_guidance_channels=256,
            axes_dims_rope=[4, 4, 4, 4],
            guidance_embeds=False,
        )
        vae = diffusers.AutoencoderKLFlux2(
            block_out_channels=(4, 4, 4),  # eight pixels of a side per token, which keeps attention small
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            layers_per_block=1,
            latent_channels=1,
            norm_num_groups=1,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )
    pipeline = diffusers.Flux2KleinPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizers.qwen2(),
        transformer=transformer,
        is_distilled=True,
    )
    pipeline.save_pretrained(folder)
    return folder


def kontext(folder: Path, seed: int = 0) -> Path:
    """Save a FluxKontextPipeline."""
    import diffusers
    from transformers import T5Config, T5EncoderModel

    with seeded(seed):
        transformer = diffusers.FluxTransformer2DModel(
            **_FLUX,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=[4, 4, 8],
            guidance_embeds=True,
        )
        vae = diffusers.AutoencoderKL(
            block_out_channels=(4,),
            latent_channels=1,
            norm_num_groups=1,
            layers_per_block=1,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.0609,
            scaling_factor=1.5035,
        )
        clip = _clip_text()
        t5 = T5EncoderModel(T5Config(vocab_size=128, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2))
    pipeline = diffusers.FluxKontextPipeline(
        **clip,
        text_encoder_2=t5,
        tokenizer_2=tokenizers.t5(),
        transformer=transformer,
        vae=vae,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )
    pipeline.save_pretrained(folder)
    return folder


def instruct_pix2pix(folder: Path, seed: int = 0) -> Path:
    """Save a StableDiffusionInstructPix2PixPipeline."""
    import diffusers

    with seeded(seed):
        unet = diffusers.UNet2DConditionModel(
            block_out_channels=(32, 64),
            layers_per_block=1,
            sample_size=32,
            in_channels=8,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
            norm_num_groups=8,
        )
        vae = diffusers.AutoencoderKL(
            block_out_channels=(32, 64),
            down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
            up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
            latent_channels=4,
        )
        clip = _clip_text()
    pipeline = diffusers.StableDiffusionInstructPix2PixPipeline(
        **clip,
        unet=unet,
        vae=vae,
        scheduler=diffusers.EulerAncestralDiscreteScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def qwen_edit(folder: Path, seed: int = 0) -> Path:
    """Save a QwenImageEditPipeline, which edits at about a megapixel regardless of the image's size."""
    from diffusers import QwenImageEditPipeline

    return _qwen(QwenImageEditPipeline, folder, seed)


def qwen_edit_plus(folder: Path, seed: int = 0) -> Path:
    """Save a QwenImageEditPlusPipeline, the class of Qwen-Image-Edit-2509 and -2511."""
    from diffusers import QwenImageEditPlusPipeline

    return _qwen(QwenImageEditPlusPipeline, folder, seed)


def _qwen(kind: Any, folder: Path, seed: int) -> Path:
    from diffusers import AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = tokenizers.qwen2()
    tokenizer.add_special_tokens({"additional_special_tokens": list(_QWEN_TOKENS)})
    with seeded(seed):
        text = Qwen2_5_VLForConditionalGeneration(_qwen_config(tokenizer))
        transformer = QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            **_TRANSFORMER,
            num_attention_heads=1,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        )
        vae = AutoencoderKLQwenImage(
            base_dim=2,
            z_dim=4,
            dim_mult=[1, 1, 1, 1, 1],  # one halving more than the real one: a quarter of the patches
            num_res_blocks=0,
            temperal_downsample=[False, False, True, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        )
    _keep_signal(vae)
    parts = {"scheduler": FlowMatchEulerDiscreteScheduler(), "vae": vae, "text_encoder": text, "tokenizer": tokenizer}
    kind(**parts, transformer=transformer, processor=None).save_pretrained(folder)
    # The processor's class needs torchvision, so its files are written without it.
    Qwen2VLImageProcessorPil(size={"shortest_edge": 56**2, "longest_edge": 112**2}).save_pretrained(
        folder / "processor"
    )
    tokenizer.save_pretrained(folder / "processor")
    index = json.loads((folder / "model_index.json").read_text())
    index["processor"] = ["transformers", "Qwen2VLProcessor"]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    return folder


def _keep_signal(vae: Any) -> None:
    """Enlarge the weights. With torch's initial ones the input fades, and only biases are left after ten layers."""
    import torch

    with torch.no_grad():
        for name, weights in vae.named_parameters():
            if name.endswith("bias"):
                weights.zero_()
            elif "conv" in name or "resample" in name:
                weights.mul_(2)


def _qwen_config(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig

    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            **_QWEN_TEXT,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "fullatt_block_indexes": [1],
        },
        **tokenizers.ids(tokenizer, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>"),
        **tokenizers.ids(tokenizer, vision_start_token_id="<|vision_start|>", vision_end_token_id="<|vision_end|>"),
    )


def _clip_text() -> dict[str, Any]:
    """Return CLIP's text encoder and its tokenizer, as arguments of a pipeline."""
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = tokenizers.clip()
    size = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = CLIPTextConfig(vocab_size=512, **tokenizers.ends(tokenizer), **size, projection_dim=32)
    return {"text_encoder": CLIPTextModel(config), "tokenizer": tokenizer}
