"""Files that a recipe names are read for the person who wrote it at a console, not for whoever reaches the API."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers import ROOT

RUN = """
import json, sys
from flows.stages import stage_flow
from prefect.exceptions import ParameterTypeError
given = json.loads(sys.argv[1])
try:
    print(stage_flow("evaluate").validate_parameters(given)["recipe"].datasets[0].labels)
except ParameterTypeError as error:
    print(error)
"""


def validated(file: Path, environment: dict[str, str]) -> str:
    """What becomes of a recipe with a list of labels in a file, in a process of that environment."""
    datasets: list[dict[str, Any]] = [{"name": "mine", "labels": {"file": str(file)}}]
    given = {"store": "store", "model": "model", "clouds": [], "depths": {}, "recipe": {"datasets": datasets}}
    words = [sys.executable, "-W", "ignore", "-c", RUN, json.dumps(given)]
    done = subprocess.run(words, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.timeout(120)
def test_a_deployed_run_reads_no_file_that_its_parameters_name(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("password\nhunter2\n")
    assert "hunter2" in validated(secret, {})
    told = validated(secret, {"PREFECT__FLOW_RUN_ID": "00000000-0000-0000-0000-000000000000"})
    assert "hunter2" not in told
    assert "a run that was asked for through the API reads no files that its parameters name" in told
