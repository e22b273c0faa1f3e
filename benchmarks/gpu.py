"""Editors and a judge on a GPU, at the real shapes with random weights: what a build gets of the machine.

    python benchmarks/gpu.py [--wheels FOLDER] [--parts klein,stage,qwen,judge] [--size 1024] [--steps 4] [--batch 8]

Under 8 minutes on one H200 and about 90 GB of its memory; a part that does not fit into --limit seconds is left out,
and the script says so. Nothing is downloaded: the weights of FLUX.2-klein-4B and Qwen-Image-Edit are random, made on
the GPU in bfloat16. On a machine that has torch with what that needs, numpy, Pillow, PyYAML, pyarrow and pip alone, the
rest comes from a folder of wheels (30 MB), which a machine with a network fills; PY is what `python --version` says on
the other one, such as 3.12:

    python benchmarks/gpu.py --fetch FOLDER --python PY

It prints
    klein, qwen   edits a second by our editor, with each lever, against a plain loop over the stock pipeline, one image
                  a call, at equal steps, size and type; how far their pixels are apart; the share of the matrix peak,
                  which is measured in the same run by one large product in the same type. The floating-point operations
                  are those that torch counts in one plain call.
    stage         the edit stage of a build by the local engine, with the baseline, the figures and the composite: the
                  share of its time in which the editor works, start-up counted.
    judge         Qwen2.5-VL-7B, the text encoder of Qwen-Image-Edit: one forward pass against generation, as judging.py
                  does it.

Pixels may be apart by 1 level of 255 in float32; in bfloat16 by 2 levels in the mean, as a batch is summed in another
order than one image, and random weights damp nothing. `python benchmarks/gpu.py --smoke` runs all of it at toy size on
a CPU, in float32.
"""

from __future__ import annotations

import argparse
import atexit
import importlib.metadata
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from _timing import parsed, parser_of

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # a checkout that is not installed

MAIN = ("diffusers", "transformers", "huggingface_hub", "hf-xet", "tokenizers", "safetensors")
# What those import that torch does not need.
WHEELS = (
    *MAIN,
    *("httpx2", "httpcore2", "h11", "truststore", "idna", "requests", "urllib3", "charset-normalizer", "certifi"),
    *("packaging", "regex", "tqdm"),
)
VERSIONS = ("torch", "triton", "torchao", *MAIN, "numpy", "pillow")
PARTS = ("klein", "stage", "qwen", "judge")


class Clock:
    """The time since the start, and whether there is enough left for a part of the benchmark."""

    def __init__(self, limit: float) -> None:
        self.begin, self.limit = time.perf_counter(), limit

    @property
    def spent(self) -> float:
        return time.perf_counter() - self.begin

    def allows(self, what: str, needs: float) -> bool:
        if self.spent + needs <= self.limit:
            return True
        print(
            f"{what}: left out, {self.limit - self.spent:.0f} of {self.limit:.0f} s are left and it needs {needs:.0f}"
        )
        return False


@dataclass(frozen=True)
class Bench:
    """What the parts have in common; `peak`: the operations a second that shares are of."""

    asked: argparse.Namespace
    device: str
    dtype: Any
    clock: Clock
    peak: float = 0.0

    @property
    def toy(self) -> bool:
        return bool(self.asked.smoke)

    def timed(self, call: Callable[..., Any], *given: Any) -> tuple[float, Any]:
        """The seconds until the device is done, and what the call returned."""
        self.wait()
        begin = time.perf_counter()
        result = call(*given)
        self.wait()
        return time.perf_counter() - begin, result

    def wait(self) -> None:
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()


def fetch_wheels(folder: str, python: str) -> None:
    """Download the wheels of constraints.txt for the Python of another machine, with Linux on x86-64."""
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, "--python-version", python]
    for libc in ("manylinux_2_28", "manylinux_2_17", "manylinux2014"):
        options += ["--platform", f"{libc}_x86_64"]
    options += ["--constraint", str(ROOT / "constraints.txt"), *WHEELS]
    if subprocess.run([sys.executable, "-m", "pip", "download", *options]).returncode:
        raise SystemExit(f"pip cannot download the wheels for Python {python}")
    print(f"{len(WHEELS)} wheels for Python {python} are in {folder}; on the other machine: --wheels {folder}")


def use_wheels(folder: str) -> None:
    """Install the wheels of a folder for this process and those that it starts alone."""
    wheels = sorted(map(str, Path(folder).glob("*.whl")))
    if not wheels:
        raise SystemExit(f"{folder} holds no wheels; see --help for the command that fills it")
    target = tempfile.mkdtemp(prefix="wheels-")
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--target", target]
    if subprocess.run([sys.executable, "-m", "pip", "install", *options, *wheels]).returncode:
        raise SystemExit(f"pip cannot install the wheels of {folder} for Python {platform.python_version()}")
    sys.path.insert(0, target)


