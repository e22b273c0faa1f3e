"""Show the pairs of a dataset. For a gated dataset, visitors see what their own Hub account may read."""

import functools
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

# A Space is built with requirements.txt alone, so this package is unpacked when the Space starts.
for wheel in Path(__file__).parent.glob("safetypairs_hf-*.whl"):
    unpacked = tempfile.mkdtemp()
    zipfile.ZipFile(wheel).extractall(unpacked)
    sys.path.insert(0, unpacked)

from safetypairs_hf import load, show  # noqa: E402
from safetypairs_hf.core.errors import SafetyPairsError  # noqa: E402
from safetypairs_hf.core.hub import explained  # noqa: E402
from safetypairs_hf.core.target_name import parse_target_name  # noqa: E402
from safetypairs_hf.spaces.space_page import fault_html, results, serve  # noqa: E402

TITLE = "Pairs"
DATA = "safetypairs"  # TARGET[@VERSION], such as "org/name@1.2.0"; "safetypairs" is the set that the package carries
ALL = "all categories"


@functools.lru_cache(maxsize=8)
def pairs(split: str, token: str | None) -> Any:
    return load(DATA, split=split, token=token or False)


def rows(split: str, token: str | None) -> Any:
    """Return a split. The Hub is asked each time whether the token may read it, because access can be withdrawn."""
    name = parse_target_name(DATA)
    if not name.is_folder:
        from huggingface_hub import auth_check

        with explained(name.place):
            auth_check(name.place, repo_type="dataset", token=token or False)
    return pairs(split, token)


def pair(split: str, category: str, number: float | None, token: str | None = None) -> str:
    """Return a pair as HTML, with its unsafe member blurred until the visitor shows it, or an error of one line."""
    try:
        held = rows(split, token)
        feature = held.features["category"]
        names = [feature.int2str(each) if hasattr(feature, "int2str") else each for each in held["category"]]
        at = [place for place, name in enumerate(names) if category in (ALL, name)]
        if not at:
            there = ", ".join(sorted(set(names)))
            return fault_html(f"no pair of the split {split} has category {category!r}; there are: {there}")
        if number is None or number != int(number) or not 1 <= number <= len(at):
            return fault_html(f"pair {number}: expected a whole number from 1 to {len(at)}")
        place = at[int(number) - 1]
        counted = f"<p>{int(number):,} of {len(at):,}, category {names[place]}</p>"
        return results(counted + show(held[place])._repr_html_())
    except SafetyPairsError as error:
        return fault_html(error)


def categories(token: str | None = None) -> list[str]:
    """Return the choices of categories; only ALL if the data cannot be read."""
    try:
        feature = rows("test", token).features["category"]
    except SafetyPairsError:
        return [ALL]
    return [ALL, *getattr(feature, "names", [])]


def main() -> None:
    import gradio as gr

    def token_of(visitor: gr.OAuthToken | None) -> str | None:
        # The secret is meant for private Spaces: everyone who sees the Space sees what the secret may read.
        return visitor.token if visitor else os.environ.get("HF_TOKEN")

    def shown_pair(split: str, category: str, number: float | None, visitor: gr.OAuthToken | None) -> str:
        return pair(split, category, number, token_of(visitor))

    def choices(visitor: gr.OAuthToken | None) -> Any:
        return gr.Dropdown(choices=categories(token_of(visitor)))

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}\n`{DATA}`. Both images of a pair are the same but for one critical feature.")
        if os.environ.get("OAUTH_CLIENT_ID"):  # a Space whose README has hf_oauth: true
            gr.LoginButton()
        with gr.Row():
            split = gr.Dropdown(["test", "train"], value="test", label="Split", min_width=100)
            category = gr.Dropdown([ALL], value=ALL, label="Category", min_width=200)
            number = gr.Number(1, label="Pair", precision=0, minimum=1, step=1, min_width=100)
        with gr.Row():
            before, after = gr.Button("Previous", min_width=100), gr.Button("Next", variant="primary", min_width=100)
        shown = gr.HTML()
        inputs = [split, category, number]
        page.load(choices, None, category, api_name=False)
        page.load(shown_pair, inputs, shown, api_name="pair")
        # The HTML is emptied before each pair. If it were only changed, a ticked "show the unsafe member" would stay.
        number.change(lambda: "", None, shown, api_name=False).then(shown_pair, inputs, shown, api_name=False)
        for chosen in (split, category):
            first = chosen.input(lambda: (1, ""), None, [number, shown], api_name=False)
            first.then(shown_pair, inputs, shown, api_name=False)
        before.click(lambda at: max(1, (at or 1) - 1), number, number, api_name=False)
        after.click(lambda at: (at or 0) + 1, number, number, api_name=False)
    serve(page)


if __name__ == "__main__":
    main()
