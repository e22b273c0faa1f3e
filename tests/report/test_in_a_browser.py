"""The pages in a real browser: at two widths, light and dark, in print, without scripts, and full of hostile texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import browser, serious_faults
from builds import make_run
from importing import twins
from playwright.sync_api import Browser, Page
from reviewing.decided import decided

import safetypairs_hf as sp
from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.relabel import relabel
from safetypairs_hf.report.failure_gallery import verdicts_by_pair
from safetypairs_hf.report.full_folder import rows_of
from safetypairs_hf.report.guard_files import read_guards
from safetypairs_hf.report.page import Report, render, render_template
from safetypairs_hf.report.report import report, report_of_guards, report_of_one
from safetypairs_hf.reviewing import decisions

__all__ = ["browser"]
pytestmark = pytest.mark.slow

HOSTILE = (
    "<script>owned=1</script><img src=x onerror=owned=1>\"' onload=owned=1 {{ 7*7 }} שלום \u202ecba " + "W" * 10_000
)
LONG = "a-guard-with-a-name-that-is-rather-long-and-has-a-size-7B"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind, and a folder with a page a pair, of the same pairs; and a page on policy pairs."""
    work = tmp_path_factory.mktemp("pages")
    target, run = str(work / "data"), make_run(work / "run", pairs=13, misses=0.4, rounds=2, attempts=2)
    for number, pair_id in enumerate(drawn.entrant.identity.pair_id for drawn in open_finished(run).drawn):
        for who, action in (("anna", "accept"), ("bertram", "borderline" if number < 2 else "accept")):
            decisions.append(run, decided(pair_id, who, action))
    publish(run, parse_target(target), parse("1.0.0"))
    first, second, *_ = open_named(target).table["pair_id"].to_pylist()
    told = {"reason": "It shows another thing.", "by": "R1"}
    corrections = [{"pair_id": first, "action": "swap", **told}, {"pair_id": second, "action": "drop", **told}]
    relabel(parse_target(target), corrections, parse("2.0.0"))
    ids = open_named(target).table["pair_id"].to_pylist()
    rows = open_named(target).table.to_pylist()
    digests = {(row["pair_id"], r): row[f"{m}_sha256"] for row in rows for r, m in ((1, "unsafe"), (0, "safe"))}
    files = []
    for name, unsafe, safe in ((LONG, 0.9, 0.8), ("half", 0.7, 0.3), ("silent", "", "")):
        lines = [
            f"{pair},{r},{unsafe if r else safe if n % 2 else 0.6},{digests[pair, r]}"
            for n, pair in enumerate(ids)
            for r in (1, 0)
        ]
        (work / f"{name}.csv").write_text("\n".join(["pair_id,reference,score,sha256", *lines]))
        files.append(str(work / f"{name}.csv"))
    pages = {kind: work / f"{kind}.html" for kind in ("guards", "run", "dataset")}
    report(files, pages["guards"], data=target, full=work / "full")
    report([run.url], pages["run"])
    report([target], pages["dataset"])
    pages |= {"every pair": work / "full/pairs/index.html", "pair": work / f"full/pairs/{ids[0]}.html"}
    return pages | policy_pages(work)


def policy_pages(work: Path) -> dict[str, Path]:
    """A guard that looks at the image alone, on two policies that differ about red, and the page of a pair."""
    picture = twins.picture("policies", "unsafe")
    rows = [
        {"image": picture, "policy": policy, "label": label, "section": "1"}
        for policy, label in (("Everything can be shown.", "false"), ("No red square is shown.", "true"))
    ]
    sp.import_pairs(rows, work / "policies", layout="policyshiftbench", license="CC0-1.0")
    target = f"{work / 'policy-pairs'}"
    publish(open_run(str(work / "policies")), parse_target(target), parse("1.0.0"))
    sp.evaluate(always, target, f"{work}/always.parquet", configs=["policy_pairs"], split="test")
    table = pq.read_table(f"{work}/always.parquet")
    wrote = pa.array(["unsafe\nThere is red."] * len(table))
    pq.write_table(table.set_column(table.schema.get_field_index("raw"), "raw", wrote), f"{work}/always.parquet")
    found = report([f"{work}/always.parquet"], work / "policy.html", data=target, full=work / "policy")
    (pair,) = found["failures"]
    return {"policy": work / "policy.html", "policy pair": work / f"policy/pairs/{pair['pair_id']}.html"}


