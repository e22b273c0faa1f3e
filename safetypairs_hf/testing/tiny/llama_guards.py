"""A small Mllama and a small Llama 4, the classes of Llama Guard 3 Vision and 4: the real classes at random weights.

Their chat templates give a policy of their own, as the real ones do; the wording here is ours and short.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny.chat_tokenizer import chat_tokenizer
from safetypairs_hf.testing.tiny.seeded import seeded

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


def llama_3(folder: Path, seed: int = 0) -> Path:
    """Save an MllamaForConditionalGeneration with random weights, and its processor."""
    from transformers import MllamaForConditionalGeneration, MllamaProcessor
    from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

    # An embedding for the image token stands behind the others, as in the real one.
    tokenizer = chat_tokenizer(_LLAMA_3[:-1], {}, bos_token="<|begin_of_text|>")
    tokenizer.add_tokens(["<|image|>"], special_tokens=True)
    images = MllamaImageProcessorPil(size={"height": 32, "width": 32}, max_image_tiles=2)
    template = _template("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    processor = MllamaProcessor(images, tokenizer, chat_template=template)
    with seeded(seed):
        model = MllamaForConditionalGeneration(_mllama_config(tokenizer)).eval()
        _open_gates(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def llama_4(folder: Path, seed: int = 0) -> Path:
    """Save a Llama4ForConditionalGeneration with random weights, and its processor; that one needs torchvision."""
    from transformers import Llama4ForConditionalGeneration, Llama4ImageProcessor, Llama4Processor

    tokenizer = chat_tokenizer(_LLAMA_4, {}, bos_token="<|begin_of_text|>")
    images = Llama4ImageProcessor(size={"height": 32, "width": 32}, max_patches=2)
    template = _template("<|header_start|>", "<|header_end|>", "<|eot|>")
    processor = Llama4Processor(images, tokenizer, patch_size=8, pixel_shuffle_ratio=0.5, chat_template=template)
    with seeded(seed):
        model = Llama4ForConditionalGeneration(_llama4_config(tokenizer)).eval()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _template(begin: str, end: str, stop: str) -> str:
    return _TEMPLATE.replace("BEGIN", begin).replace("END", end).replace("STOP", stop)


def _open_gates(model: Any) -> None:
    """Cross-attention starts behind gates that are shut at 0: open them, or it would not see the image."""
    import torch

    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "gate" in name and weights.numel() == 1:
                weights.fill_(1.0)


def _mllama_config(tokenizer: Any) -> Any:
    from transformers import MllamaConfig

    number = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer) - 1,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "cross_attention_layers": [1],
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
        "bos_token_id": number("<|begin_of_text|>"),
        "eos_token_id": number("<|eot_id|>"),
        "pad_token_id": number("<|finetune_right_pad_id|>"),
        "initializer_range": 0.2,
    }
    vision = {
        "hidden_size": 32,
        "attention_heads": 2,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "intermediate_size": 64,
        "image_size": 32,
        "patch_size": 8,
        "max_num_tiles": 2,
        "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
        "intermediate_layers_indices": [0],
        "vision_output_dim": 64,
        "initializer_range": 0.2,
    }
    return MllamaConfig(vision_config=vision, text_config=text, image_token_index=number("<|image|>"))


def _llama4_config(tokenizer: Any) -> Any:
    from transformers import Llama4Config

    number = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 32,
        "intermediate_size_mlp": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "num_local_experts": 2,
        "interleave_moe_layer_step": 2,
        "attention_chunk_size": 4096,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
        "bos_token_id": number("<|begin_of_text|>"),
        "eos_token_id": number("<|eot|>"),
        "pad_token_id": number("<|finetune_right_pad|>"),
        "initializer_range": 0.2,
    }
    vision = {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "intermediate_size": 128,
        "image_size": 32,
        "patch_size": 8,
        "vision_output_dim": 32,
        "projector_input_dim": 32,
        "projector_output_dim": 32,
        "pixel_shuffle_ratio": 0.5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        "initializer_range": 0.2,
    }
    return Llama4Config(
        vision_config=vision,
        text_config=text,
        boi_token_index=number("<|image_start|>"),
        eoi_token_index=number("<|image_end|>"),
        image_token_index=number("<|patch|>"),
        initializer_range=0.2,
    )
