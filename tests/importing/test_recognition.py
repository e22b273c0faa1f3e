"""What is recognised of a source by its columns, and what the command says of it before it writes anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from own_pairs import files, lay
from PIL import Image

from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.importing.import_pairs import open_pairs
from safetypairs_hf.importing.open_source import open_source
from safetypairs_hf.importing.reading_plan import ReadingPlan, Said
from safetypairs_hf.importing.recognition import patterns, recognise

PICTURE = {"bytes": b"x", "path": None}


@pytest.mark.parametrize(
    ("rows", "said", "kind", "columns", "pattern"),
    [
        (
            [{"safe_image": PICTURE, "unsafe_image": PICTURE}],
            {},
            "pairs",
            {"unsafe": "unsafe_image", "safe": "safe_image"},
            "",
        ),
        ([{"Unsafe": "a.png", "Safe": "b.png"}], {}, "pairs", {"unsafe": "Unsafe", "safe": "Safe"}, ""),
        (
            [{"unsafe": PICTURE, "safe": PICTURE, "split": "dev", "edit_prompt": "x", "safe_caption": "y"}],
            {},
            "pairs",
            {
                "unsafe": "unsafe",
                "safe": "safe",
                "split": "split",
                "instruction": "edit_prompt",
                "caption_safe": "safe_caption",
            },
            "",
        ),
        (
            [{"before": PICTURE, "after": PICTURE}],
            {"columns": {"unsafe": "before", "safe": "after"}},
            "pairs",
            {"unsafe": "before", "safe": "after"},
            "",
        ),
        (
            [{"image": PICTURE, "pair_id": "1", "label": word} for word in ("safe", "unsafe")],
            {},
            "images",
            {"image": "image", "label": "label", "pair": "pair_id"},
            "",
        ),
        (
            [{"image": PICTURE, "image_path": f"a/{n}_{word}.png"} for n in "12" for word in ("safe", "Unsafe")],
            {},
            "images",
            {"image": "image", "pair": "image_path"},
            patterns({})[1],
        ),
        (
            [{"image": PICTURE, "file_name": f"{word}/{n}.jpg"} for n in "12" for word in ("safe", "unsafe")],
            {},
            "images",
            {"image": "image", "pair": "file_name"},
            patterns({})[0],
        ),
        (
            [{"images": PICTURE, "id": n, "twin": 1 - n, "risk": word} for n, word in enumerate(("No", "Yes"))],
            {"columns": {"partner": "twin"}, "labels": {"yes": "unsafe", "no": "safe"}},
            "images",
            {"image": "images", "id": "id", "partner": "twin", "label": "risk"},
            "",
        ),
    ],
)
def test_common_columns_are_recognised(
    rows: list[dict[str, Any]], said: dict[str, Any], kind: str, columns: dict[str, str], pattern: str
) -> None:
    plan = recognise(open_source(rows), Said(**said))
    assert (plan.kind, dict(plan.columns), plan.pair_pattern) == (kind, columns, pattern)


@pytest.mark.parametrize(
    ("paths", "labels", "pair"),
    [
        (["bad/1.jpg", "ok/1.png"], {"bad": "unsafe", "OK": "safe"}, "1"),
        (["a/Bad/1.jpg", "a/ok/1.png"], {"bad": "unsafe", "ok": "safe"}, "a/1"),
        (["1_bad.png", "1-ok.png"], {"bad": "unsafe", "ok": "safe"}, "1"),
        (["bad_1.png", "ok.1.png"], {"bad": "unsafe", "ok": "safe"}, "1"),
        (["1_not_ok.png", "1_ok.png"], {"not_ok": "unsafe", "ok": "safe"}, "1"),
        (["not_ok_1.png", "ok_1.png"], {"ok": "safe", "not_ok": "unsafe"}, "1"),
        (["c++/1.png", "safe/1.png"], {"c++": "unsafe"}, "1"),
        (["safe/1.png", "unsafe/1.png"], {"unsafe": "safe", "safe": "unsafe"}, "1"),
    ],
)
def test_the_words_of_a_label_map_are_recognised_in_paths(
    paths: list[str], labels: dict[str, str], pair: str, tmp_path: Path
) -> None:
    for path in paths:
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path).write_bytes(b"is not read")
    opened = open_pairs(tmp_path / "in", Said(labels=labels, category="O6"))
    (found,) = opened.pairs
    assert (found.name, [opened.rows.name(half.row) for half in (found.unsafe, found.safe)]) == (pair, paths)


def test_a_label_column_with_a_map_says_the_label_and_the_path_the_pair() -> None:
    rows = [{"image": PICTURE, "label": str(n % 2), "file_name": f"x{n // 2}_{1 - n % 2}.png"} for n in range(4)]
    plan = recognise(open_source(rows), Said(labels={"1": "unsafe", "0": "safe"}))
    assert (plan.columns["label"], plan.columns["pair"]) == ("label", "file_name")


def test_a_source_that_lists_all_safe_members_first_is_recognised() -> None:
    rows = [{"image": PICTURE, "file_name": f"{word}/{n}.png"} for word in ("safe", "unsafe") for n in range(250)]
    assert recognise(open_source(rows), Said()).pair_pattern == patterns({})[0]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (("bad/1.png", "ok/1.jpg", "ok/2.png"), "--label-map bad=unsafe,ok=safe, or the other way round$"),
        (("gun/a b/1.png", "gun/ok/1.png"), "--label-map 'a b=unsafe,ok=safe', or the other way round$"),
        (("bad/1.png", "ok/2.png"), "--label-map WORD=unsafe,WORD=safe; or name the column: --pair COLUMN"),
        (("bad/1.png", "ok/1.png", "more/1.png"), "--label-map WORD=unsafe,WORD=safe; or name the column"),
    ],
)
def test_two_folders_of_equal_names_are_named_with_the_option_to_type(paths: tuple[str, ...], said: str) -> None:
    rows = [{"image": PICTURE, "file_name": path} for path in paths]
    with pytest.raises(RecipeError, match=said):
        recognise(open_source(rows), Said())


def test_what_could_be_two_things_is_asked_for() -> None:
    rows = [dict.fromkeys(("unsafe_a", "safe_a", "unsafe_b", "safe_b"), PICTURE)]
    with pytest.raises(RecipeError, match=r"several columns could be the two members \(unsafe_a and safe_a, unsafe_b"):
        recognise(open_source(rows), Said())
    with pytest.raises(RecipeError, match=r"several columns hold images \(one, two\); say which: --image COLUMN"):
        recognise(open_source([{"one": PICTURE, "two": PICTURE}]), Said())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"column": {}}, r"layout x: there is no 'column'; the nearest is 'columns'"),
        ({"columns": {"imge": "a"}}, r"columns: there is no 'imge'; the nearest is 'image'"),
        ({"columns": "image"}, r"layout x: columns is 'image'; expected a mapping"),
        ({"labels": {"Yes": "bad"}}, r"labels: Yes: there is no 'bad'; there are unsafe, safe"),
        ({"split_map": {"dev": "validation"}}, r"split_map: dev: there is no 'validation'"),
        ({"pair_pattern": "(.+"}, r"the pair pattern '\(\.\+' is no regular expression"),
    ],
)
def test_a_wrong_word_of_a_layout_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Said.from_dict(values, "layout x")


def test_options_go_before_a_layout() -> None:
    layout = Said.from_dict({"kind": "images", "columns": {"image": "a", "label": "b"}, "license": "MIT"}, "layout x")
    said = Said(columns={"label": "c"}, category="O6").over(layout)
    assert said == Said(kind="images", columns={"image": "a", "label": "c"}, license="MIT", category="O6")
    assert said.plan("images", {"pair": "d"}) == ReadingPlan(
        "images", {"pair": "d", "image": "a", "label": "c"}, license="MIT", category="O6"
    )


def test_a_pattern_needs_a_group_for_the_pair_and_one_for_the_label() -> None:
    with pytest.raises(RecipeError, match="has 1 group in parentheses"):
        ReadingPlan("images", {"image": "a", "pair": "b"}, "(.+)_safe")


def test_paths_reach_into_columns(tmp_path: Path) -> None:
    import safetypairs_hf as sp

    picture = [dict(zip(("bytes", "path"), (data, None), strict=True)) for data in files(1)]
    rows = [{"images": [picture[0]], "meta": {"is": "Yes"}}, {"images": [picture[1]], "meta": {"is": "No"}}]
    import datasets

    image, text = datasets.Image(), datasets.Value("string")
    features = datasets.Features({"images": datasets.List(image), "meta": {"is": text}, "key": text})
    data = datasets.Dataset.from_list([{**each, "key": "k"} for each in rows], features=features)
    said = Said(
        columns={"image": "images[0]", "label": "meta.is", "pair": "key"}, labels={"yes": "unsafe", "no": "safe"}
    )
    for source in (data, tmp_path / "rows.parquet"):
        data.to_parquet(tmp_path / "rows.parquet")
        assert sp.import_pairs(source, tmp_path / f"run{source is data}", category="O6", said=said).pairs == 1


def run(*words: str) -> tuple[int, str]:
    command = group.get_command(None, words[0])  # type: ignore[arg-type]
    assert command is not None
    done = CliRunner().invoke(command, words[1:], catch_exceptions=False)
    return done.exit_code, done.output


def test_a_dry_run_shows_ten_pairs_and_writes_nothing_else(tmp_path: Path) -> None:
    lay(tmp_path / "mine", range(14))
    (tmp_path / "mine" / "safe" / "p000.png").unlink()
    sheet, out = tmp_path / "sheet.png", tmp_path / "run"
    words = [
        "import",
        str(tmp_path / "mine"),
        "--category",
        "O6",
        "--out",
        str(out),
        "--sheet",
        str(sheet),
        "--dry-run",
    ]
    code, text = run(*words)
    assert code == 0
    assert text.splitlines()[-2:] == [
        "left out: p000: missing_half (there is no safe member (unsafe/p000.png))",
        f"10 pairs are drawn in {sheet}; nothing was imported",
    ]
    assert "labels: unsafe (14), safe (13)" in text.splitlines()
    assert "licence: unknown" in text and "13 pairs; 1 left out" in text
    assert not out.exists()
    with Image.open(sheet) as drawn:
        blurred = drawn.convert("RGB")
    heads = [blurred.crop((x, 0, x + 100, 24)) for x in (12, 12 + 224)]
    inks = [tuple(darkest for darkest, _ in head.getextrema()) for head in heads]
    assert inks == [(209, 36, 47), (26, 127, 55)]  # unsafe in red, safe in green
    said = json.loads(run(*words, "--show-unsafe", "--json")[1])
    assert (said["pairs"], said["categories"], said["drawn"]) == (13, {"weapons_substances": 13}, 10)
    assert said["rejected"][0]["reason"] == "missing_half"
    with Image.open(sheet) as drawn:
        assert drawn.size == blurred.size and drawn.convert("RGB").tobytes() != blurred.tobytes()


def test_the_command_takes_what_the_function_takes(tmp_path: Path) -> None:
    for number in range(2):
        for word, data in zip(("bad", "good"), files(number), strict=True):
            (tmp_path / "in").mkdir(exist_ok=True)
            (tmp_path / "in" / f"{number}-{word}.png").write_bytes(data)
    words = [
        *("import", str(tmp_path / "in"), "--out", str(tmp_path / "run"), "--category", "O6", "--workers", "1"),
        *("--pair-pattern", "(.+)-(good|bad)", "--label-map", "bad=unsafe,good=safe", "--license", "MIT"),
        *("--direction", "safe_to_unsafe", "--generator", "klein"),
        *("--judge", "colour-and-clutter", "--judging", "record"),
    ]
    code, text = run(*words, "--json")
    said = json.loads(text)
    assert code == 0
    assert (said["pairs"], said["judged"], said["understood"]["license"]) == (2, 2, "MIT")
    assert said["understood"]["plan"]["labels"] == {"bad": "unsafe", "good": "safe"}
    assert said["understood"]["labels"] == {"bad": 2, "good": 2}
    lines = run(*words)[1].splitlines()
    assert "labels: bad is unsafe (2), good is safe (2)" in lines
    assert lines[-1].endswith("--version X.Y.Z")  # the run may be published by now


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--category", "O6"], "Missing option '--out'"),
        (["--out", "x", "--pair", "a", "--pair-from", "b"], "--pair and --pair-from are the same"),
        (["--out", "x", "--label-map", "bad"], "--label-map bad: expected VALUE=LABEL"),
        (["--out", "x", "--set", "model=x"], "--set model: give --judge GUARD, too"),
    ],
)
def test_wrong_usage_is_told(words: list[str], message: str, tmp_path: Path) -> None:
    code, text = run("import", str(tmp_path), *words)
    assert (code, message in text) == (2, True)