def always(image: object, category: str, policy: str) -> float:
    return 1.0


@pytest.fixture
def opened(browser: Browser, made: dict[str, Path]) -> Iterator[Any]:
    """Opens a page in a window of its own; that it asks for nothing else is checked at the end."""
    windows, asked = [], []

    def opening(name: str | Path, **options: Any) -> Page:
        window = browser.new_context(**options)
        windows.append(window)
        page = window.new_page()
        address = (name if isinstance(name, Path) else made[name]).as_uri()
        page.on("request", lambda request: asked.append(request.url) if request.url != address else None)
        page.goto(address)
        return page

    yield opening
    for window in windows:
        window.close()
    images = tuple(f"file://{made['guards'].parent / folder / 'images'}" for folder in ("full", "policy"))
    assert [url for url in asked if not url.startswith(("data:", *images))] == []


def hostile(value: Any, key: str = "") -> Any:
    """A report's data with every text in it, and every name that comes from outside, longer by HOSTILE."""
    if isinstance(value, dict) and "heading" in value:
        return value  # a figure that the metric declares
    if isinstance(value, dict):
        named = key in ("by_category", "rejected", "names", "reviews", "splits")
        return {name + HOSTILE * named: hostile(each, name) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [hostile(each, key) for each in value]
    return value + HOSTILE if isinstance(value, str) and key not in ("kind", "outcome") else value


def filters(page: Page) -> list[str]:
    script = "all => all.map(image => getComputedStyle(image).filter.split('(')[0])"
    return page.eval_on_selector_all(".hidden-image img", script)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("width", "colours"),
    [
        (1280, "light"),
        (390, "dark"),
        pytest.param(1280, "dark", marks=pytest.mark.thorough),
        pytest.param(390, "light", marks=pytest.mark.thorough),
    ],
)
def test_pages_fit_and_have_no_serious_fault(opened: Any, made: dict[str, Path], width: int, colours: str) -> None:
    papers = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 22, 26)"}
    for name in made:
        page = opened(name, viewport={"width": width, "height": 900}, color_scheme=colours)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == papers[colours]
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name}, all unfolded"
        if colours == "light" or name in ("guards", "run", "dataset"):  # the others have no colours of their own
            assert serious_faults(page) == [], name
        assert page.eval_on_selector_all("svg[role=img]", "all => all.every(one => one.querySelector('title'))"), name


def test_all_of_the_leaderboard_can_be_read_at_every_width(opened: Any) -> None:
    figures = ["over-blocking", "missed", "inverted", "abstained", "image accuracy", "AUROC"]
    page = opened("guards", viewport={"width": 1280, "height": 900})
    row = page.locator(".leaders tbody").first
    row.locator("summary").click()
    for width, shown in ((1280, figures), (1120, figures[:2]), (390, [])):
        page.set_viewport_size({"width": width, "height": 900})
        heads = page.eval_on_selector_all(
            ".leaders th.number", "all => all.filter(e => e.offsetWidth).map(e => e.innerText)"
        )
        assert [head.rstrip(" ↕").replace("\n", " ") for head in heads] == shown
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        names = [each.inner_text() for each in row.locator(".all dt").all()]
        assert set(figures) < set(names) and "relative consistency" in names
        assert row.locator(".all dd").first.is_visible()


def test_print_has_every_column_and_no_dark_and_stays_blurred(opened: Any, tmp_path: Path) -> None:
    page = opened("guards", color_scheme="dark", viewport={"width": 718, "height": 900})
    page.locator(".show-all").check()
    page.emulate_media(media="print")
    assert page.locator(".leaders th.number:visible").count() == 6
    assert page.locator(".leaders .all").first.is_visible()  # folded on the screen
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert set(filters(page)) == {"blur"}
    assert page.pdf(path=tmp_path / "r.pdf", format="A4").startswith(b"%PDF")


def test_unsafe_images_are_blurred_until_one_asks_with_no_script(opened: Any) -> None:
    page = opened("guards", java_script_enabled=False, color_scheme="light")
    count = page.locator(".hidden-image").count()
    assert count == page.locator(".pairs > li").count() == 12
    assert filters(page) == ["blur"] * count
    page.locator(".hidden-image").first.click()
    assert filters(page) == ["none", *["blur"] * (count - 1)]
    page.locator(".hidden-image input").nth(1).press("Space")
    page.locator(".show-all").check()
    assert set(filters(page)) == {"none"}
    page.get_by_text("Dark", exact=True).click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"
    assert not page.locator("[data-filter]").first.is_visible()


