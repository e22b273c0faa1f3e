"""Find the commit of a revision of a Hub dataset, and open the dataset at it with `datasets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import HubUnavailable, RecipeError
from safetypairs_hf.core.hub import dataset_info, explained, is_unknown_revision, retried

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo


def look_up(dataset: str, revision: str) -> tuple[str, DatasetInfo]:
    """Return the current commit of a revision, and the Hub's description of the dataset at it.

    Raises:
        RecipeError: There is no such revision.
        HubUnavailable: The network is down, or the dataset does not exist or refuses access.
    """
    try:
        info = dataset_info(dataset, revision=revision)
    except HubUnavailable as error:
        if not is_unknown_revision(error):
            raise
        raise RecipeError(f"{dataset} has no revision {revision!r}; give a branch or a tag") from None
    if info.sha is None:
        raise HubUnavailable(f"the Hub names no commit of {dataset} at {revision}; try again later")
    return info.sha, info


def open_builder(dataset: str, config: str | None, commit: str) -> Any:
    """Return the builder of `datasets` for a dataset at a commit. It leaves images encoded as the files hold them.

    Raises:
        HubUnavailable: The network is down, or the dataset does not exist or refuses access.
        Exception: Any other exception that `datasets` raises for the content of the dataset.
    """
    from datasets import load_dataset_builder

    with explained(dataset):
        builder = retried(lambda: load_dataset_builder(dataset, config, revision=commit))
    # If the Hub becomes unreachable meanwhile, `datasets` uses what it prepared last, of any version.
    if builder.hash != commit:
        raise HubUnavailable(f"{dataset} can't be had at commit {commit} now; check the network, try again")
    if hasattr(builder.config, "decode_num_threads"):
        builder.config.decode_num_threads = 0  # decoding ahead would lose the original file
    return builder


def stream(builder: Any, split: str) -> Any:
    """Return a split of an opened dataset as a stream with features."""
    data = builder.as_streaming_dataset(split)
    return data if data.features else data._resolve_features()
