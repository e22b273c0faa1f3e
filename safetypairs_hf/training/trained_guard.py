"""The result of `train`: a model folder, its figures, and the upload to the Hub."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from safetypairs_hf.metric.score import PairScore

# The head's scores of training images whose family was held out of the fit, in the form that `score` reads.
PREDICTIONS: Final = "train_predictions.csv"


@dataclass(frozen=True)
class Trained:
    """A trained guard.

    Attributes:
        folder: Its folder.
        data: The training data, "TARGET@X.Y.Z".
        held_out: The figures on its training pairs, each judged by a head fitted without the pair's family; None for
            LoRA, which has no such heads.
        leaks: What was removed from the training data; see `unleaked`.
        threshold: The best threshold on the training pairs.
        guard: The name under which `evaluate` runs it.
    """

    folder: str
    method: str
    data: str
    pairs: int
    families: int
    categories: tuple[str, ...]
    leaks: list[dict[str, Any]]
    settings: dict[str, Any]
    threshold: float | None
    held_out: PairScore | None

    @property
    def guard(self) -> str:
        return "head" if self.method == "head" else "chat-vlm"

    def __str__(self) -> str:
        lines = [
            f"{self.folder}: {self.method} of {self.settings['model']} on {self.pairs:,} pairs of {self.families:,} "
            f"families of {self.data}"
        ]
        run = f"safetypairs evaluate {self.guard} --set model={self.folder} --data {self.data} --out test.parquet"
        if self.held_out:
            low, high = self.held_out.pair_accuracy_ci
            lines.append(
                f"Pair accuracy on families that were held out of the fit: {self.held_out.pair_accuracy:.4f} "
                f"[{low:.4f}, {high:.4f}] at 0.5"
            )
        lines += ["On the test split:", f"  {run}"]
        if self.held_out:
            lines.append(f"  safetypairs score test.parquet --threshold-from {self.folder}/{PREDICTIONS}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        plain = asdict(self) | {"held_out": self.held_out.to_dict() if self.held_out else None}
        return plain | {"categories": list(self.categories), "guard": self.guard}

    def push_to_hub(self, repo: str, *, private: bool = True) -> str:
        """Upload the folder as a model to the Hub in one commit, and return its address.

        Args:
            repo: `org/name`; it is created if it does not exist.
            private: Whether a new repo is private.

        Raises:
            HubUnavailable: The Hub did not answer, or refused the token.
        """
        from huggingface_hub import HfApi

        from safetypairs_hf.core.hub import explained

        api = HfApi()
        with explained(repo, api.endpoint, "model"):
            api.create_repo(repo, repo_type="model", private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=repo,
                repo_type="model",
                folder_path=self.folder,
                commit_message=f"A guard trained on {self.data}",
            )
        return str(done.commit_url)
