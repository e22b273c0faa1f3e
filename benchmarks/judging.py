"""Judging speed of one guard on the same images: P(unsafe) by one forward pass, and by generate-and-parse.

    python benchmarks/judging.py [MODEL [--commit C]] [--images 32] [--batch-sizes 8,1] [--limits 64] [--size 64]

MODEL: a folder or a pinned Hub id of a chat model that sees images; without it, a small LLaVA with random weights,
the language model of which has `--width` and `--layers`. Peer: `GeneratedYesNo`, the same question to the same model,
which writes up to a limit of tokens greedily, with a cache, and has its first word read. Ours: `ChatVLM`, one forward
pass and nothing written. The end of an answer is kept from coming, for a guard with a rationale writes on;
`--let-end` lets it come. Both take the same batches, in turn, in one process, after one batch each to warm up; the
best of the repeats is taken. What comes of it is images a second, and the ratio of CPU time, or on a GPU of wall time:
high where a step of decoding costs much beside the prompt (a GPU, small batches), low where the prompt itself is what
costs (a large model on a CPU).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _timing import Seconds, least, parsed, parser_of, ratio, timed

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards.chat_vlm import ChatVLM, GeneratedYesNo
from safetypairs_hf.guards.verdicts import question
from safetypairs_hf.models.chat import Chat
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.testing.tiny import chat_vlm


def plain(count: int, side: int) -> list[Picture]:
    """Blocks of colour."""
    rng = np.random.default_rng(0)
    blocks = [rng.integers(0, 256, (side // 32, side // 32, 3)) for _ in range(count)]
    return [encode(np.kron(each, np.ones((32, 32, 1))).astype(np.uint8)) for each in blocks]


def widened(folder: Path, width: int, layers: int) -> Path:
    """The small chat model with a wider and deeper language model, at random weights."""
    import torch
    from transformers import AutoProcessor, LlavaConfig, LlavaForConditionalGeneration

    chat_vlm.make(folder)
    config = LlavaConfig.from_pretrained(folder)
    text = config.text_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = width, 3 * width, layers
    text.num_attention_heads = text.num_key_value_heads = max(width // 64, 2)
    text.head_dim = width // text.num_attention_heads
    torch.manual_seed(0)
    LlavaForConditionalGeneration(config).eval().save_pretrained(folder)
    AutoProcessor.from_pretrained(folder).save_pretrained(folder)
    return folder


def seconds(guard: Any, images: list[Picture], categories: list[str]) -> Seconds:
    return timed(lambda: guard.judge(images, categories, [None] * len(images)))[0]


def compare(arguments: argparse.Namespace, model: str) -> None:
    import torch

    ours = ChatVLM(model, commit=arguments.commit, least_mass=0.0)
    images = plain(arguments.images, arguments.size)
    categories = [SLUGS[number % 9] for number in range(len(images))]
    weights = sum(each.numel() for each in ours.loaded.model.parameters())
    tokens = ours.loaded.inputs(images[:1], [question(categories[0])])["input_ids"].shape[1]
    print(
        f"{weights / 1e6:.1f}M parameters on {ours.loaded.device}, {torch.get_num_threads()} threads; {len(images)} "
        f"images of {arguments.size} pixels a side, prompts of {tokens} tokens or so"
    )
    for limit in arguments.limits:
        if not arguments.let_end:
            ours.loaded.model.generation_config.min_new_tokens = limit
        for size in arguments.batch_sizes:
            one, written = rates(arguments, ours.loaded, limit, size, (images, categories))
            print(f"  batches of {size:3d}: one forward pass {len(images) / one.wall:8.2f} images/s", end="")
            print(f"   generate up to {limit} tokens and parse {len(images) / written.wall:8.2f} images/s", end="")
            print(f"   {ratio(written, one)}")


def rates(
    arguments: argparse.Namespace, chat: Chat, limit: int, size: int, asked: tuple[list[Picture], list[str]]
) -> tuple[Seconds, Seconds]:
    """How long both take, with the same weights in memory once."""
    shared = {"commit": arguments.commit, "batch_size": size, "least_mass": 0.0}
    guards = (ChatVLM("shared", **shared), GeneratedYesNo("shared", **shared, max_tokens=limit))
    for guard in guards:
        guard.__dict__["loaded"] = chat
        seconds(guard, *(each[:size] for each in asked))
    took = [[seconds(guard, *asked) for guard in guards] for _ in range(arguments.repeats)]
    ours, peer = (least(each) for each in zip(*took, strict=True))
    return ours, peer


def numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("model", nargs="?", default="")
    parser.add_argument("--commit")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--batch-sizes", type=numbers, default=[8, 1])
    parser.add_argument("--limits", type=numbers, default=[64])
    parser.add_argument("--size", type=int, default=64, help="pixels a side")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--let-end", action="store_true")
    arguments = parsed(parser, images=2, batch_sizes=[2], limits=[2], repeats=1)
    if arguments.model:
        compare(arguments, arguments.model)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments, str(widened(Path(folder), arguments.width, arguments.layers)))


if __name__ == "__main__":
    main()
