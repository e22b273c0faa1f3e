"""The probability that an answer continues with one of two words, each of one token or more.

The model gets the prompt and the text that it would write before its verdict, and each token of a word is read at its
own position: P(word) = the product of P(token | all tokens before it). Nothing is generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards.verdicts import likeliest, weigh
from safetypairs_hf.models.chat import Chat

if TYPE_CHECKING:
    import torch


class Words(NamedTuple):
    """Token ids of an answer: `forced`, then either `unsafe` or `safe`, whose first tokens differ."""

    forced: tuple[int, ...]
    unsafe: tuple[int, ...]
    safe: tuple[int, ...]


def find(tokenizer: Any, before: str, unsafe: str, safe: str) -> Words:
    """Return the tokens of both words after a text.

    The tokens at the start that both words share are forced, so a tokenizer may merge the end of the text with the
    start of a word.

    Args:
        tokenizer: A transformers tokenizer.
        before: The text that the answer starts with.
        unsafe: The word of an unsafe verdict.
        safe: The word of a safe verdict.

    Raises:
        SafetyPairsError: The tokenizer cannot tell the words apart.
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
    """Return P(unsafe) = P(unsafe word) / (P(unsafe word) + P(safe word)) for each row.

    It takes one forward pass, and a second one if both words of a row have several tokens. `raw` has the five likeliest
    first tokens.

    Args:
        chat: The model.
        inputs: The prompts, on the model's device.
        rows: The words of each prompt.
        least_mass: See `verdicts.weigh`.
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


class Several(NamedTuple):
    """Token ids of an answer: `forced`, then one of `words`. None of the words is a prefix of another."""

    forced: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]


def find_all(tokenizer: Any, before: str, words: Sequence[str]) -> Several:
    """Return the tokens of several words after a text. See `find`.

    If a word is a prefix of another, each is taken with the line break that follows it.

    Raises:
        SafetyPairsError: The tokenizer cannot tell the words apart.
    """
    for end in ("", "\n"):
        every = [tokenizer.encode(before + word + end, add_special_tokens=False) for word in words]
        same = 0
        while all(len(ids) > same and ids[same] == every[0][same] for ids in every):
            same += 1
        found = [tuple(ids[same:]) for ids in every]
        if not any(a == b[: len(a)] for k, a in enumerate(found) for n, b in enumerate(found) if k != n):
            return Several(tuple(every[0][:same]), tuple(found))
    raise SafetyPairsError(f"the tokenizer cannot tell {', '.join(words)} apart; it is not this guard's own")


def shares(chat: Chat, inputs: Any, rows: Sequence[Several]) -> list[tuple[list[float], str]]:
    """Return the probability of each word of each row, and the five likeliest first tokens.

    It takes one forward pass for each word.

    Args:
        chat: The model.
        inputs: The prompts, on the model's device.
        rows: The words of each prompt, the same number in each.
    """
    forced = [row.forced for row in rows]
    found: list[list[float]] = [[] for _ in rows]
    likely: list[str] = []
    for number in range(len(rows[0].words)):
        words = [row.words[number] for row in rows]
        tables = _log_probabilities(chat, inputs, forced, words)
        likely = likely or [_likeliest(chat, table[0]) for table in tables]
        for each, table, word in zip(found, tables, words, strict=True):
            each.append(_along(table, word).exp().item())
    return list(zip(found, likely, strict=True))


def followed(chat: Chat, inputs: Any, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Append tokens to each prompt; rows that get fewer tokens are padded on the left.

    Every tensor with one value for each token repeats the value of the prompt's last token, which is text.

    Args:
        chat: The model.
        inputs: The prompts.
        rows: The ids to append to each prompt.

    Returns:
        The inputs with the longer rows.
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
    """Return for each row the log probabilities at the positions of its word: (tokens of the word, vocabulary)."""
    import torch

    added = [[*before, *word[:-1]] for before, word in zip(forced, words, strict=True)]
    fed = followed(chat, inputs, added) if any(added) else inputs
    with torch.inference_mode():
        logits = chat.model(**fed, logits_to_keep=max(map(len, words)), use_cache=False).logits
    return [row[-len(word) :].double().log_softmax(dim=-1) for row, word in zip(logits, words, strict=True)]


def _along(table: torch.Tensor, word: Sequence[int]) -> torch.Tensor:
    """Return the log probability of a whole word."""
    return table[range(len(word)), list(word)].sum()


def _likeliest(chat: Chat, first: torch.Tensor) -> str:
    top = first.exp().topk(min(5, len(first)))
    tokens = chat.processor.tokenizer.convert_ids_to_tokens(top.indices.tolist())
    return likeliest(zip(tokens, top.values.tolist(), strict=True))
