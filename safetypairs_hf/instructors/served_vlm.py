"""An instructor on any OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from safetypairs_hf.core.ids import derived_seed
from safetypairs_hf.core.records import Answer, Candidate, Reject
from safetypairs_hf.instructors.coordinates import AUTO, PIXELS, Coordinates, check_convention, convention_of
from safetypairs_hf.instructors.parse import parse
from safetypairs_hf.instructors.prompt import question, schema
from safetypairs_hf.models.chat_server import ChatServer, Reply
from safetypairs_hf.models.outage import FAILURES
from safetypairs_hf.taxonomy.binding import AsksByTaxonomy


@dataclass(frozen=True)
class ServerInstructor(AsksByTaxonomy):
    """Asks the server's model for the edit of each candidate, as JSON by schema.

    Args:
        server: The address and the model.
        revision: The version that the server runs, as far as you know it. It is written to the rows.
        temperature: 0 is greedy.
        max_answer_tokens: The length at which an answer is cut off.
        schema: Send `response_format`, with which servers force the answer into the schema. Set False for a server that
            refuses it.
        prompt_price, answer_price: The prices of a million tokens, in one currency, for the sum in `status`; 0 if
            they cost nothing.
        coordinates: How the model writes a region: "shares" of the image's width and height, "thousandths" of them, or
            "pixels" of the image as the published processors of Qwen2.5-VL resize it. "auto" goes by the model's name;
            see `coordinates.py`.
    """

    server: ChatServer
    revision: str = "served"
    temperature: float = 0.0
    max_answer_tokens: int = 512
    schema: bool = True
    prompt_price: float = 0.0
    answer_price: float = 0.0
    coordinates: str = AUTO
    holds_model: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_convention(self.coordinates)

    @property
    def read_from_model(self) -> dict[str, str] | None:
        """The convention of its coordinates, if the model's name decides it."""
        return {"coordinates": self._asked_for.convention} if self.coordinates == AUTO else None

    @property
    def _asked_for(self) -> Coordinates:
        chosen = convention_of(self.server.model) if self.coordinates == AUTO else self.coordinates
        return Coordinates(chosen, max_side=self.server.max_side) if chosen == PIXELS else Coordinates(chosen)

    @property
    def name(self) -> str:
        return f"server-vlm:{self.server.model.rstrip('/').rsplit('/', 1)[-1]}"

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        """Return one Answer for each candidate, in order.

        A candidate that the server cannot answer is rejected as "server_error".

        Raises:
            SafetyPairsError: See ChatServer.ask.
        """
        replies = self.server.ask([self._body(candidate) for candidate in batch])
        return [self._answer(candidate, reply) for candidate, reply in zip(batch, replies, strict=True)]

    def _body(self, candidate: Candidate) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "messages": [
                self.server.user_message(candidate.unsafe, question(candidate, self.taxonomy, self._asked_for))
            ],
            "temperature": self.temperature,
            self.server.limit_field: self.max_answer_tokens,
            # 31 bits, because some servers store a seed in a C int.
            "seed": (self.server.seed + derived_seed(candidate.source_id, "instruct", candidate.round)) % 2**31,
        }
        if self.schema:
            form = {"name": "edit", "strict": True, "schema": schema(self._asked_for)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def _answer(self, candidate: Candidate, reply: Reply) -> Answer:
        if reply.problem:
            failed = reply.problem in FAILURES
            detail = "the server gave no answer to this image" if failed else "the server refused"
            outcome = Reject(
                "instruct", "server_error" if failed else "refused", f"{detail}: {' '.join(reply.raw.split())[:160]}"
            )
            return Answer(outcome, reply.raw, reply.prompt_tokens, reply.answer_tokens)
        height, width = candidate.unsafe.pixels.shape[:2]
        outcome_of = parse(reply.text, width, height, candidate.category, self.taxonomy, self._asked_for)
        return Answer(outcome_of, reply.raw, reply.prompt_tokens, reply.answer_tokens)
