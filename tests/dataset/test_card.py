"""The card: its figures, its YAML by the Hub's own reader, and that nothing in a recipe breaks it."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from builds import SQUARES, make_run
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt
from markdown_it.token import Token
from recipes.squares import Painter

from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import card, licenses, manifest, markdown
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish

NASTY = [
    "a | b | c",
    "---\nlicense: evil\n---",
    "{{ 7 * 7 }} {% raw %} {# no #}",
    "<script>alert(1)</script><!-- ",
    "```\n# Heading\n```",
    "`code` ``more`` ~~~",
    "[link](javascript:alert(1)) ![img](x) <http://x>",
    "**bold** _it_ __b__ ~~gone~~ $$x$$ \\(y\\)",
    "# Heading\n\n- item\n\n1. one\n\n> quote\n===",
    "&lt;b&gt; &amp; \" ' \\",
    "\x00\x1b[31m\u202e\u2028tab\there\r\nline",
    "x" * 10_000,
    "---",
    "",
    "@user #12 : - ? ! % * &anchor *alias !!python/object",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card")
    for version, pairs in (("1.0.0", 40), ("1.1.0", 60)):
        run = make_run(path / version, pairs=pairs)
        publish(run, parse_target(str(path / "pairs")), parse(version))
    return path / "pairs"


def readme(release: Manifest, name: str = "lab/pairs") -> str:
    return card.render(release, name)["README.md"]


def changed(release: Manifest, **values: Any) -> Manifest:
    """The same, with other values in its last release."""
    return dataclasses.replace(release, releases=[*release.releases[:-1], {**release.releases[-1], **values}])


def tokens(text: str) -> list[Token]:
    """What the card's Markdown is made of, inline parts too."""
    body = DatasetCard(text).text
    blocks = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(body)
    return [token for block in blocks for token in (block, *(block.children or []))]


def tables(text: str) -> list[list[list[str]]]:
    rows = (line[1:-1].split("|") if line.startswith("|") else None for line in text.split("\n"))
    found: list[list[list[str]]] = [[]]
    for row in rows:
        if row is None:
            found.append([])
        elif not set("".join(row)) <= set("-:"):
            found[-1].append([cell.strip("` ") for cell in row])
    return [table for table in found if table]


def table(text: str, first: str) -> list[list[str]]:
    return next(table[1:] for table in tables(text) if table[0][0] == first and len(table[0]) > 2)


def test_every_figure_is_the_manifests(release: Manifest) -> None:
    text = readme(release)
    totals = release.totals()
    counts = {row[0].split("`")[0]: [int(cell) for cell in row[2:]] for row in table(text, "category")}
    assert counts.pop("all") == [sum(t.pairs for t in totals[split].values()) for split in ("train", "test")]
    assert counts == {
        slug: [totals[split][slug].pairs if slug in totals[split] else 0 for split in ("train", "test")]
        for slug in counts
    }
    assert len(counts) == 9
    stages = release.releases[-1]["funnel"]
    assert [row[:3] for row in table(text, "stage")] == [[s["stage"], str(s["in"]), str(s["out"])] for s in stages]
    assert [row[:5] for row in table(text, "version")] == [
        ["1.1.0", "60", "20", "0", "0"],
        ["1.0.0", "40", "40", "0", "0"],
    ]
    assert "60 groups of near-duplicates" in text
    assert "at least **0.5**, the safe one below **0.5**" in text
    assert text.count("## ") == len(set(re.findall(r"^##+ .*", text, re.M)))


def test_the_yield_of_a_category_is_the_share_that_the_judges_let_pass(release: Manifest) -> None:
    found = next(each[1:] for each in tables(readme(release)) if each[0][-1] == "yield")
    stages = {stage["stage"]: stage["by_category"] for stage in release.releases[-1]["funnel"]}
    for slug, *left, share in found:
        expected = [stages[stage][slug]["out"] for stage in stages]
        assert left == [str(count) for count in expected]
        assert share == f"{100 * expected[3] / expected[0]:.0f}%"
    assert ["hate", "9", "9", "9", "8", "7", "89%"] in found


