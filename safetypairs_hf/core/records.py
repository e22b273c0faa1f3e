"""The record types that flow through a build, and the protocols of the parts that process them.

This module imports no other module of the library, so that every module may import it.
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
    Pixels = Any  # a type checker needs numpy here, a program does not


# Formats that Pillow decodes itself. EPS and WMF are left out, because Pillow passes them to other programs.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "PPM", "JPEG2000")
MOST_PIXELS = 89_478_485  # of a decoded image: 268 MB; Pillow only warns at this limit, which is its own


class Box(NamedTuple):
    """A rectangle in pixels; `x1` and `y1` are exclusive, so `x1 - x0` is the width."""

    x0: int
    y0: int
    x1: int
    y1: int


class Picture:
    """An encoded image. It is decoded when its pixels are first read.

    Attributes:
        data: the encoded file, without metadata; PNG unless a recipe sets another format.
        name: what messages call the image; by default the start of the SHA-256 of its file.
        pixels: (height, width, 3) uint8 RGB. Reading it raises ValueError for an image of more than MOST_PIXELS
            pixels, and whatever Pillow raises for bytes that are not an image.
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
                raise ValueError(f"it has {width} x {height} pixels; at most {MOST_PIXELS} pixels are decoded")
            return np.asarray(image.convert("RGB"))


UNKNOWN_LICENSE = "NOASSERTION"  # SPDX's term


class Origin(NamedTuple):
    """Where a source image came from: its dataset, its id in that dataset, and its licence as an SPDX id."""

    dataset: str
    id: str
    license: str


class Instruction(NamedTuple):
    """The edit that an instructor writes for one image.

    Attributes:
        critical_feature: what makes the image unsafe.
        text: the smallest edit that makes it safe, as an instruction.
        region: where to edit, in pixels of the image; None if the instructor names no region.
        caption_unsafe: a description of the unsafe member; "" if the instructor gives none.
        caption_safe: a description of the safe member; "" if the instructor gives none.
    """

    critical_feature: str
    text: str
    region: Box | None
    caption_unsafe: str = ""
    caption_safe: str = ""


class Answer(NamedTuple):
    """An instructor's answer for one image.

    Attributes:
        outcome: the instruction, or a reject that says why there is none.
        raw: the text that the instructor wrote.
        prompt_tokens: tokens of the prompt; 0 if none were used.
        answer_tokens: tokens of the answer; 0 if none were used.
    """

    outcome: Instruction | Reject
    raw: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0


class Edited(NamedTuple):
    """An edited image: its pixels, and the number of images that were edited in the same batch."""

    pixels: Pixels
    batch: int = 1


class Verdict(NamedTuple):
    """The answer of a judge or guard for one image.

    Attributes:
        p_unsafe: P(unsafe) in [0, 1]; None if the judge abstains.
        note: a short reason in snake_case, or "". In a build it becomes the reason of the reject.
        raw: the answer as the judge wrote it; "" if it wrote none.
    """

    p_unsafe: float | None
    note: str = ""
    raw: str = ""


class CountedVerdict(Verdict):
    """A verdict of a service that counts tokens. It equals the plain verdict of the same three values.

    Attributes:
        prompt_tokens: the tokens that the service says it read for the answer.
        answer_tokens: the tokens that it says it wrote, reasoning included.
    """

    prompt_tokens: int
    answer_tokens: int

    @classmethod
    def of(cls, verdict: Verdict, prompt_tokens: int, answer_tokens: int) -> Verdict:
        """Return a verdict with its counts; the same verdict if both are 0."""
        if not (prompt_tokens or answer_tokens):
            return verdict
        made = cls(*verdict)
        made.prompt_tokens, made.answer_tokens = prompt_tokens, answer_tokens
        return made


def tokens_of(verdict: Verdict) -> tuple[int, int]:
    """Return the tokens that a service read and wrote for a verdict; (0, 0) if it does not count them."""
    return (verdict.prompt_tokens, verdict.answer_tokens) if isinstance(verdict, CountedVerdict) else (0, 0)


