"""How far an editor's batch is from single calls: every editor, at small weights, or one with weights of yours.

    python benchmarks/batching.py
    python benchmarks/batching.py --editor kontext --model FOLDER_OR_ID --commit SHA --size 1024 --batch 4

The same images, prompts and seeds go through the editor as one batch and one by one. The difference is the largest of
any pixel, and the mean over all, in levels of 255. tests/editors holds each editor to at most 1 level.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _timing import parsed, parser_of
from editing import pictures, where

from safetypairs_hf.core.records import Edited, Instruction, Pixels
from safetypairs_hf.editors.catalogue import EDITORS, make_editor
from safetypairs_hf.testing.tiny import editors

SMALL: dict[str, dict[str, Any]] = {
    "klein": {"steps": 4, "text_layers": (1,), "max_sequence_length": 64},
    "kontext": {"steps": 4, "max_sequence_length": 64},
    "instruct-pix2pix": {"steps": 4},
    "qwen-image-edit": {"steps": 1, "batch_size": 2},
    "qwen-image-edit-plus": {"steps": 1},
}

MAKERS = {
    "klein": editors.klein,
    "kontext": editors.kontext,
    "instruct-pix2pix": editors.instruct_pix2pix,
    "qwen-image-edit": editors.qwen_edit,
    "qwen-image-edit-plus": editors.qwen_edit_plus,
}


def edited(editor: Any, size: int, count: int) -> tuple[list[Pixels], int]:
    """Images of `size` x `size` edited, and the largest batch that there was."""
    instructions = [Instruction("", f"Paint square {number % 3} green.", None) for number in range(count)]
    answers = editor.edit(pictures(count, size), instructions, range(count))
    good = [answer for answer in answers if isinstance(answer, Edited)]
    if len(good) < count:
        raise SystemExit(f"the editor refused images: {[each for each in answers if not isinstance(each, Edited)][:1]}")
    return [each.pixels for each in good], max(each.batch for each in good)


def compare(name: str, editor: Any, size: int, count: int) -> None:
    together, fitted = edited(editor, size, count)
    one = replace(editor, batch_size=1) if hasattr(editor, "batch_size") else editor
    one.__dict__["pipeline"] = editor.pipeline  # one copy of the weights serves both
    apart, _ = edited(one, size, count)
    differences = np.stack([np.abs(a.astype(int) - b) for a, b in zip(together, apart, strict=True)])
    print(
        f"{name:<22} batch of {fitted}: largest difference {differences.max():3d}, mean {differences.mean():.5f}, "
        f"{(differences > 0).mean():.4%} of the values, levels of 255"
    )


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--editor", choices=EDITORS)
    parser.add_argument("--model", help="a folder or a Hub id; none = small random weights")
    parser.add_argument("--commit")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--size", type=int, default=64)
    chosen = parsed(parser, editor="klein", batch=2)
    print(f"images of {chosen.size} x {chosen.size}, on {where()}")
    for name in [chosen.editor] if chosen.editor else EDITORS:
        with tempfile.TemporaryDirectory() as folder:
            small = {} if chosen.model else SMALL[name]
            model = chosen.model or str(MAKERS[name](Path(folder) / "m"))
            batch = chosen.batch or small.get("batch_size")
            sized = {"batch_size": batch} if name != "qwen-image-edit-plus" else {}
            editor = make_editor(name, model=model, commit=chosen.commit, **{**small, **sized})
            compare(name, editor, chosen.size, batch or getattr(editor, "batch_size", 2))


if __name__ == "__main__":
    main()
