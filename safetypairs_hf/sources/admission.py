"""Turn a source's inputs into candidates that are decoded, resized and screened, or rejected with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from safetypairs_hf.core.decoding import UnusableError
from safetypairs_hf.core.ids import content_id
from safetypairs_hf.core.pictures import encode, sha256
from safetypairs_hf.core.records import Candidate, Origin, Picture, Reject
from safetypairs_hf.sources.frame import Frame
from safetypairs_hf.sources.labels import Judged
from safetypairs_hf.sources.screen import Screen

NO_CATEGORY = "-"  # stands in the funnel for inputs without a category


class Raw(NamedTuple):
    """An input of a source.

    Attributes:
        key: Its name in the source, such as its path or its row.
        origin: Where it came from.
        data: The encoded file.
        category: A slug, or why it has none; "" if a judge will assign one.
        label: The source's own label; None if it has none.
        reject: Why it cannot be used; None if it can.
    """

    key: str
    origin: Origin
    data: bytes
    category: str | Reject
    label: str | None = None
    reject: Reject | None = None


@dataclass(frozen=True)
class Admission:
    """Makes a candidate of each input, in order. A rejected candidate has its origin and the reason, but no picture."""

    frame: Frame
    screen: Screen
    judged: Judged | None

    def __call__(self, inputs: Sequence[Raw]) -> list[Candidate]:
        candidates = [self._admit(raw) for raw in inputs]
        if self.judged is not None:
            asked = [candidate for candidate in candidates if candidate.reject is None]
            for candidate, category in zip(asked, self.judged.choose([each.unsafe for each in asked]), strict=True):
                _categorise(candidate, category)
        return candidates

    def _admit(self, raw: Raw) -> Candidate:
        found = self._picture(raw)
        picture, reject = (Picture(b""), found) if isinstance(found, Reject) else (found, None)
        # The key is included, so that two inputs with the same pixels are two sources, each with its own reason.
        source_id = content_id(raw.key, picture.data or raw.data)
        hint = {} if raw.label is None else {"label": raw.label}
        category = raw.category if isinstance(raw.category, str) and raw.category else NO_CATEGORY
        return Candidate(source_id, category, raw.origin, picture, hint, reject=reject)

    def _picture(self, raw: Raw) -> Picture | Reject:
        if raw.reject is not None:
            return raw.reject
        if isinstance(raw.category, Reject):
            return raw.category
        try:
            picture = encode(self.frame.fit(self.frame.open(raw.data)), self.frame.encoder)
        except UnusableError as error:
            return Reject("source", *error.args)
        return self.screen.reject(picture, sha256(raw.data)) or picture


def _categorise(candidate: Candidate, category: str | Reject) -> None:
    if isinstance(category, Reject):
        candidate.reject, candidate.unsafe = category, Picture(b"")
    else:
        candidate.category = category