def describe(bench: Bench) -> None:
    """Print the machine and the versions."""
    import torch

    name = "a CPU"
    if bench.device == "cuda":
        found = torch.cuda.get_device_properties(0)
        name = f"{found.name}, {found.total_memory / 1e9:.0f} GB, capability {found.major}.{found.minor}, "
        name += f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    print(f"on {name}; Python {platform.python_version()}, {str(bench.dtype).removeprefix('torch.')}")
    print(", ".join(f"{package} {found}" for package in VERSIONS if (found := version_of(package))))


def version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def matrix_peak(bench: Bench) -> float:
    """Operations a second of one large product of matrices of random numbers: the best of ten."""
    import torch

    side = 128 if bench.toy else 8192
    left, right = (torch.randn(side, side, device=bench.device, dtype=bench.dtype) for _ in range(2))
    for _ in range(3):
        _ = left @ right
    best = min(bench.timed(torch.matmul, left, right)[0] for _ in range(10))
    print(f"matrix peak: {2 * side**3 / best / 1e12:.3g} TFLOP/s, a product of {side} x {side}, the best of ten")
    return 2 * side**3 / best


def photographs(start: int, stop: int, size: int) -> list[Any]:
    from _gpu_stage import photographs

    return photographs(start, stop, size)


def prompts(count: int) -> list[str]:
    from _gpu_stage import PROMPTS

    return [PROMPTS[number % len(PROMPTS)] for number in range(count)]


def plain_loop(pipeline: Any, images: Sequence[Any], settings: dict[str, Any]) -> list[Any]:
    """The stock pipeline, one image a call: what somebody writes who has read its model card."""
    import numpy as np
    import torch
    from PIL import Image

    made = []
    for number, (image, prompt) in enumerate(zip(images, prompts(len(images)), strict=True)):
        seed = torch.Generator("cpu").manual_seed(number)
        with torch.inference_mode():
            answer = pipeline(image=Image.fromarray(image.pixels), prompt=prompt, generator=seed, **settings)
        made.append(np.asarray(answer.images[0]))
    return made


def ours(editor: Any, images: Sequence[Any]) -> list[Any]:
    from safetypairs_hf.core.records import Edited, Instruction

    asked = [Instruction("", prompt, None) for prompt in prompts(len(images))]
    answers = editor.edit(images, asked, range(len(images)))
    if refused := [answer for answer in answers if not isinstance(answer, Edited)]:
        raise SystemExit(f"the editor refused an image: {refused[0]}")
    return [answer.pixels for answer in answers]


def compare(
    bench: Bench, name: str, pipeline: Any, editors: dict[str, tuple[Any, float]], settings: dict[str, Any]
) -> None:
    """Print the rates of a plain loop and of our editors, by what is on, over the same images."""
    from torch.utils.flop_counter import FlopCounterMode

    images = photographs(0, bench.asked.images, bench.asked.size)
    for image in images:
        _ = image.pixels  # decoded outside the clock
    alone = images[: bench.asked.plain_images]
    with FlopCounterMode(display=False) as counted:  # warms up, too
        plain_loop(pipeline, alone[:1], settings)
    operations = counted.get_total_flops()
    seconds, expected = bench.timed(plain_loop, pipeline, alone, settings)
    plain = len(alone) / seconds
    side = bench.asked.size
    print(f"{name}: {side} x {side}, {settings['num_inference_steps']} steps, {operations / 1e12:.3g} TFLOP an edit")
    print(f"  {'plain loop':<32} {rate(bench, plain, operations)}")
    for what, (editor, needs) in editors.items():
        if not bench.clock.allows(f"{name}, {what.strip()}", needs + 2 * len(images) / plain):
            continue
        editor.hold(pipeline)
        batch = images[: getattr(editor, "batch_size", 1)]
        took, _ = bench.timed(ours, editor, batch)
        seconds, made = bench.timed(ours, editor, images)
        mine = len(images) / seconds
        print(f"  {what:<32} {rate(bench, mine, operations)}   ratio {mine / plain:.2f}x   first batch {took:.1f} s")
        print(f"  {'':<32} {apart(bench, made, expected)}", flush=True)


def rate(bench: Bench, edits: float, operations: float) -> str:
    return f"{edits:8.3f} edits a second   {edits * operations / bench.peak:6.1%} of the matrix peak"


