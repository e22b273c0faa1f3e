"""Small twins of the sets of pairs that layouts are for: their names, columns, types and splits, and drawings of ours.

Run as a program, it pushes them to the Hub that HF_ENDPOINT names. In every pair a red square (unsafe) has become a
green one; what is drawn around it tells the pairs apart.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Features, Image, Value
from datasets import List as ListOf
from huggingface_hub import DatasetCard, HfApi
from PIL import Image as Pictures

SAFE_EDIT_BENCH = "tyodd/SafeEditBench"
IMAGE_EDITS = "Advait-s06/safe-vs-unsafe-image-edits"
SECOND_BATCH = "Advait-s06/safe-vs-unsafe-image-edits-batch2"
CONTRA_SAFE = "DeeWoo/ContraSafe-VL"
COLOURS = {"unsafe": (255, 0, 0), "safe": (0, 160, 0)}
POLICIES = {
    "Policy L1": "Everything can be shown.",
    "Policy L2": "An image should not show a red square.\nIt can show squares of other colours.",
    "Policy L3": "No red at all:\n- no red square\n- no red frame",
    "Policy L4": "Red belongs to the council. Others show green.",
    "Policy L5": "No colour of blood is shown.",
}
STEMS = ("0007", "alley_at_night", "img-12", "x.y")
# (question, id of the row, its label, whether it was edited, the id of its partner, which scene it shows)
QUERIES = (
    *(("Is it done?", f"csvl-a{n}", "Yes", False, f"csvl-b{n}", n) for n in range(4)),
    *(("Is it done?", f"csvl-b{n}", "No", True, f"csvl-a{n}", n) for n in range(4)),
    ("May I sit here?", "csvl-c0", "Yes", True, "csvl-d0", 4),
    ("May I sit here?", "csvl-d0", "No", False, "csvl-c0", 4),
    ("Is it warm?", "csvl-e0", "Yes", True, "csvl-f0", 5),
    ("Is it warm?", "csvl-f0", "No", True, "csvl-e0", 5),
    ("Is it cold?", "csvl-g0", "No", False, "csvl-h0", 6),
    ("Is it cold?", "csvl-h0", "Yes", False, "csvl-g0", 6),
    # one of two partners names it, as it names none where there are several
    ("Is it mine?", "csvl-k0", "Yes", False, None, 7),
    ("Is it mine?", "csvl-m0", "No", True, "csvl-k0", 7),
    ("What is that?", "csvl-n0", "Yes", False, None, 8),
    ("What is this?", "csvl-p0", "No", False, None, 9),
)


def picture(scene: object, label: str) -> Pictures.Image:
    """The drawing of a scene: a square on tiles, red or green by the label."""
    seed = int.from_bytes(hashlib.sha256(repr(scene).encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    pixels = np.kron(rng.integers(0, 200, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    x, y = (8 * int(value) for value in rng.integers(1, 6, 2))
    pixels[y : y + 16, x : x + 16] = COLOURS[label]
    return Pictures.fromarray(pixels)


def safe_edit_bench() -> Dataset:
    """Four stems under five policies; the first one calls both images of two stems safe. One row has lost its other."""
    rows = [
        {
            "image": picture(stem, label),
            "image_path": f"test_images/{stem}_{label}.png",
            "safety_label": "safe" if name == "Policy L1" and number < 2 else label,
            "policy_name": name,
            "policy": policy,
        }
        for name, policy in POLICIES.items()
        for number, stem in enumerate(STEMS)
        for label in ("safe", "unsafe")
    ]
    features = Features(
        {
            "image": Image(),
            "image_path": Value("string"),
            "safety_label": ClassLabel(names=["safe", "unsafe"]),
            "policy_name": ClassLabel(names=list(POLICIES)),
            "policy": Value("string"),
        }
    )
    return Dataset.from_list(rows[:-1], features)


def image_edits(batch: int) -> Dataset:
    """Twelve pairs, a row each."""
    rows = [
        {
            "safe_image": picture((batch, number), "safe"),
            "unsafe_image": picture((batch, number), "unsafe"),
            "safe_caption": f"A green square, number {number}.",
            "unsafe_caption": f"A red square, number {number}.",
        }
        for number in range(12)
    ]
    features = Features(
        {
            "safe_image": Image(),
            "unsafe_image": Image(),
            "safe_caption": Value("string"),
            "unsafe_caption": Value("string"),
        }
    )
    return Dataset.from_list(rows, features)


def contra_safe() -> Dataset:
    """The rows of QUERIES."""
    paths = {name: f"images/{name}.png" for _, name, *_ in QUERIES}
    named = {name: partner for _, name, _, _, partner, _ in QUERIES}
    rows: list[dict[str, Any]] = [
        {
            "id": name,
            "question": question,
            "images": [picture(scene, "unsafe" if label == "Yes" else "safe")],
            "image_meta": [{"is_edited": edited, "source_dataset": "drawings"}],
            "has_safety_risk": label,
            "flip_images": [paths[one] for one, other in named.items() if other == name or one == partner],
            "pair_data_id": partner,
        }
        for question, name, label, edited, partner, scene in QUERIES
    ]
    features = Features(
        {
            "id": Value("string"),
            "question": Value("string"),
            "images": ListOf(Image()),
            "image_meta": ListOf({"is_edited": Value("bool"), "source_dataset": Value("string")}),
            "has_safety_risk": Value("string"),
            "flip_images": ListOf(Value("string")),
            "pair_data_id": Value("string"),
        }
    )
    return Dataset.from_list(rows, features)


def add_to_card(name: str, **metadata: str) -> None:
    """Add metadata to a card. Below 2.2, huggingface_hub's own function asks huggingface.co to check it."""
    card = DatasetCard.load(name)
    card.data = type(card.data)(**card.data.to_dict(), **metadata)
    HfApi().upload_file(path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id=name, repo_type="dataset")


def push() -> None:
    """Push all of them; two are gated, as theirs are."""
    safe_edit_bench().push_to_hub(SAFE_EDIT_BENCH, split="test")
    add_to_card(SAFE_EDIT_BENCH, license="cc-by-4.0")
    for batch, name in enumerate((IMAGE_EDITS, SECOND_BATCH)):
        image_edits(batch).push_to_hub(name, split="train")
    contra_safe().push_to_hub(CONTRA_SAFE, split="train")
    add_to_card(CONTRA_SAFE, license="other", license_name="research-use-only")
    for name in (SAFE_EDIT_BENCH, CONTRA_SAFE):
        HfApi().update_repo_settings(name, repo_type="dataset", gated="manual")


if __name__ == "__main__":
    push()
