"""Reports on predictions, a run folder or a published dataset: a page that needs no network, a folder, JSON, Markdown.

Figures come from `safetypairs score`, from the run's files, or from the published manifest. The data of a page
(`guards_page`, `run_page`, `dataset_page`) are plain values, which `--json` prints and `templates/` renders.

The package can be called as its function `report`: `sp.report("a.parquet", "report.html")`.
"""

from safetypairs_hf.core.callable_room import make_callable

make_callable(__name__, "report")
