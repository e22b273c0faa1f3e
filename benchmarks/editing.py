"""What a true batch of FLUX.2-klein gives: images a second in batches against one by one, and how far the two differ.

    python benchmarks/editing.py [MODEL] [--commit SHA] [--batch 8] [--images 8] [--size 64] [--steps 2]

MODEL is a folder or a Hub id with --commit; by default the real pipeline at small random weights, made on the spot. A
CPU is as busy with one image as with eight, so there the ratio is about 1 and only the difference tells something; give
real weights, a GPU and --size 1024 for what a batch is worth. A third way has the prompts embedded before the clock
starts, as a build embeds those of a work unit once: the ratio says what embedding them costs.

Both ways go through `Klein.edit` with the same images, prompts and seeds, in one process, in turns; the least of each
is compared, in CPU time, or on a GPU in wall time. The difference is the largest of any pixel, in levels of 255.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from _timing import Seconds, least, on_gpu, parsed, parser_of, ratio, timed

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Edited, Instruction, Picture, Pixels
from safetypairs_hf.editors.klein import Klein


def pictures(count: int, size: int) -> list[Picture]:
    """Blocks of colour, of size x size pixels."""
    made = []
    for number in range(count):
        blocks = np.random.default_rng(number).integers(0, 256, (-(-size // 8), -(-size // 8), 3))
        made.append(encode(np.kron(blocks, np.ones((8, 8, 1)))[:size, :size].astype(np.uint8)))
    return made


def edited(editor: Klein, images: list[Picture], expected: bool = False) -> tuple[Seconds, list[Pixels], int]:
    """How long it took, the edited images, and the largest batch that fitted.

    `expected`: the prompts are embedded outside the clock.
    """
    instructions = [Instruction("", f"Paint square {number % 3} green.", None) for number in range(len(images))]
    editor.embed_prompts(instructions if expected else [])
    for image in images:
        _ = image.pixels  # decoded outside the clock
    seconds, answers = timed(lambda: editor.edit(images, instructions, range(len(images))))
    good = [answer for answer in answers if isinstance(answer, Edited)]
    if len(good) != len(answers):
        raise SystemExit(f"the editor refused images: {[each for each in answers if not isinstance(each, Edited)][:1]}")
    return seconds, [each.pixels for each in good], max(each.batch for each in good)


def compare(editor: Klein, images: list[Picture], repeats: int) -> None:
    single = replace(editor, batch_size=1)
    single.__dict__["pipeline"] = editor.pipeline  # one copy of the weights serves both
    edited(editor, images[: editor.batch_size])  # warms up
    edited(single, images[:1])
    batched, alone, expected = [], [], []
    for _ in range(repeats):
        seconds, together, fitted = edited(editor, images)
        batched.append(seconds)
        seconds, apart, _ = edited(single, images)
        alone.append(seconds)
        expected.append(edited(editor, images, expected=True)[0])
    difference = max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(together, apart, strict=True))
    one, many, embedded = least(alone), least(batched), least(expected)
    height, width = images[0].pixels.shape[:2]
    print(f"{len(images)} images of {width} x {height}, {editor.steps} steps, least of {repeats}, on {where()}")
    print(f"  one by one          {one}   {len(images) / one.wall:8.2f} images a second")
    print(f"  in batches of {fitted:<5} {many}   {len(images) / many.wall:8.2f} images a second   {ratio(one, many)}")
    rate = f"{len(images) / embedded.wall:8.2f} images a second"
    print(f"  prompts embedded    {embedded}   {rate}   {ratio(many, embedded)}")
    print(f"  largest difference  {difference:8d} levels of 255")


def where() -> str:
    import torch

    return torch.cuda.get_device_name() if on_gpu() else f"a CPU, {torch.get_num_threads()} threads"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("model", nargs="?", help="a folder or a Hub id; none = small random weights")
    parser.add_argument("--commit")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parsed(parser, batch=2, images=2, steps=1, repeats=1)
    images = pictures(chosen.images, chosen.size)
    if chosen.model:
        editor = Klein(chosen.model, chosen.commit, steps=chosen.steps, batch_size=chosen.batch)
        compare(editor, images, chosen.repeats)
        return
    from safetypairs_hf.testing.tiny import editors

    with tempfile.TemporaryDirectory() as folder:
        model = str(editors.klein(Path(folder) / "klein"))
        small = Klein(model, None, chosen.steps, 1.0, chosen.batch, max_sequence_length=64, text_layers=(1,))
        compare(small, images, chosen.repeats)


if __name__ == "__main__":
    main()
