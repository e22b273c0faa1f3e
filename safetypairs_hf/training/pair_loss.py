"""Losses over the two members of a pair, which require a higher score for the unsafe one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetypairs_hf.core.errors import SafetyPairsError

if TYPE_CHECKING:
    from torch import Tensor


def pairwise_loss(unsafe: Tensor, safe: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the mean of log(1 + exp(-(unsafe - safe) / temperature)), small if unsafe members score higher.

    This is the logistic loss on the difference of two scores, as in RankNet (Burges et al., 2005). It does not
    determine a threshold; `pair_loss` adds cross-entropy, which does.

    Args:
        unsafe: (n,) scores of the unsafe members, as logits: any real numbers, higher is more unsafe.
        safe: (n,) scores of the safe members of the same pairs.
        temperature: The difference that counts as large, above 0, in units of the scores.

    Returns:
        A tensor without dimensions.

    Raises:
        SafetyPairsError: The shapes are not equal and one-dimensional, there are no pairs, or `temperature` is not
            above 0.
    """
    from torch.nn.functional import softplus

    if unsafe.shape != safe.shape or unsafe.dim() != 1 or not len(unsafe):
        raise SafetyPairsError(
            f"scores of shape {tuple(unsafe.shape)} and {tuple(safe.shape)}; expected (n,) twice, a pair each, n >= 1"
        )
    if not temperature > 0:
        raise SafetyPairsError(f"temperature is {temperature}; expected a number above 0")
    return softplus((safe - unsafe) / temperature).mean()


def pair_loss(scores: Tensor, labels: Tensor, mix: float = 0.5, temperature: float = 1.0) -> Tensor:
    """Return `mix` x pairwise loss + (1 - `mix`) x binary cross-entropy, for a batch of `PairBatchSampler`.

    Args:
        scores: (2n,) logits, higher is more unsafe; rows 2i and 2i + 1 are the members of one pair, in either order.
            For a model with one column per class, use `logits[:, 1] - logits[:, 0]`.
        labels: (2n,) 1 for the unsafe member and 0 for the safe one.
        mix: The share of the pairwise loss, in [0, 1]; 0 is plain cross-entropy.
        temperature: See `pairwise_loss`.

    Returns:
        A tensor without dimensions.

    Raises:
        SafetyPairsError: The shapes are invalid, two adjacent rows are not an unsafe and a safe member, or `mix` is
            outside its range.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    if scores.dim() != 1 or scores.shape != labels.shape or len(scores) % 2 or not len(scores):
        raise SafetyPairsError(
            f"scores of shape {tuple(scores.shape)} and labels of shape {tuple(labels.shape)}; expected (2n,) twice, "
            "the members of a pair side by side"
        )
    if not 0 <= mix <= 1:
        raise SafetyPairsError(f"mix is {mix}; expected a number in [0, 1]")
    told, both = labels.reshape(-1, 2).bool(), scores.reshape(-1, 2)
    same = torch.nonzero(told[:, 0] == told[:, 1]).flatten().tolist()
    if same:
        raise SafetyPairsError(
            f"rows {2 * same[0]} and {2 * same[0] + 1} of the batch have the same label, so they are not the members "
            "of a pair; batches come from PairBatchSampler"
        )
    ranked = pairwise_loss(both[told], both[~told], temperature)
    return mix * ranked + (1 - mix) * binary_cross_entropy_with_logits(scores, labels.to(scores.dtype))