def apart(bench: Bench, made: Sequence[Any], expected: Sequence[Any]) -> str:
    """How far the images of ours are from those of the plain loop."""
    import numpy as np
    import torch

    differences = np.stack([np.abs(a.astype(int) - b) for a, b in zip(made, expected, strict=False)])
    largest, mean = int(differences.max()), float(differences.mean())
    kept = largest <= 1 if bench.dtype == torch.float32 else mean <= 2
    spread = float(np.stack(expected).std())
    word = "kept" if kept else "MISSED"
    return f"largest difference {largest}, mean {mean:.4f} levels of 255, of a spread of {spread:.1f}: bound {word}"


def klein_pipeline(bench: Bench) -> Any:
    import _shapes

    return _shapes.klein(_shapes.TOY_KLEIN if bench.toy else _shapes.KLEIN_4B, bench.device, bench.dtype)


def klein_settings(bench: Bench) -> dict[str, Any]:
    return {"text_layers": (1,), "max_sequence_length": 64} if bench.toy else {}


def klein(bench: Bench) -> None:
    from safetypairs_hf.editors.klein import Klein

    pipeline = klein_pipeline(bench)
    editor = Klein("random weights", steps=bench.asked.steps, batch_size=bench.asked.batch, **klein_settings(bench))
    settings = {
        "width": bench.asked.size,
        "height": bench.asked.size,
        "num_inference_steps": editor.steps,
        "guidance_scale": editor.guidance,
        "max_sequence_length": editor.max_sequence_length,
        "text_encoder_out_layers": editor.text_layers,
    }
    compare(bench, "klein", pipeline, variants(bench, editor), settings)


def variants(bench: Bench, editor: Any) -> dict[str, tuple[Any, float]]:
    """The editor with nothing on, then with one lever more each, and the seconds that those take to be turned on.

    They share one denoiser: what is compiled stays so, and FP8 comes last.
    """
    from safetypairs_hf.editors import levers

    card = levers.card_of(bench.device)
    attention = "_native_math" if bench.toy else card.attention
    batches = f"ours, in batches of {getattr(editor, 'batch_size', 1)}"
    found = {batches: (replace(editor, attention="native"), 0.0)}
    found["  decoded at once, not beside"] = replace(editor, attention="native", decode_beside=False), 0.0
    if attention != "native":
        found[f"  attention={attention}"] = replace(editor, attention=attention), 0.0
    if not bench.toy:
        found["  and compile_blocks"] = replace(editor, attention=attention, compile_blocks=True), 120.0
        if card.fp8 != "off" and version_of("torchao"):
            on = replace(editor, attention=attention, compile_blocks=True, fp8=card.fp8)
            found[f"  and fp8={card.fp8}"] = on, 120.0
    return found


