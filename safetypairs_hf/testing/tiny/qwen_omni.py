"""A small thinker of Qwen2.5-Omni, the class of GuardReasoner-Omni, with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny import qwen_vl, tokenizers
from safetypairs_hf.testing.tiny.sizes import SPREAD
from safetypairs_hf.testing.tiny.weights import save_random

_NAMED: Final = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
_SPECIALS: Final = ("<|endoftext|>", "<|im_end|>", "<|im_start|>", *_NAMED.values())


def make(folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """Save a Qwen2_5OmniThinkerForConditionalGeneration and its processor, without a video part.

    See `tokenizers.chat`.
    """
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    processor = _processor(words)
    kind = Qwen2_5OmniThinkerForConditionalGeneration
    return save_random(folder, seed, kind, _config(processor.tokenizer), processor)


def _processor(words: Sequence[str]) -> Any:
    from transformers import Qwen2_5OmniProcessor, WhisperFeatureExtractor

    from safetypairs_hf.models.processors import images_only

    template = tokenizers.chatml("<|vision_bos|><|IMAGE|><|vision_eos|>")
    tokenizer = tokenizers.chat(_SPECIALS, _NAMED, words)
    sound = WhisperFeatureExtractor(feature_size=8)
    return images_only(Qwen2_5OmniProcessor)(qwen_vl.images(), None, sound, tokenizer, chat_template=template)


def _config(tokenizer: Any) -> Any:
    from transformers import Qwen2_5OmniThinkerConfig

    audio = {
        "num_mel_bins": 8,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "d_model": 16,
        "max_source_positions": 32,
        "n_window": 4,
        "output_dim": 32,
    }
    return Qwen2_5OmniThinkerConfig(
        text_config=qwen_vl.text(tokenizer),
        vision_config=qwen_vl.VISION | {"initializer_range": SPREAD},
        audio_config=audio,
        **tokenizers.ids(tokenizer, image_token_index="<|IMAGE|>", video_token_index="<|VIDEO|>"),
        **tokenizers.ids(tokenizer, audio_token_index="<|AUDIO|>"),
        **tokenizers.ids(tokenizer, vision_start_token_id="<|vision_bos|>", vision_end_token_id="<|vision_eos|>"),
        **tokenizers.ids(tokenizer, audio_start_token_id="<|audio_bos|>", audio_end_token_id="<|audio_eos|>"),
        tie_word_embeddings=False,
        initializer_range=SPREAD,
    )
