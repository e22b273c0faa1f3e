"""An editor on any server with OpenAI's POST /images/edits; see `models.image_server`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Self

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.kept_replies import KeptReplies
from safetypairs_hf.core.records import Edited, Instruction, Picture, Pixels, Reject
from safetypairs_hf.core.settings import check_counts
from safetypairs_hf.editors.base import Size, finished, fitting, resized
from safetypairs_hf.models.image_server import ImageReply, ImageServer
from safetypairs_hf.models.outage import FAILURES, TELLING

_SEEDS: Final = 2**31  # some servers keep a seed in a C int
_LONGEST: Final = 300  # characters of a reject's detail


@dataclass(frozen=True)
class ServerEditor:
    """Asks a server for each edit; see `records.Editor`.

    An image is sent as its file, with the seed of its attempt. Both of its sides must be multiples of `multiple`: an
    image of another size is resized to the nearest, and the edit back to the image's own, as in the editors in this
    process. The reply must have the requested size.

    Servers do not guarantee equal pixels for equal seeds, so a reply is never requested again: it is in the part of its
    work unit, and until that is written it is kept in the run folder (`keeping`).

    A server gives no access to its autoencoder, so there is no `round_trip`, and no controls that need one.

    Args:
        server: The address and the model.
        steps, guidance: Sent as `num_inference_steps` and as the field `guidance_field`; None leaves the server's own.
        guidance_field: "guidance_scale", or "true_cfg_scale" for models with that kind of guidance.
        negative_prompt: Sent unless it is "". Qwen-Image-Edit needs one, such as " ", for its guidance.
        baseline_prompt: A prompt that asks for no edit. The server's result for it shows what the editor alters
            everywhere, which is the baseline of the figures of preservation. "" asks for none, and the figures are
            measured without a baseline. It doubles the requests for an image with one attempt.
        multiple: Both sides of a sent image are multiples of this.
        resize_replies: Accept a reply of another size and resize it; otherwise the attempt is rejected.
        revision: The version that the server runs, as far as you know it; it is written to the rows.
        kept: The store of replies until the part is written.
    """

    holds_model: ClassVar[bool] = False

    server: ImageServer
    steps: int | None = None
    guidance: float | None = None
    guidance_field: str = "guidance_scale"
    negative_prompt: str = ""
    baseline_prompt: str = ""
    multiple: int = 16
    resize_replies: bool = False
    revision: str = "served"
    kept: KeptReplies | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_counts(multiple=self.multiple, steps=self.steps)

    @property
    def name(self) -> str:
        """The editor's name in rows and recipes."""
        return f"server:{self.model.rstrip('/').rsplit('/', 1)[-1]}"

    @property
    def model(self) -> str:
        """The name of the model on the server."""
        return self.server.model

    def check_model(self) -> None:
        """Ask every replica whether it has the model. Raises SafetyPairsError; see `ImageServer.check_model`."""
        self.server.check_model()

    def keeping(self, kept: KeptReplies) -> Self:
        """Return this editor with a store of replies. Stored replies are not requested again."""
        return replace(self, kept=kept)

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        """Edit each image by its instruction, with its seed.

        Returns:
            One answer for each image, in order. A Reject has the reason "refused" if a filter of the service blocked
            the edit, "server_error" if there was no answer after all retries, "size_changed" for a reply of another
            size, "broken_output" for a reply that is not an image, or has one colour.

        Raises:
            SafetyPairsError: No request can succeed, see `ImageServer.ask_each`; or no reply has the requested size.
        """
        prompts = [instruction.text for instruction in instructions]
        return self._asked(images, prompts, seeds)

    def baseline(self, images: Sequence[Picture]) -> list[Pixels | Reject] | None:
        """Return the server's results for `baseline_prompt`, with seed 0; None without a `baseline_prompt`.

        Raises:
            SafetyPairsError: As in `edit`.
        """
        if not self.baseline_prompt:
            return None
        answers = self._asked(images, [self.baseline_prompt] * len(images), [0] * len(images))
        return [answer.pixels if isinstance(answer, Edited) else answer for answer in answers]

    def _asked(self, images: Sequence[Picture], prompts: Sequence[str], seeds: Sequence[int]) -> list[Edited | Reject]:
        sizes = [fitting(image.pixels, self.multiple, self.multiple) for image in images]
        asked = zip(images, prompts, seeds, sizes, strict=True)
        replies = self._replies([self._body(*each) for each in asked])
        answers = [self._answer(*each) for each in zip(images, sizes, replies, strict=True)]
        wrong = [answer.detail for answer in answers if isinstance(answer, Reject) and answer.reason == "size_changed"]
        if len(wrong) >= TELLING and len(wrong) == sum(not reply.problem for reply in replies):
            raise SafetyPairsError(f"{self.server.url}: no edit has the size of its image: {wrong[0]}")
        return answers

    def _replies(self, bodies: Sequence[Mapping[str, Any]]) -> list[ImageReply]:
        keys = [self._key(body) for body in bodies]
        replies = {key: reply for key in keys if (reply := self._read(key)) is not None}
        # An image, prompt and seed have one reply, even if it is needed several times.
        wanted = {key: body for key, body in zip(keys, bodies, strict=True) if key not in replies}
        left = list(wanted)
        for place, reply in self.server.ask_each(wanted.values()):
            replies[left[place]] = reply
            self._keep(left[place], reply)
        return [replies[key] for key in keys]

    def _body(self, image: Picture, prompt: str, seed: int, size: Size) -> dict[str, Any]:
        import numpy as np

        from safetypairs_hf.core.pictures import encode

        own = image.pixels.shape[1::-1] == tuple(size)
        sent: dict[str, Any] = {
            "image": image.data if own else encode(np.asarray(resized(image.pixels, size))).data,
            "prompt": prompt,
            "size": f"{size.width}x{size.height}",
            "output_format": "png",
            "seed": seed % _SEEDS,
            "num_inference_steps": self.steps,
            self.guidance_field: self.guidance,
            "negative_prompt": self.negative_prompt or None,
        }
        return {name: value for name, value in sent.items() if value is not None}

    def _answer(self, image: Picture, size: Size, reply: ImageReply) -> Edited | Reject:
        import numpy as np

        from safetypairs_hf.core.decoding import UnusableError, decode

        if reply.problem:
            failed = reply.problem in FAILURES
            said = "the server gave no edit of this image" if failed else "the server refused"
            detail = f"{said}: {' '.join(reply.raw.split())[:_LONGEST]}"
            return Reject("edit", "server_error" if failed else "refused", detail)
        try:
            made = decode(reply.data, 1)
        except UnusableError as error:
            return Reject("edit", "broken_output", f"the server's image: {error.args[1]}"[:_LONGEST])
        if made.size != tuple(size) and not self.resize_replies:
            detail = f"{size.width} x {size.height} pixels were asked for and {made.width} x {made.height} came"
            return Reject("edit", "size_changed", f"{detail}; a new run with resize_replies=true resizes them")
        return finished(np.asarray(made), image.pixels, 1)

    def _key(self, body: Mapping[str, Any]) -> str:
        """Return the key of a reply in the store: a hash of the whole request."""
        image = hashlib.sha256(body["image"]).hexdigest()
        asked = {**self.server.extra_body, **body, "image": image, "model": self.server.model}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]

    def _keep(self, key: str, reply: ImageReply) -> None:
        if self.kept is not None and reply.problem not in FAILURES:
            head = json.dumps({"problem": reply.problem, "raw": reply.raw})
            self.kept.put(key, head.encode() + b"\n" + reply.data)

    def _read(self, key: str) -> ImageReply | None:
        found = None if self.kept is None else self.kept.get(key)
        if found is None:
            return None
        head, _, data = found.partition(b"\n")
        return ImageReply(data, **json.loads(head))
