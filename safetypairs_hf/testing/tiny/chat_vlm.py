"""A small chat model with image input: the LLaVA classes with a CLIP tower and a Llama of a few thousand weights.

`make` leaves the weights random. `sees_red` sets them by hand. That model answers the judges' question with Yes if the
image shows something red and else with No, and the instructors' question with ANSWER. So a build runs all its classes
and calls on a CPU, with a judge that does change its verdict, without training, and equally on every machine.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.testing.tiny import red, tokenizers
from safetypairs_hf.testing.tiny.weights import save, save_random

IMAGE, PAD, END, USER, MODEL = SPECIALS = ("<image>", "<pad>", "<|end|>", "<|user|>", "<|model|>")
TEMPLATE: Final = (
    "{% for turn in messages %}<|{{ 'model' if turn['role'] == 'assistant' else 'user' }}|>"
    "{% for part in turn['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}<|model|>{% endif %}"
)
# The answer to an instructor, in chunks of one token each; each chunk makes the model continue with the next.
_CHUNKS: Final = (
    '{"critical_feature": "a red square", ',
    '"instruction": "Replace the red square with a green one.", ',
    '"region": null, ',
    '"caption_unsafe": "A red square.", ',
    '"caption_safe": "A green square."}',
)
ANSWER: Final = "".join(_CHUNKS)
# A token that occurs in the instructors' question but not in the judges'.
_CUE: Final = "critical_feature"


def make(folder: Path, seed: int = 0) -> Path:
    """Save a LlavaForConditionalGeneration with random weights, its processor and its chat template."""
    from transformers import LlavaForConditionalGeneration

    processor = _processor()
    return save_random(folder, seed, LlavaForConditionalGeneration, _config(processor.tokenizer), processor)


def sees_red(folder: Path) -> Path:
    """Save a model that answers Yes to a judge if one red thing covers a sixteenth of the image or more."""
    import torch
    from transformers import LlavaForConditionalGeneration

    processor = _processor()
    model = LlavaForConditionalGeneration(_config(processor.tokenizer))
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
        red.set_tower(model.model.vision_tower)
        red.set_projector(model.model.multi_modal_projector)
        _set_language_model(model, processor.tokenizer)
    return save(folder, model, processor)


def _processor() -> Any:
    from transformers import LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    size = {"height": red.SIDE, "width": red.SIDE}
    images = CLIPImageProcessorPil(size=size, do_center_crop=False)
    return LlavaProcessor(
        images,
        _tokenizer(),
        patch_size=red.PATCH,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        image_token=IMAGE,
        num_additional_image_tokens=1,
    )


def _tokenizer() -> Any:
    """Return a BPE trained on the policies: a prompt has a few hundred tokens, and Yes and No are one token each."""
    texts = [*map(NINE.policy, NINE.slugs), *["Yes No"] * 9, *["No Yes"] * 9]
    tokenizer = tokenizers.trained(SPECIALS, texts, size=1500)
    tokenizer.add_tokens([*_CHUNKS, _CUE])
    return tokenizers.fast(tokenizer, PAD, END, {"image_token": IMAGE})


def _config(tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlavaConfig

    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        # With this base, the last pair of a head's dimensions hardly rotates over the length of a prompt.
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        **tokenizers.ends(tokenizer),
    )
    return LlavaConfig(
        vision_config=red.tower_config(layers=1),
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
        image_seq_length=(red.SIDE // red.PATCH) ** 2,
        projector_hidden_act="gelu",
    )


# The dimensions of the language model's hidden state. _SAME is equal for every token; _RED is the redness of a patch;
# _CUED marks the cue; _FIRST and the following ones mark the tokens that determine the next token; _FOUND_RED and
# _FOUND_CUE hold what attention found.
_WIDTH: Final = 64
_SAME, _RED, _CUED, _FIRST, _FOUND_RED, _FOUND_CUE = red.SAME, red.RED, 2, 3, 60, 61


# How strongly attention prefers the token that it looks for.
_SHARP: Final = 25.0


def _set_language_model(model: Any, tokenizer: Any) -> None:
    """Set an attention layer that looks for the reddest patch and for the cue, and a head that maps them to tokens.

    Every token has `red.LARGE` in _SAME, so that the norms before a layer scale all tokens almost equally.
    """
    number, table = tokenizer.convert_tokens_to_ids, model.get_input_embeddings().weight
    llama, head = model.model.language_model, model.lm_head.weight
    table[:, _SAME] = red.LARGE
    table[number(_CUE), _CUED] = 1.0
    chain = [MODEL, *_CHUNKS, END]
    for place, token in enumerate(chain[:-1]):
        table[number(token), _FIRST + place] = red.LARGE
    layer = llama.layers[0]
    for norm in (layer.input_layernorm, layer.post_attention_layernorm, llama.norm):
        norm.weight.fill_(red.LARGE / math.sqrt(_WIDTH))  # reverts the norm for a token that has only _SAME
    attention, width = layer.self_attn, _WIDTH // 2
    for which, (looked_for, found) in enumerate(((_RED, _FOUND_RED), (_CUED, _FOUND_CUE))):
        slow = which * width + width // 2 - 1  # the slowest dimension of this head
        attention.q_proj.weight[slow, _SAME] = 1.0
        attention.k_proj.weight[slow, looked_for] = _SHARP * math.sqrt(width) / red.LARGE
        attention.v_proj.weight[which * width, looked_for] = 1.0
        attention.o_proj.weight[found, which * width] = 1.0
    for place, token in enumerate(chain[1:]):
        head[number(token), _FIRST + place] = 8.0 if place else 0.0
    # After <|model|> comes Yes or No, or the first chunk if the prompt has the cue.
    head[number(_CHUNKS[0]), _FOUND_CUE] = 60.0
    for word, sign in (("Yes", 1.0), ("No", -1.0)):
        head[number(word), _FIRST] = 3.0
        head[number(word), _FOUND_RED] = sign * 20.0
        head[number(word), _SAME] = -sign * 20.0 * red.THRESHOLD / red.LARGE
