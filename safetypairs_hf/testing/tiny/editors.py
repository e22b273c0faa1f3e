"""Editing pipelines of the real classes with small random weights, saved where the editors load them from.

They change an image by nothing but noise. What they are for is the road: every class, file and call of a real build, on
a CPU in seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetypairs_hf.testing.tiny import tokenizers
from safetypairs_hf.testing.tiny.seeded import seeded

_QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def klein(folder: Path, seed: int = 0) -> Path:
    """A Flux2KleinPipeline; call it with `text_layers=(1,)` and `max_sequence_length=32`."""
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinPipeline,
        Flux2Transformer2DModel,
    )
    from transformers import Qwen3Config, Qwen3ForCausalLM

    with seeded(seed):
        text = Qwen3ForCausalLM(
            Qwen3Config(
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                head_dim=8,
                vocab_size=512,
            )
        )
        transformer = Flux2Transformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            timestep_guidance_channels=256,
            axes_dims_rope=[4, 4, 4, 4],
            guidance_embeds=False,
        )
        vae = AutoencoderKLFlux2(
            block_out_channels=(4, 4, 4),  # an eighth of a side in tokens, which keeps attention small
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            layers_per_block=1,
            latent_channels=1,
            norm_num_groups=1,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )
    parts = {"scheduler": FlowMatchEulerDiscreteScheduler(), "vae": vae, "text_encoder": text}
    return _saved(
        Flux2KleinPipeline(**parts, tokenizer=tokenizers.qwen2(), transformer=transformer, is_distilled=True), folder
    )


def kontext(folder: Path, seed: int = 0) -> Path:
    """A FluxKontextPipeline."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxKontextPipeline, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    with seeded(seed):
        transformer = FluxTransformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=[4, 4, 8],
            guidance_embeds=True,
        )
        vae = AutoencoderKL(
            block_out_channels=(4,),
            latent_channels=1,
            norm_num_groups=1,
            layers_per_block=1,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.0609,
            scaling_factor=1.5035,
        )
        clip = CLIPTextModel(_clip_config(CLIPTextConfig))
        t5 = T5EncoderModel(T5Config(vocab_size=128, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2))
    return _saved(
        FluxKontextPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=vae,
            text_encoder=clip,
            tokenizer=tokenizers.clip(),
            text_encoder_2=t5,
            tokenizer_2=tokenizers.t5(),
            transformer=transformer,
        ),
        folder,
    )


def instruct_pix2pix(folder: Path, seed: int = 0) -> Path:
    """A StableDiffusionInstructPix2PixPipeline."""
    from diffusers import (
        AutoencoderKL,
        EulerAncestralDiscreteScheduler,
        StableDiffusionInstructPix2PixPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel

    with seeded(seed):
        unet = UNet2DConditionModel(
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
        vae = AutoencoderKL(
            block_out_channels=(32, 64),
            down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
            up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
            latent_channels=4,
        )
        clip = CLIPTextModel(_clip_config(CLIPTextConfig))
    return _saved(
        StableDiffusionInstructPix2PixPipeline(
            vae=vae,
            text_encoder=clip,
            tokenizer=tokenizers.clip(),
            unet=unet,
            scheduler=EulerAncestralDiscreteScheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ),
        folder,
    )


def qwen_edit(folder: Path, seed: int = 0) -> Path:
    """A QwenImageEditPipeline. It edits at about a megapixel, whatever the image's size."""
    from diffusers import QwenImageEditPipeline

    return _qwen(QwenImageEditPipeline, folder, seed)


def qwen_edit_plus(folder: Path, seed: int = 0) -> Path:
    """A QwenImageEditPlusPipeline, the class of Qwen-Image-Edit-2509 and -2511."""
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
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=1,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        )
        vae = AutoencoderKLQwenImage(
            base_dim=2,
            z_dim=4,
            dim_mult=[1, 1, 1, 1, 1],  # one halving more than the real one has: a quarter of the patches
            num_res_blocks=0,
            temperal_downsample=[False, False, True, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        )
        _let_through(vae)
    parts = {"scheduler": FlowMatchEulerDiscreteScheduler(), "vae": vae, "text_encoder": text, "tokenizer": tokenizer}
    _saved(kind(**parts, transformer=transformer, processor=None), folder)
    # The processor's class needs torchvision to be made whole, so its files are written beside the pipeline's.
    Qwen2VLImageProcessorPil(size={"shortest_edge": 56**2, "longest_edge": 112**2}).save_pretrained(
        folder / "processor"
    )
    tokenizer.save_pretrained(folder / "processor")
    index = json.loads((folder / "model_index.json").read_text())
    index["processor"] = ["transformers", "Qwen2VLProcessor"]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    return folder


def _let_through(vae: Any) -> None:
    """Weights as torch draws them shrink what comes in, until over ten layers nothing but the biases is left."""
    import torch

    with torch.no_grad():
        for name, weights in vae.named_parameters():
            if name.endswith("bias"):
                weights.zero_()
            elif "conv" in name or "resample" in name:
                weights.mul_(2)


def _qwen_config(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig

    start, end, image, video = tokenizer.convert_tokens_to_ids(_QWEN_TOKENS)
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
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
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )


def _clip_config(config: Any) -> Any:
    return config(
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        vocab_size=512,
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=32,
    )


def _saved(pipeline: Any, folder: Path) -> Path:
    pipeline.save_pretrained(folder)
    return folder
