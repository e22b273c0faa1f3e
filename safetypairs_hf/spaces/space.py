"""Make a folder that is ready to push to the Hub as a Space."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.core.errors import SafetyPairsError, counted
from safetypairs_hf.core.tables import text_html
from safetypairs_hf.core.target_name import parse_target_name
from safetypairs_hf.metric import metric_path
from safetypairs_hf.spaces.own_wheel import dependencies, write_wheel
from safetypairs_hf.training.new_folder import new_folder, refuse_existing

GRADIO: Final = "6.31.0"  # the version that the Spaces are tested with
KINDS: Final = ("metric", "leaderboard", "viewer")
_APPS = Path(__file__).parent / "apps"
_TITLES = {"metric": "Pair-consistent accuracy", "leaderboard": "Guards by pair accuracy", "viewer": "Pairs"}
_TAGS = {
    "metric": ["evaluate", "metric"],
    "leaderboard": ["leaderboard", "image-safety"],
    "viewer": ["dataset-viewer", "image-safety"],
}
_EMOJI = {"metric": "⚖️", "leaderboard": "📊", "viewer": "🖼️"}
_ABOUT = {
    "leaderboard": """
# {title}

Guards by pair-consistent accuracy, with 95% intervals. It reads {where}: one file per guard, as
`safetypairs evaluate GUARD --out FILE.parquet` writes it, or any file that `safetypairs score` takes.
""",
    "viewer": """
# {title}

Pairs of `{where}`. Unsafe members are blurred until the visitor shows them.

Visitors sign in, and see a gated dataset if the Hub has granted their account access. Only in a **private** Space, a
secret `HF_TOKEN` can replace the sign-in: everyone who sees the Space then sees what that token may read.
""",
}
_EXAMPLE = """pair_id,reference,score,category
kettle-1,1,0.93,kitchen
kettle-1,0,0.08,kitchen
kettle-2,1,0.71,kitchen
kettle-2,0,0.64,kitchen
ladder-1,1,0.88,workshop
ladder-1,0,0.21,workshop
ladder-2,1,0.35,workshop
ladder-2,0,0.12,workshop
"""


@dataclass(frozen=True)
class MadeSpace:
    """The folder of a Space that was made.

    Attributes:
        kind: "metric", "leaderboard" or "viewer".
        folder: Its path.
        files: The files in it, by their names below the folder.
        bytes: Their total size in bytes.
    """

    kind: str
    folder: str
    files: tuple[str, ...]
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as plain values for JSON."""
        return asdict(self) | {"files": list(self.files)}

    def __str__(self) -> str:
        upload = f"hf upload ORG/NAME {self.folder} . --type space"
        return (
            f"a {self.kind} Space in {self.folder}: {counted(len(self.files), 'file')}, {self.bytes / 1e6:.1f} MB\n"
            f"push it:  hf repos create ORG/NAME --type space --sdk gradio\n          {upload}"
        )

    def _repr_html_(self) -> str:
        return text_html(str(self))


def space(
    kind: str,
    out: str | Path,
    *,
    predictions: Sequence[str | Path] = (),
    repo: str | None = None,
    data: str | None = None,
    title: str | None = None,
) -> MadeSpace:
    """Make a folder that is ready to push to the Hub as a Gradio Space. It contains this package as a wheel.

    Args:
        kind: "metric": visitors upload predictions, and `evaluate.load` loads the Space as a metric. "leaderboard":
            guards by pair accuracy. "viewer": pairs of a dataset, with the unsafe members blurred.
        out: The folder to make; it must not exist.
        predictions: Prediction files that a leaderboard starts with, as `score` takes them.
        repo: A dataset repo on the Hub whose prediction files a leaderboard reads instead.
        data: TARGET[@VERSION] on the Hub that a viewer shows; by default the set that the package carries.
        title: The title of the Space.

    Returns:
        The Space's kind, its folder, the names of its files and their size.

    Raises:
        SafetyPairsError: `out` exists, an option does not belong to the kind, or a name is invalid.
        PairError: A file is not a prediction file.
    """
    if kind not in KINDS:
        raise SafetyPairsError(f"no Space {kind!r}; there are: {', '.join(KINDS)}")
    refuse_existing(out)
    settings = _settings(kind, predictions, repo, data, title)
    with new_folder(out) as folder:
        write_wheel(folder, embedded=kind == "viewer" and "DATA" not in settings)
        if kind == "metric":
            shutil.copy(Path(metric_path()) / "pair_consistent_accuracy.py", folder)
            (folder / "example.csv").write_text(_EXAMPLE, encoding="utf-8")
        if kind == "leaderboard":
            _copy_predictions(predictions, folder / "predictions")
        (folder / "app.py").write_text(_app(kind, settings), encoding="utf-8")
        (folder / "requirements.txt").write_text(_requirements(), encoding="utf-8")
        (folder / "README.md").write_text(_readme(kind, settings), encoding="utf-8")
        # Without this file the Hub accepts files of more than 10 MB only through git.
        (folder / ".gitattributes").write_text("*.whl filter=lfs diff=lfs merge=lfs -text\n", encoding="utf-8")
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        size = sum((folder / name).stat().st_size for name in names)
    return MadeSpace(kind, str(out), tuple(names), size)


