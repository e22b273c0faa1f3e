"""An instructor behind any OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from safetypairs_hf.core.ids import derived_seed
from safetypairs_hf.core.records import Answer, Candidate, Reject
from safetypairs_hf.instructors.parse import parse
from safetypairs_hf.instructors.prompt import SCHEMA, question
from safetypairs_hf.models.chat_server import ChatServer, Reply
from safetypairs_hf.models.outage import FAILURES
from safetypairs_hf.taxonomy.binding import AsksByTaxonomy
from safetypairs_hf.taxonomy.categories import Taxonomy


@dataclass(frozen=True)
class ServerInstructor(AsksByTaxonomy):
    """Asks the server's model for each candidate's edit, as JSON by schema.

    Args:
        server: where, and which model.
        revision: what the server runs, as far as you know it; goes into the rows.
        temperature: 0 is greedy.
        max_answer_tokens: where an answer is cut off.
        schema: send `response_format`, by which servers keep the answer to the schema; False for one that refuses it.
        prompt_price, answer_price: what a million tokens cost, in any one currency, for the sum in `status`; 0 where
            they cost nothing.
    """

    server: ChatServer
    revision: str = "served"
    temperature: float = 0.0
    max_answer_tokens: int = 512
    schema: bool = True
    prompt_price: float = 0.0
    answer_price: float = 0.0
    holds_model: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return f"server-vlm:{self.server.model.rstrip('/').rsplit('/', 1)[-1]}"

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        """One Answer a candidate, in order. A candidate that the server cannot answer is rejected as "server_error".

        Raises:
            SafetyPairsError: see ChatServer.ask.
        """
        replies = self.server.ask([self._body(candidate) for candidate in batch])
        return [_answer(candidate, reply, self.taxonomy) for candidate, reply in zip(batch, replies, strict=True)]

    def _body(self, candidate: Candidate) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "messages": [self.server.user_message(candidate.unsafe, question(candidate, self.taxonomy))],
            "temperature": self.temperature,
            self.server.limit_field: self.max_answer_tokens,
            # 31 bits: some servers keep a seed in a C int.
            "seed": (self.server.seed + derived_seed(candidate.source_id, "instruct", candidate.round)) % 2**31,
        }
        if self.schema:
            form = {"name": "edit", "strict": True, "schema": SCHEMA}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body


def _answer(candidate: Candidate, reply: Reply, taxonomy: Taxonomy) -> Answer:
    if reply.problem:
        failed = reply.problem in FAILURES
        detail = "the server gave no answer to this image" if failed else "the server refused"
        outcome = Reject(
            "instruct", "server_error" if failed else "refused", f"{detail}: {' '.join(reply.raw.split())[:160]}"
        )
        return Answer(outcome, reply.raw, reply.prompt_tokens, reply.answer_tokens)
    height, width = candidate.unsafe.pixels.shape[:2]
    outcome_of = parse(reply.text, width, height, candidate.category, taxonomy)
    return Answer(outcome_of, reply.raw, reply.prompt_tokens, reply.answer_tokens)
