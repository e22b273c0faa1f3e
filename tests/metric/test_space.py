"""The `evaluate` module as a Space: pushed to a real Hub server, loaded from it by name and revision."""

from __future__ import annotations

import json
from pathlib import Path

from hub_fixtures import Hub, hub  # noqa: F401

from safetypairs_hf.metric import metric_path, score
from safetypairs_hf.spaces.space import space

from .examples import IMPORT_EVALUATE, SCORES, rows_of

CODE = """
import json
for owner in ("lab", "alice"):
    metric = evaluate.load(owner + "/pair_consistent_accuracy", revision="v1")
    for row in json.loads({rows!r}):
        metric.add(**row)
    print("RESULT" + json.dumps(metric.compute()))
"""


def test_both_spaces_of_the_metric_are_metrics(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    """The folder in the package, pushed as it is, and the one with a page that `space` makes."""
    api = hub.api()
    made = space("metric", tmp_path / "made").folder
    for owner, sdk, folder in (("lab", "static", metric_path()), ("alice", "gradio", made)):
        name = f"{owner}/pair_consistent_accuracy"
        api.create_repo(name, repo_type="space", space_sdk=sdk)
        api.upload_folder(repo_id=name, repo_type="space", folder_path=folder, ignore_patterns=["*.pyc"])
        api.create_tag(name, tag="v1", repo_type="space")
    out = hub.run_python(IMPORT_EVALUATE + CODE.format(rows=json.dumps(rows_of(SCORES))))
    expected = score(rows_of(SCORES)).to_dict()
    assert [json.loads(each) for each in out.split("RESULT")[1:]] == [expected, expected]
