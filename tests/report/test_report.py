"""The report: pages that stand alone, with the scorer's figures and the failures worst first; the same as JSON."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import make_run
from click.testing import CliRunner
from metric.examples import SCORES, rows_of

import safetypairs_hf as sp
from safetypairs_hf.building.rounds import Step
from safetypairs_hf.building.run_reader import Attempt, judgements, read_state
from safetypairs_hf.cli.report import command
from safetypairs_hf.core.errors import PairError, SafetyPairsError
from safetypairs_hf.core.near_duplicates import TAKEN_DOWN
from safetypairs_hf.core.records import Reject
from safetypairs_hf.core.run_folder import FUNNEL
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.metric import calibration
from safetypairs_hf.metric import pairs as of_metric
from safetypairs_hf.metric.inference import wilson
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.report.failure_gallery import fitting, worst
from safetypairs_hf.report.guard_files import read_guards, same_pairs
from safetypairs_hf.report.markdown_report import markdown_table
from safetypairs_hf.report.outcomes import OUTCOMES, rates
from safetypairs_hf.report.page import label_of
from safetypairs_hf.report.pair_pictures import Pictured, Thumbnail, within_budget
from safetypairs_hf.report.pair_sample import groups_of, sample_of
from safetypairs_hf.report.report import report
from safetypairs_hf.report.run_page import reasons_of

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
        if tag not in ("meta", "input", "link", "img", "br", "wbr"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href") and not (value or "").startswith("data:image/"):
                self.uses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(path: Path) -> Checker:
    """The page, after checking that it runs its own script alone, fetches nothing and is well formed."""
    text = path.read_text(encoding="utf-8")
    found = Checker(text)
    assert found.open == []
    assert found.tags.count("script") == 1
    assert all(use.startswith("#") and use[1:] in found.ids for use in found.uses)
    assert len(found.ids) == len(set(found.ids))
    assert not re.findall(r"url\((?!#)", text)
    return found


def predictions(path: Path, name: str | None = None, **columns: object) -> Path:
    table = pa.Table.from_pylist(rows_of(SCORES, **columns))  # type: ignore[arg-type]
    pq.write_table(table.replace_schema_metadata({"guard": name} if name else None), path)
    return path


def make_page(what: str, out: Path) -> str:
    report([what], out)
    return out.read_text(encoding="utf-8")


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
    assert [(each.pair_id, each.outcome) for each in failures] == [
        ("d", "inverted"),  # 0.6 - 0.3
        ("b", "both_unsafe"),  # 0.7 - 0.8
        ("c", "both_safe"),  # 0.1 - 0.4
    ]
    assert failures[1][1:] == ("hate", "both_unsafe", "unsafe", "unsafe", 0.8, 0.7, "", "")
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
    assert len(report(files, tmp_path / "page.html")["guards"]) == 3


def test_names_are_told_given_or_the_stem(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first = predictions(tmp_path / "one" / "guard.parquet")
    second = predictions(tmp_path / "other.parquet", name=NASTY)
    third = predictions(tmp_path / "guard.parquet")
    assert [guard.name for guard in read_guards([first, second])] == [NASTY, "guard"]
    assert {guard.name for guard in read_guards([first, third])} == {"one/guard", f"{tmp_path.name}/guard"}
    assert [guard.name for guard in read_guards([first, third], names=["b", "a"])] == ["a", "b"]
    with pytest.raises(PairError, match="1 name for 2 files"):
        read_guards([first, third], names=["a"])
    with pytest.raises(PairError, match="both called 'a'"):
        read_guards([first, third], names=["a", "a"])


def test_several_files_of_one_guard_are_told_apart_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "strict").mkdir()
    files = [predictions(tmp_path / name, name="vlm") for name in ("a.parquet", "strict/a.parquet", "strict/b.parquet")]
    named = {guard.name: guard.path for guard in read_guards(files)}
    first, second, third = files
    assert named == {f"vlm ({tmp_path.name}/a)": first, "vlm (strict/a)": second, "vlm (strict/b)": third}
    assert [guard.name for guard in read_guards([second, third])] == ["vlm (a)", "vlm (b)"]
    assert {guard.name for guard in read_guards([first, second])} == {f"vlm ({tmp_path.name})", "vlm (strict)"}
    (tmp_path / "a.csv").write_text("pair_id,reference,prediction\nx,1,1\nx,0,0\n")
    untold = predictions(tmp_path / "a.parquet")
    assert {guard.name for guard in read_guards([untold, tmp_path / "a.csv"])} == {"a.parquet", "a.csv"}
    with pytest.raises(PairError, match=r"a\.parquet was named twice; name each file once"):
        read_guards([first, first])


def test_the_page_has_the_scorers_figures_and_escapes_names(tmp_path: Path) -> None:
    a = predictions(tmp_path / "a.parquet", name=NASTY, category={"a": "hate"})
    b = tmp_path / "b.csv"
    b.write_text("pair_id,reference,prediction\nx,1,1\nx,0,0\ny,1,0\ny,0,1\n")
    done = CliRunner().invoke(command, [str(a), str(b), "--out", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    assert done.output == f"2 guards in {tmp_path / 'r.html'}\n"
    text = (tmp_path / "r.html").read_text()
    checked(tmp_path / "r.html")
    assert re.search(r"<b>0.333</b> <span class=\"soft\">0.097 to 0.700</span>", text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $x$ | *b*" in text
    assert "These guards answered about different pairs" in text
    assert "Without scores: <bdi>b</bdi>." in text
    assert sp.score(rows_of(SCORES, category={"a": "hate"})).signature in text
    assert "for their images give --data" in text


def test_json_has_the_data_behind_the_page(tmp_path: Path) -> None:
    a = predictions(tmp_path / "a.parquet", category={"a": "hate"})
    (tmp_path / "b.csv").write_text("pair_id,reference,score\n" + "".join(f"{x},1,.9\n{x},0,.8\n" for x in "abcdef"))
    (tmp_path / "work").mkdir()
    done = CliRunner().invoke(command, [str(a), str(tmp_path / "b.csv"), "--json"])
    found = json.loads(done.stdout)
    first, second = found["guards"]
    score = sp.score(rows_of(SCORES, category={"a": "hate"}))
    assert first["score"] == json.loads(json.dumps(score.to_dict())) and first["failures"] == 4
    assert [first["outcomes"][outcome.key] for outcome in OUTCOMES] == list(rates(score))
    assert (first["roc"]["across"][0], first["roc"]["up"][-1]) == (0, 1)
    answers = [{"pair_id": x, "reference": r, "score": s} for x in "abcdef" for r, s in ((1, 0.9), (0, 0.8))]
    assert second["calibration"] == {
        **calibration(answers).to_dict(),
        "bins": second["calibration"]["bins"],
    }
    top = second["calibration"]["bins"][9]
    assert (top["unsafe_share"], top["unsafe_share_ci"]) == (1, list(wilson(1, 6)))
    assert second["scores"] == {"both_unsafe": [[0.8, 0.9]]}  # a point for the six pairs that lie there
    (pair,) = found["agreement"]
    assert (pair["both_correct"], pair["n_pairs"]) == (0, 6)
    (contest,) = found["differences"]
    assert contest["difference"] == pytest.approx(2 / 6) and contest["pairs"] == 6
    assert {each["pair_id"]: [said["guard"] for said in each["guards"]] for each in found["failures"]} == {
        **{pair_id: [0, 1] for pair_id in "bcdf"},
        **{pair_id: [1] for pair_id in "ae"},
    }
    nothing = CliRunner().invoke(command, [str(a)])
    assert nothing.exit_code == 2 and "nothing to write: give --out PAGE.html" in nothing.output


def test_a_category_that_a_guard_abstains_from_is_called_silent(tmp_path: Path) -> None:
    """Its pair accuracy is 0 by the rule, and so in the table; a guard that says nothing is not one that is wrong."""
    rows = [("a", "hate", "", ""), ("b", "nudity", "1", "1"), ("c", "violence", "1", ""), ("d", "violence", "1", "0")]
    lines = [f"{name},{slug},{1 - k},{said[k]}" for name, slug, *said in rows for k in (0, 1)]
    (tmp_path / "g.csv").write_text("\n".join(["pair_id,category,reference,prediction", *lines]))
    data = report([str(tmp_path / "g.csv")], tmp_path / "g.html")
    found = {each["category"]: each["guards"][0] for each in data["categories"]}
    assert {slug: (each["pair_accuracy"], each["silent"]) for slug, each in found.items()} == {
        "hate": (0, True),
        "nudity": (0, False),
        "violence": (0.5, False),
    }
    checked(tmp_path / "g.html")
    assert (tmp_path / "g.html").read_text().count("<span>silent</span>") == 1


def test_labels_keep_the_end_of_a_name() -> None:
    names = [
        *(f"chat-vlm:Some-Model-With-A-Long-Name-{size}-Instruct" for size in ("3B", "72B")),
        "a  b $x$ c",
        "x\x1by",
    ]
    assert [label_of(name) for name in names] == [
        "chat-vlm:So…-Long-Name-3B-Instruct",
        "chat-vlm:So…Long-Name-72B-Instruct",
        "a b $x$ c",
        "x\\x1by",
    ]


def test_the_same_input_gives_the_same_page(tmp_path: Path) -> None:
    file = predictions(tmp_path / "a.parquet", category={"a": "hate"})
    pages = []
    for name in ("one.html", "two.html"):
        report([str(file)], tmp_path / name)
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
    report([str(file)], tmp_path / "r.html", data=f"{target}@1.0.0", failures=3)
    page = checked(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert page.tags.count("img") == 6
    assert text.count('src="data:image/webp;base64,') == 6
    assert text.count('<label class="image hidden-image"><input type="checkbox" aria-label="Show unsafe image of') == 3
    assert f"unsafe image of pair {min(ids)}, blurred until you ask for it" in text
    assert "guard (4 in all)" in text
    assert f"data:{target}@1.0.0|" in text
    assert "Paint the square green." in text

    file.write_text("pair_id,reference,prediction\nstrange,1,1\nstrange,0,1\n")
    with pytest.raises(PairError, match=r"1 of 1 pair is not in .*data@1\.0\.0 \('strange'\)"):
        report([str(file)], tmp_path / "no.html", data=target)
    assert not (tmp_path / "no.html").exists()


def test_pages_of_a_run_and_of_a_dataset(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=12, misses=0.4, rounds=2, attempts=2)
    publish(run, parse_target(str(tmp_path / "data")), parse("1.0.0"))
    of_run = report([str(tmp_path / "run")], tmp_path / "run.html")
    of_data = report([f"{tmp_path / 'data'}@1.0.0"], tmp_path / "data.html")
    checked(tmp_path / "run.html")
    checked(tmp_path / "data.html")
    assert "This run is finished." in (tmp_path / "run.html").read_text()
    assert json.loads(json.dumps(of_run)) and json.loads(json.dumps(of_data))

    state = read_state(run)
    assert of_run["stages"] == state.funnel["stages"] and len(of_run["rounds"]) == 2
    counted = {(each["stage"], each["reason"]): each["count"] for each in of_run["reasons"]}
    expected: Counter[tuple[str, str]] = Counter()
    for stage in state.funnel["stages"]:
        if stage["stage"] != "select":
            for reason, count in stage["rejected"].items():
                expected[stage["stage"].split("-")[0], reason] += count
    assert counted == expected and ("judge", "still_unsafe") in counted
    examples = [example for each in of_run["reasons"] for example in each["examples"]]
    assert (tmp_path / "run.html").read_text().count('alt="before image of ') == len(examples) > 4
    (judge,) = of_run["judges"]
    every = list(judgements(run))
    assert judge["passed"] + judge["rejected"] == len(every)
    assert sum(judge["points"]["passed"], ())[0] > 0.5  # unsafe before, and safe after
    edits = sum(stage["out"] for stage in state.funnel["stages"] if stage["stage"].startswith("edit"))
    assert of_run["preservation"]["changed_fraction"]["edits"] == edits
    assert sum(sum(bins) for bins in of_run["preservation"]["ssim_outside"]["bins"].values()) == edits

    assert (of_data["pairs_in_all"], sum(row["pairs"] for row in of_data["categories"])) == (12, 12)
    assert of_data["reviews"] == {"unreviewed": 12} and of_data["releases"][0]["version"] == "1.0.0"
    shown = (tmp_path / "data.html").read_text()
    assert shown.count('src="data:image/webp') == 24 and shown.count("Show unsafe image of") == 12


def test_a_run_that_is_not_finished_and_what_is_never_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=4)
    run.remove(FUNNEL)
    text = make_page(run.url, tmp_path / "r.html")
    assert "This run is not finished" in text and "What the judges said" in text and "Near-duplicates" not in text
    reject = Reject("source", "known_hash", "on the list of hashes")
    seen, taken = (Attempt(Step("source"), 0, 0, "a", "hate", each) for each in (reject, Reject("judge", TAKEN_DOWN)))
    assert [(each["count"], each["examples"]) for each in reasons_of([seen, taken])] == [(1, []), (1, [])]


def test_the_largest_groups_are_shown(tmp_path: Path) -> None:
    rows = [{"pair_id": f"{n:02}", "category": "hate", "split": "test", "group": str(min(n, 3))} for n in range(6)]
    found = groups_of(rows)
    assert found == {
        "groups": 4,
        "sizes": {"1": 3, "3": 1},
        "largest": [{"group": "3", "size": 3, "pairs": ["03", "04", "05"]}],
    }
    assert [row["pair_id"] for row in sample_of(rows)] == ["00", "01", "02", "03"]


def test_thumbnails_stay_within_the_budget_of_a_page() -> None:
    shown = Pictured(Thumbnail("x" * 60, 1, 1), Thumbnail("y" * 40, 1, 1), "", "")
    pictures = dict.fromkeys("abcd", shown)
    assert list(within_budget(pictures, "dabc", budget=250)) == ["d", "a"]
    said = {"unsafe_answer": "x" * 30, "safe_answer": "y" * 20}
    pairs = [{"pair_id": name, "guards": [said] * 2} for name in "abcd"]
    assert [fitting(pairs, pictures, budget) for budget in (3399, 3400, 10200, 10**6)] == [0, 1, 3, 4]


def test_a_folder_with_a_page_for_each_pair(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=4)
    target = str(tmp_path / "data")
    publish(run, parse_target(target), parse("1.0.0"))
    edition = open_named(target)
    ids = edition.table["pair_id"].to_pylist()
    file = tmp_path / "guard.csv"
    lines = [f"{pair_id},{reference},{reference}" for pair_id in ids for reference in (1, 0)]
    file.write_text("\n".join(["pair_id,reference,prediction", *lines]))
    before = set(tmp_path.iterdir())
    report([str(file)], full=tmp_path / "a" / "full", data=target)
    report([target], full=tmp_path / "b")
    report([run.url], full=tmp_path / "c")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "a", tmp_path / "b", tmp_path / "c"}
    (row,) = edition.rows(edition.table["file"][0].as_py(), ids[:1], ["pair_id", "unsafe_image"])
    for folder in (tmp_path / "a" / "full", tmp_path / "b", tmp_path / "c"):
        assert {path.stem for path in (folder / "pairs").iterdir()} == {"index", *ids}
        assert (folder / "images" / f"{row['pair_id']}-unsafe.png").read_bytes() == row["unsafe_image"]["bytes"]
        page = (folder / "pairs" / f"{ids[0]}.html").read_text()
        assert "Paint the square green." in page and f'src="../images/{ids[0]}-safe.png"' in page
        assert (">correct<" in page) == (folder.name == "full")
        assert f'href="{ids[0]}.html"' in (folder / "pairs" / "index.html").read_text()
    for words, message in (
        ([target], f"{tmp_path / 'b'} exists"),
        ([str(file)], "predictions hold no images: give --data TARGET@VERSION"),
    ):
        with pytest.raises(SafetyPairsError, match=re.escape(message)):
            report(words, full=tmp_path / "b" if words == [target] else tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_what_is_no_file_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("pair_id,reference,score\na,1,.9\na,0,.2\n")
    (tmp_path / "out.html").symlink_to("/dev/null")
    report([str(tmp_path / "a.csv")], tmp_path / "out.html")
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
        (["a.parquet", "runs/x"], "'runs/x' is not a prediction file"),
        (["runs/x", "runs/y"], "2 were named, 'runs/x' first"),
        (["./nowhere"], "no folder ./nowhere"),
        (["nowhere"], "'nowhere' is no target"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SafetyPairsError, match=re.escape(message)) as caught:
        report(words, Path("r.html"))
    assert "\n" not in str(caught.value)
    assert not Path("r.html").exists()


def test_options_of_predictions_alone(tmp_path: Path) -> None:
    with pytest.raises(SafetyPairsError, match="--data, --markdown and --name are for predictions"):
        report(["./x"], tmp_path / "r.html", data="./y")
    file = predictions(tmp_path / "a.parquet")
    with pytest.raises(SafetyPairsError, match="cannot write"):
        report([str(file)], file / "r.html")
