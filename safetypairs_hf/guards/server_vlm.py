"""Any vision-language model behind an OpenAI-compatible server, asked the policy question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from safetypairs_hf.guards import yes_no
from safetypairs_hf.models.chat_server import ChatServer, Reply, user_message
from safetypairs_hf.records import Box, Picture, Verdict


@dataclass(frozen=True)
class ServerVLM:
    """P(unsafe) from the log probabilities of the answer's first word; 1 or 0 by the word where a server gives none.

    Args:
        server: where, and which model.
        revision: what the server runs, as far as you know it.
        least_mass: below this much probability on yes and no together it abstains with "no_verdict".
        log_probabilities: ask for them; False for a server that refuses the request then.
        family: judges that share weights or training share one.
    """

    server: ChatServer
    revision: str = "served"
    least_mass: float = yes_no.LEAST_MASS
    log_probabilities: bool = True
    family: str = "chat-vlm"
    holds_model: ClassVar[bool] = False
    fidelity: ClassVar[str] = "common"

    @property
    def name(self) -> str:
        return f"server-vlm:{self.server.model.rstrip('/').rsplit('/', 1)[-1]}"

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """One Verdict an image, in order; regions are not used. Abstains with "refused" or "server_error".

        Raises:
            SafetyPairsError: see ChatServer.ask.
        """
        replies = self.server.ask([self._body(*each) for each in zip(images, categories, strict=True)])
        return [self._verdict(reply) for reply in replies]

    def _body(self, image: Picture, category: str) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "messages": [user_message(image, yes_no.question(category))],
            "temperature": 0.0,
            self.server.limit_field: 4,  # room for a line break or a space before the word
        }
        return body | ({"logprobs": True, "top_logprobs": 20} if self.log_probabilities else {})

    def _verdict(self, reply: Reply) -> Verdict:
        if reply.problem:
            return Verdict(None, reply.problem, reply.raw)
        first = next((token for token in reply.tokens if token.text.strip()), None)
        if first is None or not first.top:
            return yes_no.from_text(reply.text)
        return yes_no.from_log_probabilities(first.top, self.least_mass)
