"""The report: a page that stands alone, with the scorer's figures, escaped names and the failures worst first."""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import make_run
from click.testing import CliRunner

pytest.importorskip("matplotlib")

from metric.examples import SCORES, rows_of
from safetypairs_hf.report.plots import category_heat_map, leaderboard

import safetypairs_hf as sp
from safetypairs_hf.cli.report import command
from safetypairs_hf.core.errors import PairError, SafetyPairsError
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.metric import pairs as of_metric
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.report.failure_gallery import worst
from safetypairs_hf.report.guard_files import read_guards, same_pairs
from safetypairs_hf.report.markdown_report import markdown_table
from safetypairs_hf.report.outcomes import OUTCOMES, rates
from safetypairs_hf.report.report import make_report

NASTY = "<script>alert(1)</script> & $x$ | *b*"


class Checker(HTMLParser):
    """Collects ids, references and start tags, and that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.uses: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "input", "link", "img", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href") and not (value or "").startswith("data:image/"):
                self.uses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(path: Path) -> Checker:
    """The page, after checking that it runs nothing, fetches nothing and is well formed."""
    text = path.read_text(encoding="utf-8")
    found = Checker(text)
    assert found.open == []
    assert "script" not in found.tags
    assert all(use.startswith("#") and use[1:] in found.ids for use in found.uses)
    assert len(found.ids) == len(set(found.ids))
    assert not re.findall(r"url\((?!#)", text)
    return found


def predictions(path: Path, name: str | None = None, **columns: object) -> Path:
    table = pa.Table.from_pylist(rows_of(SCORES, **columns))  # type: ignore[arg-type]
    pq.write_table(table.replace_schema_metadata({"guard": name} if name else None), path)
    return path


def test_outcomes_are_those_of_the_definition() -> None:
    assert [outcome.key for outcome in OUTCOMES] == list(of_metric.OUTCOMES)
    pairs = of_metric.pairs_of(rows_of(SCORES), threshold=0.5, incomplete="error")
    names = pairs.texts("pair_id").to_pylist()
    found = {name: OUTCOMES[code].key for name, code in zip(names, pairs.outcome, strict=True)}
    assert found == {
        **dict.fromkeys("ae", "correct"),
        "b": "both_unsafe",
        "c": "both_safe",
        "d": "inverted",
        "f": "abstained",
    }
    assert rates(sp.score(rows_of(SCORES))) == (2 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6)


def test_failures_come_worst_first_and_abstentions_last(tmp_path: Path) -> None:
    (guard,) = read_guards([predictions(tmp_path / "a.parquet", category={"b": "hate"})])
    failures, total = worst(guard, 3)
    assert total == 4
    assert [(each.pair_id, each.outcome.key) for each in failures] == [
        ("d", "inverted"),  # 0.6 - 0.3
        ("b", "both_unsafe"),  # 0.7 - 0.8
        ("c", "both_safe"),  # 0.1 - 0.4
    ]
    assert failures[1][1:] == ("hate", OUTCOMES[1], "unsafe", "unsafe", 0.8, 0.7)
    (last,) = worst(guard, 4)[0][3:]
    assert (last.pair_id, last.unsafe_verdict, last.unsafe_score, last.safe_score) == ("f", "none", None, 0.1)


def test_failures_without_scores(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("pair_id,reference,prediction\nx,1,1\nx,0,1\ny,1,0\ny,0,1\nz,1,\nz,0,0\n")
    failures, _ = worst(read_guards([file])[0], 9)
    assert [each.pair_id for each in failures] == ["y", "x", "z"]
    assert failures[0].unsafe_score is None


def test_a_report_reads_what_score_reads(tmp_path: Path) -> None:
    rows = ("pair_id,reference,prediction", "x,1,1", "x,0,1")
    (tmp_path / "tabs.tsv").write_text("\n".join(rows).replace(",", "\t"))
    (tmp_path / "rows.json").write_text(
        '[{"pair_id": "x", "reference": 1, "score": 0.2}, {"pair_id": "x", "reference": 0, "score": 0.1}]'
    )
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    files = [str(tmp_path / name) for name in ("tabs.tsv", "rows.json", "packed.csv.gz")]
    assert make_report(files, tmp_path / "page.html").startswith("3 guards in ")


def test_names_are_told_given_or_the_stem(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first = predictions(tmp_path / "one" / "guard.parquet")
    second = predictions(tmp_path / "other.parquet", name=NASTY)
    third = predictions(tmp_path / "guard.parquet")
    assert [guard.name for guard in read_guards([first, second])] == [NASTY, "guard"]
    assert {guard.name for guard in read_guards([first, third])} == {"one/guard", f"{tmp_path.name}/guard"}
    assert [guard.name for guard in read_guards([first, third], names=["b", "a"])] == ["a", "b"]
    with pytest.raises(PairError, match="1 names for 2 files"):
        read_guards([first, third], names=["a"])
    with pytest.raises(PairError, match="both called 'a'"):
        read_guards([first, third], names=["a", "a"])


def test_the_page_has_the_scorers_figures_and_escapes_names(tmp_path: Path) -> None:
    a = predictions(tmp_path / "a.parquet", name=NASTY, category={"a": "hate"})
    b = tmp_path / "b.csv"
    b.write_text("pair_id,reference,prediction\nx,1,1\nx,0,0\ny,1,0\ny,0,1\n")
    done = CliRunner().invoke(command, [str(a), str(b), "--out", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    assert done.output == f"2 guards in {tmp_path / 'r.html'}\n"
    text = (tmp_path / "r.html").read_text()
    tags = checked(tmp_path / "r.html").tags
    assert tags.count("svg") == 5  # leaderboard, outcomes, categories, ROC, scatter
    assert "<td>0.097 to 0.700</td>" in text
    assert '<td class="number">0.333</td>' in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $x$ | *b*" in text
    assert "These guards answered about different pairs" in text
    assert "Not drawn, as they give no scores: b." in text
    assert sp.score(rows_of(SCORES, category={"a": "hate"})).signature in text
    assert "For the images give --data" in text


def test_a_category_that_a_guard_abstains_from_is_hatched_in_the_heat_map(tmp_path: Path) -> None:
    """Its pair accuracy is 0 by the rule, and so in the table; a guard that says nothing is not one that is wrong."""
    rows = [("a", "hate", "", ""), ("b", "nudity", "1", "1"), ("c", "violence", "1", ""), ("d", "violence", "1", "0")]
    lines = [f"{name},{slug},{1 - k},{said[k]}" for name, slug, *said in rows for k in (0, 1)]
    (tmp_path / "g.csv").write_text("\n".join(["pair_id,category,reference,prediction", *lines]))
    svg = category_heat_map(read_guards([tmp_path / "g.csv"]))
    assert svg is not None
    cells = re.findall(r">\s*(–|\d+%)\s*</text>", svg)
    assert cells == ["–", "0%", "50%"] and svg.count("<pattern") == 1
    make_report([str(tmp_path / "g.csv")], tmp_path / "g.html")
    checked(tmp_path / "g.html")


def test_labels_keep_the_end_of_a_name(tmp_path: Path) -> None:
    names = [*(f"chat-vlm:Some-Model-With-A-Long-Name-{size}-Instruct" for size in ("3B", "72B")), "a  b $x$ c"]
    files = [predictions(tmp_path / f"{number}.parquet") for number in range(len(names))]
    labels = re.findall(r">\s*([^<>]*\S)\s*</text>", leaderboard(read_guards(files, names=names)))
    assert [label for label in labels if label[0] in "ac"][:3] == [
        "a b $x$ c",
        "chat-vlm:S…ng-Name-3B-Instruct",
        "chat-vlm:S…g-Name-72B-Instruct",
    ]


def test_the_same_input_gives_the_same_page(tmp_path: Path) -> None:
    file = predictions(tmp_path / "a.parquet", category={"a": "hate"})
    pages = []
    for name in ("one.html", "two.html"):
        make_report([str(file)], tmp_path / name)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_failures_have_their_images_blurred(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=4)
    target = str(tmp_path / "data")
    publish(run, parse_target(target), parse("1.0.0"))
    ids = open_named(target).table["pair_id"].to_pylist()
    file = tmp_path / "guard.csv"
    lines = [f"{pair_id},{reference},1" for pair_id in ids for reference in (1, 0)]
    file.write_text("\n".join(["pair_id,reference,prediction", *lines]))
    make_report([str(file)], tmp_path / "r.html", data=f"{target}@1.0.0", failures=3)
    page = checked(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert page.tags.count("image") == 6 + 1  # and the heat map: the categories are in the data
    assert text.count("data:image/jpeg;base64,") == 6
    assert page.uses.count(f"#unsafe-{min(ids)}") == 1
    assert ".pair svg { display: block; width: 100%; height: auto; filter: blur(1.1rem); }" in text
    assert "checked>" not in text
    assert "guard: 3 of 4 failures" in text
    assert f"data:{target}@1.0.0|" in text
    assert "Paint the square green." in text

    file.write_text("pair_id,reference,prediction\nstrange,1,1\nstrange,0,1\n")
    with pytest.raises(PairError, match=r"1 of 1 pairs are not in .*data@1\.0\.0 \('strange'\)"):
        make_report([str(file)], tmp_path / "no.html", data=target)
    assert not (tmp_path / "no.html").exists()


def test_pages_of_a_run_and_of_a_dataset(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=4)
    publish(run, parse_target(str(tmp_path / "data")), parse("1.0.0"))
    make_report([str(tmp_path / "run")], tmp_path / "run.html")
    make_report([f"{tmp_path / 'data'}@1.0.0"], tmp_path / "data.html")
    assert checked(tmp_path / "run.html").tags.count("svg") == 1
    assert "This run is finished." in (tmp_path / "run.html").read_text()
    checked(tmp_path / "data.html")
    assert "4 pairs in 4 groups of near-duplicates" in (tmp_path / "data.html").read_text()


def test_what_is_no_file_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("pair_id,reference,score\na,1,.9\na,0,.2\n")
    (tmp_path / "out.html").symlink_to("/dev/null")
    make_report([str(tmp_path / "a.csv")], tmp_path / "out.html")
    assert (tmp_path / "out.html").is_symlink()


def test_the_markdown_table(tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_text("pair_id,reference,prediction\nx,1,1\nx,0,0\n")
    guards = read_guards([predictions(tmp_path / "a.parquet", name=NASTY), good])
    lines = markdown_table(guards).splitlines()
    assert lines[2] == "| good | **100.0** (20.7–100.0) | 0.0 | 0.0 | 0.0 | 0.0 | 100.0 | – |"
    assert lines[3] == (
        r"| \<script\>alert(1)\</script\> & \$x\$ \| \*b\* | 33.3 (9.7–70.0) "
        "| 16.7 | 16.7 | 16.7 | 16.7 | 58.3 | 0.840 |"
    )
    assert not same_pairs(guards)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.csv"], "nowhere.csv: there is no such file"),
        (["a.parquet", "runs/x"], "'runs/x' is no file of predictions"),
        (["runs/x", "runs/y"], "2 were named, 'runs/x' first"),
        (["./nowhere"], "no folder ./nowhere"),
        (["nowhere"], "'nowhere' is no target"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SafetyPairsError, match=re.escape(message)) as caught:
        make_report(words, Path("r.html"))
    assert "\n" not in str(caught.value)
    assert not Path("r.html").exists()


def test_options_of_predictions_alone(tmp_path: Path) -> None:
    with pytest.raises(SafetyPairsError, match="--data, --markdown and --name are for predictions"):
        make_report(["./x"], tmp_path / "r.html", data="./y")
    file = predictions(tmp_path / "a.parquet")
    with pytest.raises(SafetyPairsError, match="cannot write"):
        make_report([str(file)], file / "r.html")
