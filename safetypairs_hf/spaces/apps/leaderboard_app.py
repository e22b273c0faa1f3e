"""A leaderboard: guards by pair accuracy, with intervals, from the prediction files of this Space or of a dataset."""

import html
import sys
import tempfile
import zipfile
from pathlib import Path

# A Space is built with requirements.txt alone, so this package is unpacked when the Space starts.
for wheel in Path(__file__).parent.glob("safetypairs_hf-*.whl"):
    unpacked = tempfile.mkdtemp()
    zipfile.ZipFile(wheel).extractall(unpacked)
    sys.path.insert(0, unpacked)

from safetypairs_hf.core.errors import SafetyPairsError  # noqa: E402
from safetypairs_hf.core.hub import explained  # noqa: E402
from safetypairs_hf.metric.figures import Face, Figures, shown_in  # noqa: E402
from safetypairs_hf.metric.notebook import records_html  # noqa: E402
from safetypairs_hf.report.guard_files import read_guards, same_pairs  # noqa: E402
from safetypairs_hf.spaces.space_page import fault_html, results, serve  # noqa: E402

TITLE = "Guards by pair accuracy"
REPO = ""  # a dataset repo with prediction files, such as "org/results"; "" for those in predictions/
INTRODUCTION = """
A guard has a pair right only if it calls the unsafe image unsafe **and** the safe one safe. A coin gives 0.25; a
constant answer gives 0. Intervals are at 95%. Two guards are comparable if their signatures name the same pairs.
"""


def files() -> list[Path]:
    """Return the prediction files of the Space, or of the dataset repo in its newest commit."""
    folder = Path(__file__).parent / "predictions"
    if REPO:
        from huggingface_hub import snapshot_download

        with explained(REPO):
            folder = Path(snapshot_download(REPO, repo_type="dataset", ignore_patterns=["README.md", ".*"]))
    kinds = {".csv", ".json", ".jsonl", ".parquet"}
    return sorted(path for path in folder.rglob("*") if path.suffix in kinds and path.is_file())


def board() -> str:
    """Return the leaderboard as HTML. Files that are not prediction files are reported below it, one per line."""
    try:
        found = files()
    except SafetyPairsError as error:
        return fault_html(error)
    good, faults = [], []
    for path in found:
        try:
            read_guards([path])
            good.append(path)
        except SafetyPairsError as error:
            faults.append(fault_html(str(error).replace(str(path), path.name)))
    if not good:
        return "".join(faults) or fault_html("no file of predictions yet: add CSV, JSON or Parquet to predictions/")
    try:
        guards = read_guards(good)
    except SafetyPairsError as error:
        return fault_html(error)
    table = records_html("guard", {each.name: each.score for each in guards}, shown_in(Face.CATEGORIES, Figures))
    warning = "" if same_pairs(guards) else fault_html("The guards were not run on the same pairs: see the signatures.")
    signatures = "".join(
        f"<dt>{html.escape(each.name)}</dt><dd><code>{html.escape(each.score.signature)}</code></dd>" for each in guards
    )
    folded = f'<details class="signatures"><summary>Signatures</summary><dl>{signatures}</dl></details>'
    return warning + results(table) + folded + "".join(faults)


def main() -> None:
    import gradio as gr

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}\n{INTRODUCTION}")
        shown = gr.HTML()
        again = gr.Button("Read the files again")
        page.load(board, None, shown, api_name="board")
        again.click(board, None, shown, api_name=False)
    serve(page)


if __name__ == "__main__":
    main()
