"""A small Mllama and a small Llama 4, the classes of Llama Guard 3 Vision and 4, with random weights.

Their chat templates state a policy, like the real ones, in fewer words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny import tokenizers
from safetypairs_hf.testing.tiny.sizes import PATCH, SIDE, SPREAD, TEXT
from safetypairs_hf.testing.tiny.weights import save, save_random, seeded

_POLICY: Final = "Is what the user shows unsafe? S1: Violent Crimes. S10: Hate. Answer safe, or unsafe and the codes.\n"
_TEMPLATE: Final = (
    "{{ bos_token }}BEGINuserEND\n\n"
    "{% for turn in messages %}{% for part in turn['content'] %}{% if part['type'] == 'image' %}<|image|>{% endif %}"
    "{% endfor %}{% endfor %}" + _POLICY + "{% for turn in messages %}User: {% for part in turn['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}STOP"
    "{% if add_generation_prompt %}BEGINassistantEND{% endif %}"
)
_LLAMA_3: Final = (
    *("<|finetune_right_pad_id|>", "<|eot_id|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|python_tag|>", "<|image|>"),
)
_LLAMA_4: Final = (
    *("<|finetune_right_pad|>", "<|eot|>", "<|begin_of_text|>", "<|header_start|>", "<|header_end|>"),
    *("<|image|>", "<|image_start|>", "<|image_end|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>"),
)


def llama_3(folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """Save an MllamaForConditionalGeneration and its processor. See `tokenizers.chat`."""
    from transformers import MllamaForConditionalGeneration, MllamaProcessor
    from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

    # The image token has the last embedding, as in the real model.
    tokenizer = tokenizers.chat(_LLAMA_3[:-1], {}, words, bos_token="<|begin_of_text|>")
    tokenizer.add_tokens(["<|image|>"], special_tokens=True)
    images = MllamaImageProcessorPil(size={"height": SIDE, "width": SIDE}, max_image_tiles=2)
    template = _template("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    processor = MllamaProcessor(images, tokenizer, chat_template=template)
    with seeded(seed):
        model = MllamaForConditionalGeneration(_mllama_config(tokenizer))
    _open_gates(model)
    return save(folder, model, processor)


def llama_4(folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """Save a Llama4ForConditionalGeneration and its processor, which needs torchvision. See `tokenizers.chat`."""
    from transformers import Llama4ForConditionalGeneration, Llama4ImageProcessor, Llama4Processor

    tokenizer = tokenizers.chat(_LLAMA_4, {}, words, bos_token="<|begin_of_text|>")
    images = Llama4ImageProcessor(size={"height": SIDE, "width": SIDE}, max_patches=2)
    template = _template("<|header_start|>", "<|header_end|>", "<|eot|>")
    processor = Llama4Processor(images, tokenizer, patch_size=PATCH, pixel_shuffle_ratio=0.5, chat_template=template)
    return save_random(folder, seed, Llama4ForConditionalGeneration, _llama4_config(tokenizer), processor)


def _template(begin: str, end: str, stop: str) -> str:
    return _TEMPLATE.replace("BEGIN", begin).replace("END", end).replace("STOP", stop)


def _open_gates(model: Any) -> None:
    """Open the gates of cross-attention, which start at 0 and would hide the image from the model."""
    import torch

    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "gate" in name and weights.numel() == 1:
                weights.fill_(1.0)


def _text(tokenizer: Any) -> dict[str, Any]:
    """Return what the configurations of the two language models share."""
    return {
        **TEXT,
        "vocab_size": len(tokenizer),
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
        **tokenizers.ends(tokenizer),
        "initializer_range": SPREAD,
    }


def _mllama_config(tokenizer: Any) -> Any:
    from transformers import MllamaConfig

    text = _text(tokenizer) | {
        "vocab_size": len(tokenizer) - 1,
        "num_hidden_layers": 3,
        "cross_attention_layers": [1],
        "max_position_embeddings": 4096,
    }
    vision = {
        "hidden_size": 32,
        "attention_heads": 2,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "intermediate_size": 64,
        "image_size": SIDE,
        "patch_size": PATCH,
        "max_num_tiles": 2,
        "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
        "intermediate_layers_indices": [0],
        "vision_output_dim": 64,
        "initializer_range": SPREAD,
    }
    image = tokenizers.ids(tokenizer, image_token_index="<|image|>")
    return MllamaConfig(vision_config=vision, text_config=text, **image)


def _llama4_config(tokenizer: Any) -> Any:
    from transformers import Llama4Config

    text = _text(tokenizer) | {
        "intermediate_size": 32,
        "intermediate_size_mlp": 64,
        "head_dim": 16,
        "num_local_experts": 2,
        "interleave_moe_layer_step": 2,
        "attention_chunk_size": 4096,
        "max_position_embeddings": 8192,
    }
    vision = {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "intermediate_size": 128,
        "image_size": SIDE,
        "patch_size": PATCH,
        "vision_output_dim": 32,
        "projector_input_dim": 32,
        "projector_output_dim": 32,
        "pixel_shuffle_ratio": 0.5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        "initializer_range": SPREAD,
    }
    return Llama4Config(
        vision_config=vision,
        text_config=text,
        **tokenizers.ids(tokenizer, boi_token_index="<|image_start|>", eoi_token_index="<|image_end|>"),
        **tokenizers.ids(tokenizer, image_token_index="<|patch|>"),
        initializer_range=SPREAD,
    )
