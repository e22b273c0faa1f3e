"""How probable it is that an answer goes on with one of two words, where a word may be several tokens.

The model is fed what it would have written before its verdict, and every token of a word is read where it would stand:
P(word) = the product of P(token | all before it). Nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards.verdicts import weigh
from safetypairs_hf.models.chat import Chat

if TYPE_CHECKING:
    import torch


class Words(NamedTuple):
    """Token ids: `forced` come before the verdict, then either `unsafe` or `safe`, which differ in their first."""

    forced: tuple[int, ...]
    unsafe: tuple[int, ...]
    safe: tuple[int, ...]


def find(tokenizer: Any, before: str, unsafe: str, safe: str) -> Words:
    """The tokens of both words after the text `before`.

    What both begin with is forced, so that a tokenizer may join the end of `before` and the start of a word.

    Raises:
        SafetyPairsError: the tokenizer cannot tell the words apart.
    """
    both = [tokenizer.encode(before + word, add_special_tokens=False) for word in (unsafe, safe)]
    same = 0
    while same < min(map(len, both)) and both[0][same] == both[1][same]:
        same += 1
    bad, good = (tuple(ids[same:]) for ids in both)
    unknown = getattr(tokenizer, "unk_token_id", None)
    if not bad or not good or (unknown is not None and unknown in bad + good):
        raise SafetyPairsError(
            f"the tokenizer cannot tell {unsafe!r} from {safe!r} after {before[-20:]!r}; it is not this guard's own"
        )
    return Words(tuple(both[0][:same]), bad, good)


def verdicts(chat: Chat, inputs: Any, rows: Sequence[Words], least_mass: float) -> list[Verdict]:
    """P(unsafe) = P(unsafe word) / (P(unsafe word) + P(safe word)); `rows` has the Words of each row of `inputs`.

    One forward pass; a second one where both words of a row are several tokens. `raw` has the five likeliest first
    tokens.
    """
    ordered = [sorted((row.unsafe, row.safe), key=len, reverse=True) for row in rows]
    forced = [row.forced for row in rows]
    tables = _log_probabilities(chat, inputs, forced, [longer for longer, _ in ordered])
    found = [
        {longer: _along(table, longer), shorter: table[0, shorter[0]]}
        for table, (longer, shorter) in zip(tables, ordered, strict=True)
    ]
    if any(len(shorter) > 1 for _, shorter in ordered):
        others = _log_probabilities(chat, inputs, forced, [shorter for _, shorter in ordered])
        for each, table, (_, shorter) in zip(found, others, ordered, strict=True):
            each[shorter] = _along(table, shorter)
    return [
        weigh(each[row.unsafe].exp().item(), each[row.safe].exp().item(), least_mass, _likeliest(chat, table[0]))
        for each, row, table in zip(found, rows, tables, strict=True)
    ]


def followed(chat: Chat, inputs: Any, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
    """`inputs` with tokens after each prompt; shorter rows are padded further on the left.

    Whatever has a value a token goes on as it was at the prompt's last token, which is text.
    """
    import torch

    ids = inputs["input_ids"]
    longest, pad = max(map(len, rows)), chat.processor.tokenizer.pad_token_id
    made = dict(inputs)
    for name, tensor in inputs.items():
        if not hasattr(tensor, "dim") or tensor.dim() < 2 or tuple(tensor.shape[:2]) != tuple(ids.shape):
            continue
        grown = []
        for number, added in enumerate(rows):
            old = tensor[number]
            new = old[-1:].repeat(len(added), *[1] * (old.dim() - 1))
            if name == "input_ids":
                new = torch.tensor(list(added), dtype=old.dtype, device=old.device)
            empty = old.new_full((longest - len(added), *old.shape[1:]), pad if name == "input_ids" else 0)
            grown.append(torch.cat([empty, old, new]))
        made[name] = torch.stack(grown)
    return made


def _log_probabilities(
    chat: Chat, inputs: Any, forced: Sequence[Sequence[int]], words: Sequence[Sequence[int]]
) -> list[torch.Tensor]:
    """A row: (tokens of its word, vocabulary), of each next token where the word's tokens would stand."""
    import torch

    added = [[*before, *word[:-1]] for before, word in zip(forced, words, strict=True)]
    fed = followed(chat, inputs, added) if any(added) else inputs
    with torch.inference_mode():
        logits = chat.model(**fed, logits_to_keep=max(map(len, words)), use_cache=False).logits
    return [row[-len(word) :].double().log_softmax(dim=-1) for row, word in zip(logits, words, strict=True)]


def _along(table: torch.Tensor, word: Sequence[int]) -> torch.Tensor:
    """The log probability of a whole word."""
    return table[range(len(word)), list(word)].sum()


def _likeliest(chat: Chat, first: torch.Tensor) -> str:
    top = first.exp().topk(min(5, len(first)))
    tokens = chat.processor.tokenizer.convert_ids_to_tokens(top.indices.tolist())
    return " ".join(f"{token!r}:{share:.4f}" for token, share in zip(tokens, top.values.tolist(), strict=True))