def test_the_hub_reads_its_yaml(release: Manifest) -> None:
    data = DatasetCard(readme(release)).data.to_dict()
    assert data["license"] == ["cc0-1.0"]
    assert data["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in data["configs"]][:3] == ["default", "by_category", "hate"]
    assert data["configs"][0]["default"] is True
    assert data["tags"][-2:] == ["optimized-parquet", "not-for-all-audiences"]
    kinds = {kind["type"] if isinstance(kind, dict) else kind for kind in data["extra_gated_fields"].values()}
    assert kinds == {"text", "select", "checkbox"}
    assert {"Name", "Affiliation", "Intended use"} <= data["extra_gated_fields"].keys()
    assert isinstance(data["extra_gated_prompt"], str)


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_nothing_in_a_recipe_breaks_the_card(release: Manifest, nasty: str) -> None:
    judging = release.releases[-1]["judging"]
    judge = {"class": nasty, "prompt": nasty, "holds_model": False}
    funnel = [{**stage, "rejected": {nasty: 3}} for stage in release.releases[-1]["funnel"]]
    evil = changed(
        release,
        **dict.fromkeys(("recipe", "recipe_hash", "code", "summary", "license", "attribution"), nasty),
        judging={**judging, "judges": [judge]},
        funnel=funnel,
    )
    text, tame = readme(evil), readme(release)
    # The first release keeps its licence, so the evil one's line is the only block more.
    blocks, expected = (shape(each) for each in (text, tame))
    at = expected.index("list_item_close") + 1
    item = ["list_item_open", "paragraph_open", "inline", "paragraph_close", "list_item_close"]
    assert blocks == expected[:at] + item + expected[at:]
    assert not [token for token in tokens(text) if "html" in token.type and token.content not in ("<code>", "</code>")]
    inline = ["link_open", "image", "strong_open", "em_open", "s_open"]
    assert [kinds(text).count(kind) for kind in inline] == [kinds(tame).count(kind) for kind in inline]
    assert text.count("|") == tame.count("|")
    assert "49 " not in text
    assert len(text) < len(tame) + 12_000
    data = DatasetCard(text).data.to_dict()
    assert {key: value for key, value in data.items() if "license" not in key and key != "configs"} == {
        key: value
        for key, value in DatasetCard(tame).data.to_dict().items()
        if "license" not in key and key != "configs"
    }
    assert data["license"] == ["cc0-1.0", "other"]
    assert re.fullmatch(r"[a-z0-9.-]+", data["license_name"])
    assert MarkdownIt("commonmark").render(card.render(evil, "lab/pairs")["CHANGELOG.md"]).count("<h2>") == 2


def kinds(text: str) -> list[str]:
    return [token.type for token in tokens(text)]


def shape(text: str) -> list[str]:
    return [token.type for token in tokens(text) if token.block]


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_what_others_wrote_is_shown_as_it_is(nasty: str) -> None:
    once = " ".join("".join(char if char.isprintable() else " " for char in nasty).split())
    expected = once if len(once) <= 300 else once[:299] + "…"
    for shown in (f"x {markdown.plain(nasty)} y", f"x {markdown.code(nasty)} y"):
        inline = MarkdownIt("commonmark", {"html": True}).enable("strikethrough").parse(shown)[1]
        seen = "".join(part.content for part in inline.children or [] if part.type != "html_inline")
        assert seen == f"x {expected} y"
        assert "|" not in shown


def test_a_folders_name_breaks_nothing(release: Manifest) -> None:
    text = readme(release, './we"ird`|<b>\n```\n# name')
    assert shape(text) == shape(readme(release, "./plain"))
    code = next(token.content for token in tokens(text) if token.type == "fence")
    compile(code, "card", "exec")


def test_the_code_of_the_card_runs(folder: Path, release: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    blocks = [token.content for token in tokens(readme(release, "./pairs")) if token.type == "fence"]
    load, score, cite = blocks
    room: dict[str, Any] = {"my_guard": lambda image: image.convert("RGB").resize((1, 1)).getpixel((0, 0))[0] / 255}
    exec(load, room)
    test = sum(entry.split == "test" for entry in release.entries)
    assert 0 < test < len(release.entries)
    assert room["ds"].num_rows == test
    exec(score, room)
    assert len(room["rows"]) == 2 * test
    assert cite.count("@") == 2
    assert re.search(r"^@misc\{pairs-v1\.1\.0,$", cite, re.M)


def test_the_card_of_a_hub_repo_pins_its_version(release: Manifest) -> None:
    text = readme(release)
    assert 'load_dataset("lab/pairs", split="test", revision="v1.1.0")' in text
    assert "howpublished = {https://huggingface.co/datasets/lab/pairs}" in text
    assert "revision" not in readme(release, "./pairs").split("## Score")[0]


def test_the_text_is_the_same_from_what_was_published(folder: Path, release: Manifest) -> None:
    again = manifest.load(manifest.dump(release))
    assert again is not None
    name = "./pairs"
    assert {path: (folder / path).read_text() for path in ("README.md", "CHANGELOG.md")} == card.render(again, name)


def test_reviews_and_takedowns_are_told_only_where_there_are_any(release: Manifest) -> None:
    text = readme(release)
    assert "Nobody has reviewed these pairs" in text
    assert "taken down;" not in text
    one, *rest = release.entries
    some = dataclasses.replace(release, entries=[one._replace(review="approved"), *rest], takedowns=[{"reason": "x"}])
    assert "People have reviewed 1 of the 60 pairs" in readme(some)
    assert "1 pair was taken down; `takedowns.json`" in readme(some)
    every = dataclasses.replace(release, entries=[entry._replace(review="approved") for entry in release.entries])
    assert "People have reviewed every pair" in readme(every)


@dataclasses.dataclass(frozen=True)
class LeveredPainter(Painter):
    """Has the settings of an editor with a pipeline, which each machine takes as it can."""

    attention: str = "auto"
    compile_blocks: bool = True
    machine: ClassVar[tuple[str, ...]] = ()

    @property
    def levers(self) -> tuple[str, ...]:
        return self.machine


def test_the_levers_that_were_on_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the rows say, and of each machine: the run grew on another one."""
    for pairs, levers in (("5", ("attention=_native_cudnn", "fp8=rows", "compile_blocks")), ("9", ())):
        monkeypatch.setattr(LeveredPainter, "machine", levers)
        loaded = load_recipe(SQUARES, {"pairs": pairs})
        grown = dataclasses.replace(loaded, recipe=dataclasses.replace(loaded.recipe, editor=LeveredPainter()))
        build(grown, str(tmp_path / "run"), workers=1)
    publish(open_run(str(tmp_path / "run")), parse_target(str(tmp_path / "pairs")), parse("1.0.0"))
    text = html.unescape((tmp_path / "pairs" / "README.md").read_text())
    on = "<code>painter 1; attention=_native_cudnn; fp8=rows; compile_blocks</code>"
    assert f"Where they ran, this was on: <code>painter 1</code>, {on}." in text
    assert "| `LeveredPainter` | attention = auto, compile_blocks = True, misses = 0.0, name = painter" in text


def test_a_version_without_a_test_split(release: Manifest) -> None:
    train = dataclasses.replace(release, entries=[entry for entry in release.entries if entry.split == "train"])
    text = readme(train)
    assert 'split="train"' in text
    assert "by_category" not in text
    assert [config["config_name"] for config in yaml.safe_load(text.split("---\n")[1])["configs"]][:2] == [
        "default",
        "hate",
    ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["CC-BY-4.0", "CC-BY-4.0"], {"license": ["cc-by-4.0"]}),
        (["CC BY 4.0", "MIT"], {"license": ["cc-by-4.0", "mit"]}),
        (["My own, v2"], {"license": ["other"], "license_name": "my-own-v2"}),
        (
            ["https://example.org/terms"],
            {
                "license": ["other"],
                "license_name": "https-example.org-terms",
                "license_link": "https://example.org/terms",
            },
        ),
    ],
)
def test_licences_are_the_hubs(texts: list[str], expected: dict[str, Any]) -> None:
    assert licenses.metadata(texts, "./pairs") == expected
    if expected["license"] == ["other"] and "license_link" not in expected:
        link = "https://huggingface.co/datasets/lab/pairs#licence-and-source"
        assert licenses.metadata(texts, "lab/pairs")["license_link"] == link
