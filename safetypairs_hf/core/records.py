"""The record types that flow through a build, and the protocols of what works on them.

This module imports nothing of ours: every other module may import it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
else:
    Pixels = Any  # numpy is not imported for a name that only a type checker needs


# Formats that Pillow decodes by itself: no EPS or WMF, which it hands to another program.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "PPM", "JPEG2000")
MOST_PIXELS = 89_478_485  # of an image that is decoded: 268 MB; Pillow's own limit, at which it only warns


class Box(NamedTuple):
    """A rectangle in pixels; `x1` and `y1` are exclusive, so `x1 - x0` is the width."""

    x0: int
    y0: int
    x1: int
    y1: int


class Picture:
    """An encoded image and its pixels; whichever is missing is made when first asked for.

    `data`: the encoded file (PNG unless a recipe says otherwise), no metadata. `pixels`: (height, width, 3) uint8 RGB;
    bytes that are no image make Pillow raise anything, and more than MOST_PIXELS of them are a ValueError.
    `name`: what messages call it; by default it is called by the SHA-256 of its file.
    """

    def __init__(self, data: bytes, name: str = "") -> None:
        self.data = data
        self._name = name

    @property
    def name(self) -> str:
        return self._name or f"the image with SHA-256 {hashlib.sha256(self.data).hexdigest()[:16]}..."

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @cached_property
    def pixels(self) -> Pixels:
        import numpy as np
        from PIL import Image

        Image.init()
        with Image.open(io.BytesIO(self.data), formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise ValueError(f"it has {width} x {height} pixels; at most {MOST_PIXELS} in all are decoded")
            return np.asarray(image.convert("RGB"))


UNKNOWN_LICENSE = "NOASSERTION"  # as SPDX has it


class Origin(NamedTuple):
    """Where a source image came from: `dataset` and `id` find it again, `license` is an SPDX id."""

    dataset: str
    id: str
    license: str


class Instruction(NamedTuple):
    """What an instructor writes for one image: what makes it unsafe, the smallest edit that mends it, and where.

    `caption_unsafe` and `caption_safe` describe the two members, where the instructor gives them.
    """

    critical_feature: str
    text: str
    region: Box | None
    caption_unsafe: str = ""
    caption_safe: str = ""


class Answer(NamedTuple):
    """What an instructor made of one image, with the text that it wrote and what that cost in tokens (0: none)."""

    outcome: Instruction | Reject
    raw: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0


class Edited(NamedTuple):
    """An edited image, and how many images were in the batch that it was made in."""

    pixels: Pixels
    batch: int = 1


class Verdict(NamedTuple):
    """What a judge or guard says of one image.

    `p_unsafe`: P(unsafe) in [0, 1], or None where it abstains. `note`: a short reason in snake_case where the judge
    has one (it becomes the reject's reason in a build). `raw`: the raw answer, where there was one.
    """

    p_unsafe: float | None
    note: str = ""
    raw: str = ""


class Judgement(NamedTuple):
    """One judge on both members of a pair: P(unsafe) before and after the edit."""

    name: str
    p_unsafe_before: float | None
    p_unsafe_after: float | None

    @property
    def margin(self) -> float:
        """How sure the judge is of the flip, in [-1, 1]; an abstention counts as P(unsafe) = 0."""
        return (self.p_unsafe_before or 0.0) - (self.p_unsafe_after or 0.0)


class Distance(NamedTuple):
    """A distance between the two members by name; 0.0 = equal, the scale is the measure's own."""

    name: str
    distance: float


class Preservation(NamedTuple):
    """How much of the image stayed: SSIM outside the edit box (1.0 = equal), and the share of pixels that changed."""

    ssim_outside: float
    changed_fraction: float
    distances: tuple[Distance, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, as a Parquet struct takes them."""
        return {**self._asdict(), "distances": [distance._asdict() for distance in self.distances]}


class Generator(NamedTuple):
    """What made the safe member: names with versions, the seed of the edit, and which attempt it was (from 0).

    Of imported pairs mostly the name of the editor alone is known; the rest is "" or None.
    """

    instructor: str
    editor: str
    revision: str
    seed: int | None
    attempt: int | None


# Which member of a pair was made from which; the last two are of pairs that came finished alone.
DIRECTIONS = ("unsafe_to_safe", "both_regenerated", "safe_to_unsafe", "unknown")


class Finished(NamedTuple):
    """What is known of a pair that came finished, and that a build would know itself.

    `direction`: one of DIRECTIONS. `split`: the split that the source states, "" where it states none.
    `unsafe_file` and `safe_file`: the SHA-256 (hex) of the two files as they came.
    """

    direction: str
    split: str
    unsafe_file: str
    safe_file: str


class Reject(NamedTuple):
    """Why a source left the road: at which stage, the reason in snake_case, and a sentence of detail.

    `final`: another round cannot help (the source itself is not what the policy is about).
    """

    stage: str
    reason: str
    detail: str = ""
    final: bool = False


class Identity(NamedTuple):
    """What a pair is known by, and known again by in a later release.

    `pair_id` is 16 hex; of each file there is the SHA-256 (hex) and the PDQ hash (32 bytes). `family` names what the
    pair shares with others that were made from it (a photograph); "" where it shares nothing.
    """

    pair_id: str
    unsafe_sha256: str
    safe_sha256: str
    unsafe_phash: bytes
    safe_phash: bytes
    family: str


@dataclass(slots=True)
class Candidate:
    """One source image on its way to becoming a pair; each stage fills in its part, or sets `reject`.

    `source_id` is 16 hex characters of a content hash. `hint` is what the source's own labels say about the image
    (JSON values only); an instructor may read it, an editor and a judge never see it. `family`: see Identity.
    `round` counts from 0; `feedback` has why each earlier attempt failed, oldest first, for the instructor.
    `known` has P(unsafe) of the unsafe member from earlier rounds, by the number of the judge and the region.
    `answer` is what the instructor said; `batch` how many images were edited together with this one. `edit_box` is the
    smallest box around what changed, None where nothing did. `finished` is of a pair that came finished, and then its
    source has filled in all but `judgements` and `identity`.
    """

    source_id: str
    category: str
    origin: Origin
    unsafe: Picture
    hint: dict[str, Any] = field(default_factory=dict)
    family: str = ""
    round: int = 0
    feedback: tuple[str, ...] = ()
    known: dict[tuple[int, Box | None], float] = field(default_factory=dict)
    answer: Answer | None = None
    instruction: Instruction | None = None
    safe: Picture | None = None
    generator: Generator | None = None
    batch: int = 1
    edit_box: Box | None = None
    judgements: list[Judgement] = field(default_factory=list)
    preservation: Preservation | None = None
    identity: Identity | None = None
    finished: Finished | None = None
    reject: Reject | None = None


# The kinds of controls; `building/controls.py` says how each is made.
CONTROL_KINDS = ("null_edit", "neutral_edit", "both_regenerated")


class Control(NamedTuple):
    """A control of the pair `pair_id`: two pictures with the labels of the pair's own, or a reject."""

    pair_id: str
    kind: str
    unsafe: Picture | None = None
    safe: Picture | None = None
    judgements: tuple[Judgement, ...] = ()
    reject: Reject | None = None


class Source(Protocol):
    """Gives the candidates numbered `start` to `stop`: a pure function of the recipe, in any order, in any process."""

    @property
    def size(self) -> int | None:
        """How many candidates there are, or None where they never end."""
        ...

    def take(self, start: int, stop: int) -> list[Candidate]: ...

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """Inputs that can never become a candidate (a broken file in a folder), by name."""
        ...

    def fingerprint(self) -> str:
        """A hash of what the source reads outside the recipe (a list of hashes); "" where that is nothing.

        A run goes on only while it stays the same. The inputs of a `ListedSource` are not in it.
        """
        ...


class Input(NamedTuple):
    """An input of a source (an image of a folder). `digest` is a hash of all that its candidate is made of.

    `category` is "" where a judge will give it.
    """

    name: str
    digest: str
    category: str


@runtime_checkable
class ListedSource(Protocol):
    """What a finite source has, too, if a run is to go on when the source has gained inputs."""

    def inputs(self) -> Sequence[Input]:
        """Every input that can be used: those that have places, in their order, then the others, in the source's own.

        Of inputs that are the same, the one that comes first in this order can be used.
        """
        ...

    def in_places(self, names: Sequence[str | None]) -> Self:
        """This source with the candidates of these inputs alone, at these places.

        `take` gives no candidate for a place of None, or of a name that the source does not have or cannot use.
        """
        ...

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """As of any source."""
        ...


class Instructor(Protocol):
    """Writes the edit for each candidate, one Answer each; a Reject in it says why there is none."""

    @property
    def name(self) -> str: ...

    def write(self, batch: Sequence[Candidate]) -> list[Answer]: ...


class Editor(Protocol):
    """Edits images by instruction. Sees pixels, text, region and seed, nothing else; answers pixels of equal shape.

    What is edited together is decided by the arguments of one call alone. An editor that works in a latent space also
    has `round_trip(images) -> list[Pixels]`: through its autoencoder and back, with no edit.
    """

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]: ...


class Judge(Protocol):
    """P(unsafe) of images under a category's policy. A guard that is evaluated and a judge in a build are the same.

    `regions`: where the edit was, or None for the whole image. The answer has one Verdict an image, in order. Judges
    that share weights or training share a `family` (its `name` where it has no such attribute).
    """

    @property
    def name(self) -> str: ...

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]: ...
