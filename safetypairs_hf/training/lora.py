"""Train a LoRA adapter of a chat model with `peft` to answer Yes or No to the policy, on batches of whole pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards.base import Question
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.models.loading import check_device, let_go, pick_device, revision_of
from safetypairs_hf.taxonomy.binding import bind
from safetypairs_hf.training.pair_batches import PairBatchSampler
from safetypairs_hf.training.pair_loss import pair_loss

if TYPE_CHECKING:
    from safetypairs_hf.evaluating.data import Data
    from safetypairs_hf.evaluating.judging import Progress


@dataclass(frozen=True)
class LoraTraining:
    """The settings of an adapter.

    Args:
        model: A folder or a Hub id of a chat model with image input.
        commit: The commit, for a Hub id.
        rank: The rank of the adapter's matrices.
        layers: The linear layers that get an adapter, in the form of peft: "all-linear", or the end of their names.
        epochs: How often each pair is used.
        batch_size: The number of images in a step; pairs stay whole.
        learning_rate: The constant learning rate of AdamW.
        mix: The share of the pairwise loss; see `pair_loss`.
        seed: The seed of the adapter's first weights and of the order of pairs.
        device: "auto" uses a GPU if there is one.
    """

    model: str
    commit: str | None = None
    rank: int = 8
    layers: str = "all-linear"
    epochs: int = 1
    batch_size: int = 8
    learning_rate: float = 1e-4
    mix: float = 0.5
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if min(self.rank, self.epochs) < 1 or not self.learning_rate > 0:
            given = f"rank is {self.rank}, epochs {self.epochs} and learning_rate {self.learning_rate}"
            raise SafetyPairsError(f"{given}; expected 1 or more, 1 or more, and more than 0")


def train_lora(
    data: Data, rows: Sequence[int], folder: Path, settings: LoraTraining, progress: Progress
) -> list[float]:
    """Write an adapter to an existing folder; `chat-vlm` runs it. `rows`: the images of `data` to train on.

    Returns:
        The loss of each step.

    Raises:
        SafetyPairsError: Peft is missing, there is no such model, or it has no linear layer of that name.
    """
    try:
        import peft
        import torch
    except ImportError as error:
        raise SafetyPairsError("LoRA needs peft and PyTorch; pip install 'safetypairs-hf[train]'") from error
    check_device(pick_device(settings.device))
    guard = bind(
        ChatVLM(settings.model, settings.commit, batch_size=settings.batch_size, device=settings.device), data.taxonomy
    )
    chat, (yes, no) = guard.loaded, guard.yes_and_no
    torch.manual_seed(settings.seed)
    config = peft.LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank, target_modules=settings.layers)
    try:
        model = peft.get_peft_model(chat.model, config).train()
    except ValueError as error:
        raise SafetyPairsError(f"{settings.model}: {' '.join(str(error).split())[:200]}") from error
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], settings.learning_rate)
    batches = PairBatchSampler([data.pair_ids[row] for row in rows], settings.batch_size, seed=settings.seed)
    losses: list[float] = []
    for epoch in range(settings.epochs):
        batches.set_epoch(epoch)
        for batch in batches:
            asked = [rows[place] for place in batch]
            questions = [Question(0, Picture(data.read(row)), data.images[row].category) for row in asked]
            inputs = chat.moved(guard.prepare(questions))
            logits = model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1].float()
            scores = logits[:, yes].logsumexp(1) - logits[:, no].logsumexp(1)
            unsafe = torch.tensor([data.references[row] for row in asked], device=scores.device)
            loss = pair_loss(scores, unsafe, settings.mix)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
            progress("steps", len(losses), settings.epochs * len(batches))
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # peft writes a card; ours has more information
    _name_base(folder, settings)
    let_go(guard.unbound, *guard.holds)
    return losses


def _name_base(folder: Path, settings: LoraTraining) -> None:
    """Write into the adapter's config which weights it belongs to; for a folder, by a hash of the files."""
    file = folder / "adapter_config.json"
    config: dict[str, Any] = json.loads(file.read_text("utf-8"))
    local = Path(settings.model).is_dir()
    config["base_model_name_or_path"] = str(Path(settings.model).resolve()) if local else settings.model
    config["revision"] = revision_of(settings.model, settings.commit)
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
