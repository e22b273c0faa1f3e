"""The `evaluate` module as a Space: pushed to a real Hub server, loaded from it by name and revision."""

from __future__ import annotations

import json

from hub_fixtures import Hub, hub  # noqa: F401

from safetypairs_hf.metric import metric_path, score

from .examples import IMPORT_EVALUATE, SCORES, rows_of

CODE = """
import json
metric = evaluate.load("lab/pair_consistent_accuracy", revision="v1")
for row in json.loads({rows!r}):
    metric.add(**row)
print("RESULT" + json.dumps(metric.compute()))
"""


def test_the_folder_pushed_as_it_is_is_a_metric(hub: Hub) -> None:  # noqa: F811
    api = hub.api()
    api.create_repo("lab/pair_consistent_accuracy", repo_type="space", space_sdk="static")
    api.upload_folder(
        repo_id="lab/pair_consistent_accuracy", repo_type="space", folder_path=metric_path(), ignore_patterns=["*.pyc"]
    )
    api.create_tag("lab/pair_consistent_accuracy", tag="v1", repo_type="space")
    out = hub.run_python(IMPORT_EVALUATE + CODE.format(rows=json.dumps(rows_of(SCORES))))
    assert json.loads(out.split("RESULT")[1]) == score(rows_of(SCORES)).to_dict()