class Judgement(NamedTuple):
    """The P(unsafe) that one judge gives the two members of a pair: before and after the edit."""

    name: str
    p_unsafe_before: float | None
    p_unsafe_after: float | None

    @property
    def margin(self) -> float:
        """P(unsafe) before the edit minus P(unsafe) after it, in [-1, 1]; an abstention counts as 0."""
        return (self.p_unsafe_before or 0.0) - (self.p_unsafe_after or 0.0)


class Distance(NamedTuple):
    """A distance between the two members of a pair. 0.0 means equal; the scale depends on the measure in `name`."""

    name: str
    distance: float


class Preservation(NamedTuple):
    """How much of the image the edit preserved.

    Attributes:
        ssim_outside: SSIM of the two members outside the edit box; 1.0 means equal.
        changed_fraction: the share of pixels that changed, in [0, 1].
        distances: further distances between the two members.
    """

    ssim_outside: float
    changed_fraction: float
    distances: tuple[Distance, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, for a Parquet struct."""
        return {**self._asdict(), "distances": [distance._asdict() for distance in self.distances]}


class Generator(NamedTuple):
    """What made the safe member of a pair. An unknown field, as in most imported pairs, is "" or None.

    Attributes:
        instructor: the name of the instructor.
        editor: the name of the editor.
        revision: the revision of the editor.
        seed: the seed of the edit.
        attempt: the number of the attempt, from 0.
    """

    instructor: str
    editor: str
    revision: str
    seed: int | None
    attempt: int | None


# Which member of a pair was made from the other. Only imported pairs have a direction other than the first two.
DIRECTIONS = ("unsafe_to_safe", "both_regenerated", "safe_to_unsafe", "unknown")


class Finished(NamedTuple):
    """What the source of an imported pair states, and a build would compute itself.

    Attributes:
        direction: one of DIRECTIONS.
        split: the split that the source states; "" if it states none.
        unsafe_file: the SHA-256 (hex) of the unsafe member's original file.
        safe_file: the SHA-256 (hex) of the safe member's original file.
        safe_policy: for a policy pair, the category whose policy calls the image safe; "" for any other pair.
    """

    direction: str
    split: str
    unsafe_file: str
    safe_file: str
    safe_policy: str = ""


class Reject(NamedTuple):
    """Why a build rejected a source.

    Attributes:
        stage: the stage that rejected it.
        reason: the reason in snake_case.
        detail: a sentence of detail, or "".
        final: whether another round cannot help, because the source image itself does not fit the policy.
    """

    stage: str
    reason: str
    detail: str = ""
    final: bool = False


class Identity(NamedTuple):
    """What identifies a pair, in this release and in later ones.

    Attributes:
        pair_id: 16 hex digits.
        unsafe_sha256: the SHA-256 (hex) of the unsafe member's file.
        safe_sha256: the SHA-256 (hex) of the safe member's file.
        unsafe_phash: the PDQ hash of the unsafe member, 32 bytes.
        safe_phash: the PDQ hash of the safe member, 32 bytes.
        family: a name shared by all pairs that were made from one photograph; "" if this pair shares nothing.
    """

    pair_id: str
    unsafe_sha256: str
    safe_sha256: str
    unsafe_phash: bytes
    safe_phash: bytes
    family: str

    @property
    def is_policy_pair(self) -> bool:
        """Whether both members are the same image, unsafe under one policy and safe under another."""
        return self.unsafe_sha256 == self.safe_sha256


@dataclass(slots=True)
class Candidate:
    """A source image on its way to becoming a pair. Each stage fills in its fields, or sets `reject`.

    Attributes:
        source_id: 16 hex digits of a content hash.
        category: the category of the unsafe member.
        origin: where the source image came from.
        unsafe: the unsafe member.
        hint: what the source's own labels say about the image (JSON values only). An instructor may read it; an editor
            and a judge never see it.
        family: see Identity.
        round: the number of the round, from 0.
        feedback: why each earlier attempt failed, oldest first, for the instructor.
        known: P(unsafe) of the unsafe member from earlier rounds, by the number of the judge and the region.
        answer: the instructor's answer.
        instruction: the instruction in that answer.
        safe: the safe member.
        generator: what made the safe member.
        batch: the number of images that were edited together with this one.
        edit_box: the smallest box around the pixels that changed; None if none did.
        judgements: the answers of the judges, one each.
        preservation: how much of the image the edit preserved.
        identity: what identifies the pair.
        finished: set for imported pairs only, whose source fills in every field but `judgements` and `identity`.
        reject: why the candidate was rejected; None if it was not.
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
    """A control of the pair `pair_id`: two pictures with the labels of that pair, or a reject."""

    pair_id: str
    kind: str
    unsafe: Picture | None = None
    safe: Picture | None = None
    judgements: tuple[Judgement, ...] = ()
    reject: Reject | None = None


class Source(Protocol):
    """Yields the candidates of a build by number.

    A candidate depends on the recipe and its number alone, so ranges can be taken in any order and in any process.
    """

    @property
    def size(self) -> int | None:
        """The number of candidates; None if they never end."""
        ...

    def take(self, start: int, stop: int) -> list[Candidate]:
        """Return the candidates of a range.

        Args:
            start: the number of the first candidate, from 0.
            stop: the number after the last one.

        Returns:
            The candidates in order. One that the source itself refuses has `reject` set.
        """
        ...

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """Return the inputs that can never become a candidate, such as a broken file in a folder: name and reject."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of what the source reads outside the recipe, such as a hash list; "" if it reads nothing.

        A run can be resumed only while the fingerprint stays the same. It leaves out the inputs of a `ListedSource`.
        """
        ...


class Input(NamedTuple):
    """An input of a source, such as an image in a folder.

    Attributes:
        name: the name of the input, unique in its source.
        digest: a hash of everything that its candidate is made of.
        category: its category; "" if a judge will assign one.
    """

    name: str
    digest: str
    category: str


@runtime_checkable
class ListedSource(Protocol):
    """A finite source whose runs can be resumed after inputs were added to it. It is a `Source` as well."""

    def inputs(self) -> Sequence[Input]:
        """Return every usable input.

        Returns:
            The inputs that `in_places` gave places, in that order; then the others, in the source's own order. Of
            equal inputs only the first in this order is usable.
        """
        ...

    def in_places(self, names: Sequence[str | None]) -> Self:
        """Return this source limited to some inputs, as its candidates number 0, 1 and so on.

        Args:
            names: the name of the input at each place; None leaves the place empty.

        Returns:
            A source whose `take` skips empty places and names that it does not have or cannot use.
        """
        ...

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """Return what `Source.rejected_inputs` returns."""
        ...


class Instructor(Protocol):
    """Writes the instruction that turns an unsafe image into a safe one."""

    @property
    def name(self) -> str:
        """The name that pairs record as `generator.instructor`."""
        ...

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        """Write an instruction for each candidate.

        Args:
            batch: the candidates. `unsafe`, `category`, `hint` and `feedback` are the fields to read.

        Returns:
            One Answer for each candidate, in order. Its `outcome` is a Reject if there is no instruction.
        """
        ...


class Editor(Protocol):
    """Edits images by instruction. It sees pixels, text, region and seed, and nothing else.

    The arguments of a call alone decide which images are edited in one batch. An editor that works in a latent space
    also has `round_trip(images) -> list[Pixels]`, which passes images through its autoencoder without an edit. One that
    embeds prompts separately has `embed_prompts(instructions)`, which is called with the instructions of a work unit
    before the unit's first `edit`.
    """

    @property
    def name(self) -> str:
        """The name that pairs record as `generator.editor`."""
        ...

    @property
    def revision(self) -> str:
        """The version of the weights or of the code; it changes when the edits do."""
        ...

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        """Edit images.

        Args:
            images: the images.
            instructions: the instruction for each image.
            seeds: the seed of each edit.

        Returns:
            For each image, in order, the edited pixels in the shape of the image, or a Reject that says why there
            are none.
        """
        ...


class Judge(Protocol):
    """Estimates P(unsafe) of images under a category's policy: a judge in a build, or a guard that is evaluated.

    Judges that share weights or training have the same attribute `family`; without it, `name` is the family.
    """

    @property
    def name(self) -> str:
        """The name that judgements, predictions and tables record."""
        ...

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images.

        Args:
            images: the images.
            categories: the category that each image is judged under.
            regions: where each image was edited, in pixels; None for the whole image.

        Returns:
            One Verdict for each image, in order.
        """
        ...