def _settings(
    kind: str, predictions: Sequence[str | Path], repo: str | None, data: str | None, title: str | None
) -> dict[str, str]:
    """Return the constants of the app, by name."""
    if kind != "leaderboard" and (predictions or repo):
        raise SafetyPairsError(f"a {kind} Space takes no predictions; those belong to a leaderboard")
    if kind != "viewer" and data:
        raise SafetyPairsError(f"a {kind} Space takes no data; that belongs to a viewer")
    if predictions and repo:
        raise SafetyPairsError("give a leaderboard files of predictions or a repo that has them, not both")
    settings = {} if kind == "metric" else {"TITLE": " ".join((title or _TITLES[kind]).split())}
    if kind == "metric" and title:
        raise SafetyPairsError("a metric Space has the name of the metric; give no title")
    if repo:
        if parse_target_name(repo).is_folder:
            raise SafetyPairsError(f"{repo!r} is a folder here; expected a dataset repo on the Hub: org/name")
        settings["REPO"] = parse_target_name(repo).place
    if data:
        name = parse_target_name(data)
        if name.is_folder and not name.is_embedded:
            raise SafetyPairsError(f"{data!r} is a folder here, which a Space cannot read; publish it: org/name@1.2.0")
        settings["DATA"] = str(name)
    return settings


def _copy_predictions(files: Sequence[str | Path], folder: Path) -> None:
    from safetypairs_hf.report.guard_files import read_guards

    folder.mkdir()
    read_guards(files)  # raises for a file without predictions now, instead of on the Hub
    for file in map(Path, files):
        if (folder / file.name).exists():
            raise SafetyPairsError(f"two files are called {file.name}; rename one")
        shutil.copy(file, folder)
    if not files:
        (folder / "README.md").write_text("Put prediction files here, one per guard.\n", encoding="utf-8")


def _app(kind: str, settings: Mapping[str, str]) -> str:
    """Return the app with its constants set."""
    lines = (_APPS / f"{kind}_app.py").read_text(encoding="utf-8").splitlines()
    for name, value in settings.items():
        at = next(number for number, line in enumerate(lines) if line.startswith(f"{name} = "))
        _, mark, comment = lines[at].partition("  #")
        lines[at] = f"{name} = {value!r}{mark}{comment}"
    return "\n".join(lines) + "\n"


def _requirements() -> str:
    """Return the packages that the Space installs in addition to Gradio, which needs Pillow below 13."""
    limits = {"pillow": ",<13"}
    return "".join(f"{line}{limits.get(line.split('>')[0].lower(), '')}\n" for line in dependencies())


def _readme(kind: str, settings: Mapping[str, str]) -> str:
    """Return the README, whose header tells the Hub how to run the Space."""
    import yaml

    title = settings.get("TITLE", _TITLES[kind])
    header: dict[str, Any] = {
        "title": title,
        "emoji": _EMOJI[kind],
        "colorFrom": "green",
        "colorTo": "blue",
        "sdk": "gradio",
        "sdk_version": GRADIO,
        "python_version": "3.11",
        "app_file": "app.py",
        "pinned": False,
        "license": "apache-2.0",
        "tags": _TAGS[kind],
    }
    if kind == "viewer":
        header |= {"hf_oauth": True, "hf_oauth_scopes": ["gated-repos"]}
    if kind == "metric":
        metric = (Path(metric_path()) / "README.md").read_text(encoding="utf-8")
        _, old, about = metric.split("---\n", 2)
        header["description"] = yaml.safe_load(old)["description"]
    else:
        where = (
            settings.get("REPO") or settings.get("DATA") or ("predictions/" if kind == "leaderboard" else "safetypairs")
        )
        about = _ABOUT[kind].format(title=title, where=where)
    return f"---\n{yaml.safe_dump(header, allow_unicode=True, sort_keys=False)}---\n{about}"
