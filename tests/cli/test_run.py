"""A new user's first minutes: run, run again, look inside, classify a mesh, search, break a shard and repair it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from storage.stores import open_store
from tests.cubes import CUBE
from tests.flows.conftest import TINY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def opendlign(*words: str, cwd: Path) -> str:
    """Run one command as a user without a Prefect server would, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    environment |= {"PREFECT_HOME": str(cwd / "prefect"), "COLUMNS": "200", "TMPDIR": str(cwd)}
    environment["XDG_CACHE_HOME"] = str(cwd / "cache")
    command = [sys.executable, "-m", "opendlign", *words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_minutes(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    (tmp_path / "cube.off").write_text(CUBE)
    preset = ("--preset", "tiny.yaml")

    printed = opendlign("run", *preset, cwd=tmp_path)
    report = next(line.removeprefix("Report: ") for line in printed.splitlines() if line.startswith("Report: "))
    assert "training-free" in printed
    assert Path(report).read_text().startswith("<!doctype html>")

    again = opendlign("run", *preset, cwd=tmp_path)
    assert "Starting the engine" not in again
    assert report in again

    listed = opendlign("inspect", cwd=tmp_path)
    assert all(stage in listed for stage in ("ingest/", "project/", "synthesize/", "train/", "evaluate/"))

    named = opendlign(
        "classify", "cube.off", "--labels", "chair,table,mug", "--picture", "v.png", *preset, cwd=tmp_path
    )
    assert "%" in named
    assert (tmp_path / "v.png").stat().st_size > 1000

    found = opendlign("search", "a red mug", "--top", "3", *preset, cwd=tmp_path)
    assert found.count("procedural/") == 3
    assert (tmp_path / "hits.png").stat().st_size > 1000

    store = open_store(tmp_path / "store")
    shard = next(info.key for info in store.list("synthesize") if info.key.endswith(".tar"))
    (tmp_path / "store" / shard).write_bytes(b"damaged")
    repaired = opendlign("verify", "store", "--repair", cwd=tmp_path)
    assert shard.rpartition("/")[2] in repaired
    assert "partial" in opendlign("plan", *preset, cwd=tmp_path)
