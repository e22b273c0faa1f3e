"""Base classes of guards: the identity that a run records, and batches for models in this process."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import SafetyPairsError, in_a_line
from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.models.ahead import Ahead
from safetypairs_hf.models.chat import Refused, basename, taken
from safetypairs_hf.models.chat_server import ChatServer
from safetypairs_hf.models.loading import HoldsWeights, pick_device, pick_dtype
from safetypairs_hf.models.memory import out_of_memory
from safetypairs_hf.taxonomy.binding import AsksByTaxonomy
from safetypairs_hf.taxonomy.nine import NINE

# Images, and the category that each is judged under.
Unit: TypeAlias = tuple[Sequence[Picture], Sequence[str]]
# Pairs of the index of an image and its verdict.
Singly: TypeAlias = Generator[tuple[int, Verdict], None, None]
# The type of a guard's loaded model, such as a Chat.
Model = TypeVar("Model")


class Guard(AsksByTaxonomy, ABC):
    """Estimates P(unsafe) of images under a category of a taxonomy, and describes what its answers depend on.

    Every guard of the catalogue is a Guard. `user_guard.as_guard` makes one of a user's own object.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that predictions and tables show."""

    @property
    @abstractmethod
    def revision(self) -> str:
        """The version of its weights or of its code: a text that changes when its answers do."""

    @property
    def family(self) -> str:
        """The family of the guard. Judges that share weights or training are of one family."""
        return self.name

    @property
    def fidelity(self) -> str | None:
        """Its prompt: "trained", from its training; "common", the taxonomy's policy; None if neither applies."""
        return None

    @property
    def holds_model(self) -> bool:
        """Whether the guard keeps a model in this process."""
        return False

    @property
    def uses_regions(self) -> bool | None:
        """Whether a verdict depends on the regions passed to `judge`; None if that is not known."""
        return False

    @property
    def costly(self) -> bool:
        """Whether an answer costs money or much time. If so, a run saves each answer at once; see `judge_singly`."""
        return False

    @property
    def expects(self) -> str:
        """The expected form of an answer, for the error message when none of the answers can be read."""
        return "a number from 0 to 1, P(unsafe)"

    @property
    def dtype(self) -> str | None:
        """The PyTorch type that its weights are loaded as; None for a guard without PyTorch weights."""
        return None

    @property
    def seed(self) -> int | None:
        """The seed of its answers; None if they do not depend on a seed."""
        return None

    @abstractmethod
    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images.

        Args:
            images: The images.
            categories: The category of each image, by slug, code or name.
            regions: The edited region of each image, or None. Only `OnRegion` uses them.

        Returns:
            One Verdict for each image, in order.
        """

    def judge_singly(self, asked: Iterable[tuple[Picture, str]]) -> Singly:
        """Judge images one at a time. A run calls this method if the guard is `costly`.

        Args:
            asked: Images, each with its category. They are read as they are needed.

        Yields:
            The index of an image, from 0, and its verdict, as soon as the verdict is known and in any order.
        """
        for place, (image, category) in enumerate(asked):
            yield place, self.judge([image], [category], [None])[0]

    @property
    def most_tokens(self) -> int:
        """The most tokens that a service may write for an answer; 0 if there is no limit, or no service."""
        return 0

    def asked(self, slug: str) -> str:
        """Return the text of the prompt for a category; "" if the guard asks by its own policies."""
        return ""

    @property
    def takes_policy(self) -> bool:
        """Return whether the prompt depends on the category's policy, so that two policies can judge the same image."""
        texts = [self.asked(slug) for slug in self.taxonomy.slugs]
        return len(set(texts)) > 1

    def release(self) -> None:
        """Free the memory of its model. The next call of `judge` loads the model again."""

    def settings(self) -> Any:
        """Return the settings as JSON values; see `core.description.describe`."""
        return describe(self)

    def identity(self) -> dict[str, Any]:
        """Return what the answers depend on, as JSON values. Guards with equal identities give equal verdicts.

        Raises:
            SafetyPairsError: Its weights have no pinned revision, a setting has no stable description, or a required
                GPU or package is missing.
        """
        return {
            "name": self.name,
            "revision": self.revision,
            "settings": self.settings(),
            "prompt_hash": prompt_hash(self),
            "fidelity": self.fidelity,
            "dtype": self.dtype,
            "seed": self.seed,
            **({} if self.taxonomy == NINE else {"taxonomy": f"{self.taxonomy.name} {self.taxonomy.digest}"}),
        }


def prompt_hash(guard: Guard) -> str:
    """Return a hash (16 hex digits) of a guard's prompts for all categories; "" if it has no prompts.

    The hash leaves out a prompt in the model's own chat template, which belongs to `revision`.
    """
    texts = [guard.asked(slug) for slug in guard.taxonomy.slugs]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16] if any(texts) else ""


def dtype_on(device: str, name: str) -> str:
    """Return the type that weights are loaded as on a device, such as "float32".

    Args:
        device: A PyTorch device, or "auto".
        name: The name of the guard in error messages.

    Raises:
        SafetyPairsError: PyTorch is not installed, or the device is a GPU that this machine does not have.
    """
    try:
        import torch
    except ImportError as error:
        raise SafetyPairsError(f"{name} needs PyTorch; pip install 'safetypairs-hf[gpu]'") from error
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SafetyPairsError(
            f"{name} is set to device={device}, and PyTorch sees no GPU here; set device=cpu, or auto"
        )
    return str(pick_dtype(pick_device(device))).removeprefix("torch.")