def stage(bench: Bench) -> None:
    """The edit stage of a build, by the engine that a build has."""
    from safetypairs_hf.building.engines.base import run_units
    from safetypairs_hf.building.engines.local import LocalEngine
    from safetypairs_hf.building.recipe import load_recipe
    from safetypairs_hf.building.tempo import Tempos
    from safetypairs_hf.core.run_folder import RunFolder

    asked = bench.asked
    wanted = {"images": asked.images, "side": asked.size, "unit": asked.unit, "steps": asked.steps}
    settings = {name: str(value) for name, value in (wanted | {"batch": asked.batch, "toy": bench.toy}).items()}
    loaded = load_recipe(str(Path(__file__).with_name("_gpu_stage.py")), settings)
    editor: Any = loaded.recipe.editor
    kind = type(editor)
    kind.wait = staticmethod(bench.wait)
    kind.pipeline = editor.prepared(klein_pipeline(bench))
    ours(editor, photographs(0, asked.batch, asked.size))
    kind.seconds.clear()
    ends = {"instruct": 0.0, "edit": 0.0}

    def done(step: str, unit: int) -> None:
        ends[step] = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder, LocalEngine() as engine:
        run_units(
            engine, loaded, RunFolder(folder), range(-(-asked.images // asked.unit)), done, Tempos(RunFolder(folder))
        )
    kind.pipeline = None
    whole, busy = ends["edit"] - ends["instruct"], sum(kind.seconds)
    print(f"stage: {asked.images} images in units of {asked.unit}, {asked.images / whole * 3600:.0f} images an hour")
    print(f"  the editor works {busy:.2f} of {whole:.2f} s: busy {busy / whole:.1%}", flush=True)


def qwen(bench: Bench, pipeline: Any) -> None:
    from safetypairs_hf.editors.qwen_edit import QwenEdit

    # No guidance: one pass a step, as with a LoRA for few steps.
    editor = QwenEdit("random weights", steps=bench.asked.steps, guidance=1.0, batch_size=1)
    # At a megapixel, which is where the pipeline works on any image.
    asked = argparse.Namespace(**{**vars(bench.asked), "images": bench.asked.qwen_images, "size": 1024})
    settings = {"num_inference_steps": editor.steps, "true_cfg_scale": editor.guidance}
    compare(replace(bench, asked=asked), "qwen", pipeline, variants(bench, editor), settings)


def judged(bench: Bench, pipeline: Any) -> None:
    from judging import rates

    from safetypairs_hf.models.chat import Chat
    from safetypairs_hf.models.processors import Copies
    from safetypairs_hf.taxonomy.nine import SLUGS

    processor = pipeline.processor
    chat = Chat(pipeline.text_encoder, processor, Copies(processor), bench.device)
    images = photographs(0, bench.asked.judged, bench.asked.size)
    asked = images, [SLUGS[number % 9] for number in range(len(images))]
    chat.model.generation_config.min_new_tokens = bench.asked.tokens  # so that no answer ends early
    options = argparse.Namespace(commit="random", repeats=1)
    one, written = rates(options, chat, bench.asked.tokens, min(bench.asked.batch, len(images)), asked)
    print(f"judge: one forward pass {len(images) / one.wall:.2f} images a second, ", end="")
    print(f"generate {bench.asked.tokens} tokens and parse {len(images) / written.wall:.2f}: ", end="")
    print(f"ratio {written.wall / one.wall:.2f}x in wall time", flush=True)


def parts(bench: Bench) -> Iterator[tuple[str, float, Callable[[], None]]]:
    """Each part, the seconds that it is given on one H200, and what runs it."""
    held: list[Any] = []

    def qwen_pipeline() -> Any:
        import _shapes

        if not held:
            shape = _shapes.TOY_QWEN if bench.toy else _shapes.QWEN_EDIT
            held.append(_shapes.qwen_edit(shape, bench.device, bench.dtype))
        return held[0]

    yield "klein", 60, lambda: klein(bench)
    yield "stage", 60, lambda: stage(bench)
    yield "qwen", 90, lambda: qwen(bench, qwen_pipeline())
    yield "judge", 60, lambda: judged(bench, qwen_pipeline())


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--wheels", help="a folder of wheels, for a machine that has torch alone")
    parser.add_argument("--fetch", metavar="FOLDER", help="download the wheels into a folder, and end")
    parser.add_argument("--python", default=platform.python_version(), help="the Python that they are for")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--size", type=int, default=1024, help="pixels a side")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--plain-images", type=int, default=8, help="images of the plain loop")
    parser.add_argument("--qwen-images", type=int, default=4)
    parser.add_argument("--unit", type=int, default=16, help="sources in a work unit of the stage")
    parser.add_argument("--judged", type=int, default=16, help="images that are judged")
    parser.add_argument("--tokens", type=int, default=32, help="tokens that the judge generates")
    parser.add_argument("--limit", type=float, default=450.0, help="seconds in all")
    toy = {"size": 64, "steps": 2, "batch": 2, "images": 4, "plain_images": 2, "qwen_images": 1, "unit": 2}
    chosen = parsed(parser, **toy, judged=2, tokens=2, limit=1e6)
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"no part {unknown.pop()!r}; there are {', '.join(PARTS)}")
    clock = Clock(chosen.limit)
    if chosen.fetch:
        fetch_wheels(chosen.fetch, chosen.python)
        return
    if chosen.wheels:
        use_wheels(chosen.wheels)
    if missing := [package for package in ("torch", *WHEELS) if not version_of(package)]:
        raise SystemExit(f"{', '.join(missing)} are not installed here; give --wheels FOLDER, see --help")
    import torch

    if not (torch.cuda.is_available() or chosen.smoke):
        print("not measured: there is no GPU here; --smoke shows on a CPU that everything runs")
        return
    device = "cuda" if torch.cuda.is_available() and not chosen.smoke else "cpu"
    bench = Bench(chosen, device, torch.float32 if chosen.smoke else torch.bfloat16, clock)
    describe(bench)
    bench = replace(bench, peak=matrix_peak(bench))
    for name, needs, part in parts(bench):
        if name in chosen.parts and clock.allows(name, 0 if chosen.smoke else needs):
            part()
            if device == "cuda":
                torch.cuda.empty_cache()
    print(f"{clock.spent:.0f} s in all")


if __name__ == "__main__":
    main()
