from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_guards import folder_of

from safetypairs_hf.models.processors import images_only, load_processor


@pytest.mark.parametrize("name", ["llavaguard", "qwenguard"])
def test_images_are_processed_as_ever_and_videos_are_left_out(name: str, tmp_path: Path) -> None:
    processor = load_processor(str(folder_of(name)), None)
    assert processor.video_processor is None and processor.image_processor is not None
    image = Image.fromarray(np.full((40, 40, 3), 90, np.uint8))
    token = processor.image_token
    made = processor(images=[image], text=[f"a {token} b"], return_tensors="pt")
    assert (made["input_ids"] == processor.tokenizer.convert_tokens_to_ids(token)).sum() > 1
    processor.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((folder_of(name) / "config.json").read_bytes())
    again = load_processor(str(tmp_path), None)
    assert type(again) is type(processor) is images_only(type(processor).__mro__[1])


def test_one_without_a_video_part_is_loaded_as_it_is() -> None:
    from transformers import CLIPProcessor

    assert type(load_processor(str(folder_of("clip")), None)) is CLIPProcessor


def test_a_processor_saved_with_its_video_part(tmp_path: Path) -> None:
    """As every repo of such a model is."""
    pytest.importorskip("torchvision")
    from transformers import Qwen2_5_VLProcessor, Qwen2VLVideoProcessor

    parts = load_processor(str(folder_of("qwenguard")), None)
    whole = Qwen2_5_VLProcessor(
        parts.image_processor, parts.tokenizer, Qwen2VLVideoProcessor(), chat_template=parts.chat_template
    )
    whole.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((folder_of("qwenguard") / "config.json").read_bytes())
    loaded = load_processor(str(tmp_path), None)
    assert loaded.video_processor is None and loaded.chat_template == parts.chat_template
