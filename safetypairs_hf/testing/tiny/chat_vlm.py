"""A small chat model that sees images: the real LLaVA classes with a CLIP tower and a Llama of some thousand weights.

`make` leaves the weights random. `sees_red` sets them by hand, so that the model answers the judges' question with Yes
where the image shows something red and with No elsewhere, and the instructors' question with ANSWER: a build's every
class and call then runs on a CPU with a judge that does flip, the same on every machine, and nothing is trained.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.taxonomy import policies
from safetypairs_hf.taxonomy.categories import SLUGS
from safetypairs_hf.testing.tiny import red
from safetypairs_hf.testing.tiny.seeded import seeded

IMAGE, PAD, END, USER, MODEL = SPECIALS = ("<image>", "<pad>", "<|end|>", "<|user|>", "<|model|>")
TEMPLATE: Final = (
    "{% for turn in messages %}<|{{ 'model' if turn['role'] == 'assistant' else 'user' }}|>"
    "{% for part in turn['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}<|model|>{% endif %}"
)
# What it answers to an instructor, in chunks that are one token each: each chunk calls for the next.
_CHUNKS: Final = (
    '{"critical_feature": "a red square", ',
    '"instruction": "Replace the red square with a green one.", ',
    '"region": null, ',
    '"caption_unsafe": "A red square.", ',
    '"caption_safe": "A green square."}',
)
ANSWER: Final = "".join(_CHUNKS)
# A token that the instructors' question has and the judges' has not.
_CUE: Final = "critical_feature"


def make(folder: Path, seed: int = 0) -> Path:
    """Save a LlavaForConditionalGeneration with random weights, its processor and its chat template."""
    processor = _processor()
    with seeded(seed):
        return _saved(_model(processor), processor, folder)


def sees_red(folder: Path) -> Path:
    """Save one that says Yes to a judge where one red thing is a sixteenth of the image or more."""
    import torch

    processor = _processor()
    model = _model(processor)
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
        red.set_tower(model.model.vision_tower)
        red.set_projector(model.model.multi_modal_projector)
        _set_language_model(model, processor.tokenizer)
    return _saved(model, processor, folder)


def _saved(model: Any, processor: Any, folder: Path) -> Path:
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


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
    """A byte-level BPE that has seen the policies, so that a prompt is some hundred tokens, and Yes and No one each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*map(policies.text, SLUGS), *["Yes No"] * 9, *["No Yes"] * 9], trainer)
    tokenizer.add_tokens([*_CHUNKS, _CUE])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        extra_special_tokens={"image_token": IMAGE},
    )


def _model(processor: Any) -> Any:
    from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    tokenizer = processor.tokenizer
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        # So slow that the last pair of a head's dimensions hardly turns over a prompt.
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=red.tower_config(layers=1),
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
        image_seq_length=(red.SIDE // red.PATCH) ** 2,
        projector_hidden_act="gelu",
    )
    return LlavaForConditionalGeneration(config)


# The dimensions of the language model's hidden state: the same for every token; how red a patch is; the cue; from
# _FIRST on, which of the tokens that call for a certain next one this is; and what attention found of red and cue.
_WIDTH: Final = 64
_SAME, _RED, _CUED, _FIRST, _FOUND_RED, _FOUND_CUE = red.SAME, red.RED, 2, 3, 60, 61


# How sharply attention prefers what it looks for.
_SHARP: Final = 25.0


def _set_language_model(model: Any, tokenizer: Any) -> None:
    """One attention layer that looks for the reddest patch and for the cue, and a head that turns them into words.

    Every token is `red.LARGE` in _SAME, so that the norms before a layer scale all tokens nearly alike.
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
        norm.weight.fill_(red.LARGE / math.sqrt(_WIDTH))  # undoes the norm for a token with nothing but _SAME
    attention, width = layer.self_attn, _WIDTH // 2
    for which, (looked_for, found) in enumerate(((_RED, _FOUND_RED), (_CUED, _FOUND_CUE))):
        slow = which * width + width // 2 - 1  # the slowest dimension of this head
        attention.q_proj.weight[slow, _SAME] = 1.0
        attention.k_proj.weight[slow, looked_for] = _SHARP * math.sqrt(width) / red.LARGE
        attention.v_proj.weight[which * width, looked_for] = 1.0
        attention.o_proj.weight[found, which * width] = 1.0
    for place, token in enumerate(chain[1:]):
        head[number(token), _FIRST + place] = 8.0 if place else 0.0
    # After <|model|> it is Yes or No; where the cue was found, the first chunk.
    head[number(_CHUNKS[0]), _FOUND_CUE] = 60.0
    for word, sign in (("Yes", 1.0), ("No", -1.0)):
        head[number(word), _FIRST] = 3.0
        head[number(word), _FOUND_RED] = sign * 20.0
        head[number(word), _SAME] = -sign * 20.0 * red.THRESHOLD / red.LARGE
