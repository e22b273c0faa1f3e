"""A build whose editor is behind a server: killed or not it ends in equal bytes, and nothing is asked for twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from builds import SQUARES, make_run, tree
from edit_servers import Filtering, Moody, Start, klein_folder, pipeline, start  # noqa: F401
from processes import processes_in, wait_for

from safetypairs_hf.building import run_reader
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.testing.edit_server import EditServer, edit_server

IN_FLIGHT = 4  # at two replicas


def test_killed_in_the_middle_of_a_unit_it_ends_in_equal_bytes(start: Start, pipeline: Any, tmp_path: Path) -> None:  # noqa: F811
    whole = EditServer(pipeline)
    make_run(tmp_path / "whole", pairs=12, controls="true", server=start(whole))
    replicas = EditServer(pipeline), EditServer(pipeline)
    urls = ",".join(start(each) for each in replicas)
    settings = ["--set", f"server={urls}", "--set", "controls=true", "--pairs", "12", "--workers", "1"]
    command = [sys.executable, "-m", "safetypairs_hf", "build", SQUARES, "--out", "killed", *settings]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(list(tmp_path.glob("killed/replies/edit/*/*"))) >= 3, "no reply is kept")
    process.send_signal(signal.SIGKILL)
    line = "the controls null_edit and both_regenerated are left out, because the editor server:klein has no round trip"
    assert process.communicate()[1].startswith(f"safetypairs: {line}\n")
    wait_for(lambda: not processes_in(tmp_path), "workers of a killed build are left")
    assert not list(tmp_path.glob("killed/edit/*1.parquet"))  # it was killed in the first of two units
    make_run(tmp_path / "killed", pairs=12, controls="true", server=urls)
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
    make_run(
        tmp_path / "killed", pairs=12, controls="true", server="http://127.0.0.1:9/v1"
    )  # it is finished, and asks for nothing
    asked = sum(len(each.requests) for each in replicas)
    assert len(whole.requests) <= asked <= len(whole.requests) + IN_FLIGHT
    assert all(each.requests for each in replicas)


def test_a_server_that_goes_ends_the_build(start: Start, pipeline: Any, tmp_path: Path) -> None:  # noqa: F811
    server, said = EditServer(pipeline), []
    with edit_server(server) as url:

        def work() -> None:
            with pytest.raises(SafetyPairsError) as error:
                make_run(tmp_path / "run", pairs=12, server=url)
            said.append(str(error.value))

        building = threading.Thread(target=work)
        building.start()
        wait_for(lambda: len(server.requests) >= 3, "nothing is asked")
    building.join()
    with pytest.raises(SafetyPairsError, match="no server at"):
        make_run(tmp_path / "other", pairs=12, server=url)
    assert not (tmp_path / "other").exists()  # it was looked at before the folder belonged to the recipe
    assert said[0].startswith(f"no server at {url} (Connect")
    make_run(tmp_path / "run", pairs=12, server=start(server))
    stages = {stage["stage"]: stage for stage in run_reader.funnel(open_run(str(tmp_path / "run")))["stages"]}
    assert stages["edit"]["rejected"] == {}


def test_a_run_that_grows_asks_for_nothing_again(start: Start, pipeline: Any, tmp_path: Path) -> None:  # noqa: F811
    moody = Moody(pipeline)
    url = start(moody)
    small = make_run(tmp_path / "run", pairs=6, controls="true", server=url)
    before = {name: small.rows(name) for name in small.files() if name.startswith(("edit/", "controls/"))}
    make_run(tmp_path / "run", pairs=12, controls="true", server=url)
    asked = [(each["prompt"], each["seed"], each["image"]) for each in moody.requests]
    assert len(set(asked)) == len(asked)
    assert "replies" not in {name.split("/")[0] for name in small.files()}
    for name, rows in before.items():
        grown = {(row.get("pair_id") or row["source_id"]): row for row in small.rows(name)}
        assert all(grown[row.get("pair_id") or row["source_id"]] == row for row in rows)


def test_what_a_filter_refuses_is_in_the_funnel(start: Start, pipeline: Any, tmp_path: Path) -> None:  # noqa: F811
    make_run(tmp_path / "run", pairs=6, sources=8, server=start(Filtering(pipeline)))  # "Paint the square green."
    stages = {stage["stage"]: stage for stage in run_reader.funnel(open_run(str(tmp_path / "run")))["stages"]}
    assert stages["edit"]["rejected"] == {"refused": 8}