class Question(NamedTuple):
    """One question to a model.

    `number` is the index of the image in its unit. `policy` names the policy to ask by, if the guard has several.
    """

    number: int
    image: Picture
    slug: str
    policy: str = ""


class Judged(NamedTuple):
    """The verdicts of a unit, in order, and the seconds that the model worked for them."""

    verdicts: list[Verdict]
    seconds: float


class Loaded(NamedTuple):
    """A loaded model with its processor, or with a copy of the processor for each thread."""

    processor: Any
    model: Any


class ServedGuard(Guard):
    """A guard whose model is behind a server.

    A subclass is a dataclass with the field `server`, and implements `judge_singly`.
    """

    server: ChatServer
    costly: ClassVar[bool] = True

    @property
    def seed(self) -> int:
        return self.server.seed

    @abstractmethod
    def judge_singly(self, asked: Iterable[tuple[Picture, str]]) -> Singly:
        """See `Guard.judge_singly`.

        Raises:
            SafetyPairsError: See `ChatServer.ask_each`.
        """

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images; regions are not used. Raises what `judge_singly` raises."""
        found = dict(self.judge_singly(zip(images, categories, strict=True)))
        return [found[place] for place in range(len(images))]


class ModelGuard(HoldsWeights, Guard, Generic[Model]):
    """A guard whose model is loaded in this process and asked in batches.

    Threads prepare the next batches while the model works on one. A subclass is a dataclass that has the fields below,
    in any order, and implements `load`, `prepare` and `answer`.

    Args:
        model: A folder, or a Hub id with `commit`.
        commit: The commit of a Hub id; leave it out for a folder.
        batch_size: Images in a forward pass; halved if memory runs out.
        device: A PyTorch device; "auto" uses a GPU if one is available.
    """

    batch_size: int
    device: str
    holds_model: ClassVar[bool] = True
    # The first part of its name.
    kind: ClassVar[str]

    @property
    def name(self) -> str:
        return f"{self.kind}:{basename(self.model)}"

    @property
    def dtype(self) -> str:
        return dtype_on(self.device, self.name)

    @cached_property
    def loaded(self) -> Model:
        """The model with its processor, loaded on first use."""
        if self.unbound is not self:
            return self.unbound.loaded
        try:
            return self.load()
        except (SafetyPairsError, ImportError):
            raise
        except Exception as error:  # a damaged config or damaged weights
            if out_of_memory(error):
                raise
            raise SafetyPairsError(f"{self.model} does not load: {in_a_line(error)}") from error

    def release(self) -> None:
        super().release()
        if self.unbound is not self:
            self.unbound.release()

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images; regions are not used. If several policies apply to a category, the worst verdict counts.

        The guard abstains with "not_covered", "refused_by_processor", "broken_output", or a reason of its own class.

        Raises:
            SafetyPairsError: The model does not load, or not even one image fits into memory.
        """
        ((verdicts, _),) = self.judge_each([(images, categories)])
        return verdicts

    def judge_each(self, units: Iterable[Unit]) -> Iterator[Judged]:
        """Judge units one after another, without a pause between them.

        Units are read ahead of time. A batch never mixes images of two units, so each unit gets the same verdicts as
        it would get alone.
        """
        pending: deque[tuple[int, list[Question]]] = deque()

        def batches() -> Iterator[list[Question]]:
            for images, categories in units:
                questions = self.questions(images, [self.taxonomy.find(category).slug for category in categories])
                pending.append((len(images), questions))
                yield questions

        ahead = Ahead(
            self.batch_size, self._load, self._prepare_parts, self._answer_parts, lambda question: question.policy
        )
        with closing(ahead.run(batches())) as running:
            for done in running:
                count, questions = pending.popleft()
                verdicts = [Verdict(None, "not_covered") for _ in range(count)]
                for question, verdict in zip(questions, done.results, strict=True):
                    verdicts[question.number] = _worse(verdicts[question.number], verdict)
                yield Judged(verdicts, done.seconds)

    def covers(self, slug: str) -> bool:
        """Return whether the guard judges a category. It abstains from all others with "not_covered"."""
        return True

    def questions(self, images: Sequence[Picture], slugs: Sequence[str]) -> list[Question]:
        """Return the questions about images under their categories.

        All questions in a batch have the same `policy`. An image without a question is not covered.
        """
        numbered = enumerate(zip(images, slugs, strict=True))
        return [Question(number, image, slug) for number, (image, slug) in numbered if self.covers(slug)]

    @abstractmethod
    def load(self) -> Model:
        """Load the model and its processor."""

    @abstractmethod
    def prepare(self, questions: Sequence[Question]) -> Any:
        """Return the processor's output for questions, in CPU memory. Several threads call this method at once."""

    @abstractmethod
    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        """Ask the model; return one verdict for each question."""

    def _load(self) -> Model:
        return self.loaded

    def _prepare_parts(self, questions: Sequence[Question]) -> list[tuple[Sequence[Question], Any]]:
        return taken(questions, self.prepare)

    def _answer_parts(self, parts: list[tuple[Sequence[Question], Any]]) -> list[Verdict]:
        found: list[Verdict] = []
        for questions, inputs in parts:
            if isinstance(inputs, Refused):
                found.append(Verdict(None, "refused_by_processor", inputs.detail))
            else:
                found += self.answer(inputs, questions)
        return found


def _worse(a: Verdict, b: Verdict) -> Verdict:
    if a.p_unsafe is None or b.p_unsafe is None:
        return b if a.p_unsafe is None else a
    return max(a, b, key=lambda verdict: verdict.p_unsafe or 0.0)
