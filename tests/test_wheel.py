"""An installed wheel behaves as a checkout does."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from builds import tree

ROOT = Path(__file__).parent.parent


def test_a_wheel_carries_what_a_checkout_has(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in ("builders", "dataset_card", "loading_script"):
        ours = {path.name for path in (ROOT / name).iterdir() if path.is_file()}
        assert {path.name for path in (site / "safetypairs_hf" / "_data" / name).iterdir()} == ours
    assert tree(site / "safetypairs_hf" / "_data" / "embedded") == tree(ROOT / "embedded")
    assert {path.name for path in site.glob("*.dist-info/licenses/*")} == {"LICENSE", "NOTICE"}
    assert (site / "safetypairs_hf" / "py.typed").is_file()
    page = Path("safetypairs_hf", "reviewing", "page")
    assert tree(site / page) == tree(ROOT / page)
    assert (site / "safetypairs_hf" / "importing" / "layouts" / "safeeditbench.yaml").is_file()
    templates = ROOT / "safetypairs_hf" / "report" / "templates"
    assert tree(site / "safetypairs_hf" / "report" / "templates") == tree(templates)

    # -S and an explicit path keep the editable installation out of it; the dependencies stay.
    outer = [path for path in sys.path if path.endswith("site-packages")]
    code = (
        f"import sys; sys.path[:0] = [{str(site)!r}, *{outer!r}]\n"
        f"import safetypairs_hf; assert safetypairs_hf.__file__.startswith({str(site)!r})\n"
        "from safetypairs_hf.cli import main\n"
    )
    for words in (
        ["build", "icons", "--out", "run", "--pairs", "9", "--workers", "1"],
        ["publish", "run", "./out", "--version", "1.0.0"],
        ["evaluate", "colour-and-clutter", "--out", "predictions.parquet", "--limit", "9"],
    ):
        done = subprocess.run(
            [sys.executable, "-S", "-c", f"{code}main({words!r})"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "README.md").read_text().startswith("---\npretty_name: out\n")