def test_the_one_image_of_a_policy_pair_is_blurred(opened: Any) -> None:
    for name in ("policy", "policy pair"):
        page = opened(name)
        assert page.locator("img").count() == 1 and filters(page) == ["blur"]
        assert "unsafe by one policy, safe by another" in page.locator("figcaption", has_text="policy").inner_text()
    assert "the safe image" not in page.locator("main").inner_text()
    assert page.locator(".wrote").all_inner_texts() == ["unsafe\nThere is red."] * 2
    page = opened("policy")
    page.get_by_text("What it wrote").click()
    assert page.locator(".answers p").all_inner_texts() == [
        f"{one} unsafe\nThere is red." for one in ("unsafe", "safe")
    ]


def test_the_gallery_is_filtered_and_tables_are_sorted(opened: Any) -> None:
    page = opened("guards", viewport={"width": 1280, "height": 900})
    cards = page.locator(".pairs > li:visible")
    assert (cards.count(), page.locator("[data-shown]").inner_text()) == (12, "12 of 12 pairs shown")
    page.locator("[data-filter=guard]").select_option("0")
    assert cards.count() == 6  # "half" has every other one wrong
    page.locator("[data-filter=outcome]").select_option("inverted")
    assert cards.count() == 0
    page.locator("[data-filter=guard]").select_option("")
    page.locator("[data-filter=outcome]").select_option("abstained")
    assert cards.count() == 12
    slug = cards.first.get_attribute("data-category")
    page.locator("[data-filter=category]").select_option(slug)
    assert {card.get_attribute("data-category") for card in cards.all()} == {slug}

    names = page.locator(".leaders tbody th")
    before = [name.inner_text() for name in names.all()]
    assert before[0].startswith("half")
    column = page.get_by_role("button", name="Pair accuracy")
    assert page.locator(".leaders th[aria-sort]").get_attribute("aria-sort") == "descending"
    column.click()
    assert page.locator(".leaders th[aria-sort]").get_attribute("aria-sort") == "ascending"
    assert [name.inner_text() for name in names.all()] != before
    assert page.locator(".leaders tbody").last.locator("tr").count() == 2  # its second row came with it
    page.get_by_text("Dark", exact=True).click()
    is_dark = "document.querySelector('#colours-dark').checked"
    page.wait_for_function(is_dark)
    page.reload()
    page.wait_for_function(is_dark)


def test_hostile_texts_in_every_field_stay_texts(opened: Any, made: dict[str, Path], tmp_path: Path) -> None:
    work = made["guards"].parent
    edition = open_named(str(work / "data"))
    guards = read_guards(sorted(work.glob("*.csv")), data=edition)
    one = [report_of_one(str(work / name)) for name in ("run", "data")]
    reports = [report_of_guards(guards, edition, 24, {}), *one]
    (row, *_) = rows_of(reports[0], {guards[0].pairs.texts("pair_id")[0].as_py(): ""})
    said = next(iter(verdicts_by_pair(guards).values()))
    images = {member: {"src": "data:image/png;base64,", "size": (9, 9)} for member in ("unsafe", "safe")}
    names = [guard.name + HOSTILE for guard in guards]
    pair = hostile({name: value for name, value in row.items() if not name.endswith("_image")})
    pages = [
        ("pair.html", render_template("pair.html", pair=pair, images=images, guards=names, said=hostile(said))),
        ("every.html", render_template("every_pair.html", pairs=[{**pair, "page": "", "said": said}], guards=names)),
    ]
    for each in reports:
        data = hostile(each.data)
        words = {"critical_feature": HOSTILE, "instruction": HOSTILE}
        pictures = {key + HOSTILE: picture._replace(**words) for key, picture in each.pictures.items()}
        pages.append((f"{each.kind}.html", render(Report(each.kind, data, pictures))))
    for name, text in pages:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        page = opened(path, viewport={"width": 390, "height": 900})
        assert page.evaluate("typeof owned") == "undefined"
        assert page.locator("script").count() == 1 and page.locator("img:not([src^='data:'])").count() == 0
        assert "<script>owned=1</script>" in page.locator("main").inner_text() and "{{ 7*7 }}" in page.content()
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
