"""Bad input ends in one clear line and exit code 2; help and version work without torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def opendlign(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    quiet = {**os.environ, "OPENDLIGN_STORE": str(cwd / "store"), "AWS_EC2_METADATA_DISABLED": "true", **environment}
    command = [sys.executable, "-m", "opendlign", *words]
    return subprocess.run(command, cwd=cwd, env=quiet, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--preset", "nonsense"], "unknown preset 'nonsense'"),
        (["run", "--preset", "absent.yaml"], "no preset file absent.yaml"),
        (["run", "--preset", "vit-b-32", "--set", "train.epoch=1"], "train.epoch: Extra inputs are not permitted"),
        (["run", "--source", "nowhere"], "write it as adapter:path"),
        (["run", "--source", "folder:/does/not/exist"], "/does/not/exist"),
        (["run", "--source", "magic:here"], "magic"),
        (["plan", "--store", "ftp://host/x"], "only a folder or s3://bucket/prefix"),
        (["inspect", "nothing"], "no output 'nothing'"),
        (["classify", "absent.ply", "--labels", "chair,table"], "absent.ply"),
        (["search"], "search needs words, --image or --shape"),
        (["search", "a mug", "--index", "absent.parquet"], "no index at absent.parquet"),
        (["gc", "--keep", "123456"], "--keep 123456: 0 outputs"),
        (["fly"], "fly"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words: list[str], message: str, tmp_path: Path) -> None:
    done = opendlign(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    done = opendlign("plan", "--source", f"folder:{tmp_path / 'shapes'}", cwd=tmp_path)
    assert done.returncode == 2
    assert "shapes" in done.stderr


def test_s3_without_credentials_says_what_to_set(tmp_path: Path) -> None:
    hidden = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"), "")
    done = opendlign(
        "inspect", "--store", "s3://bucket/prefix", cwd=tmp_path, HOME=str(tmp_path), **hidden,
        OPENDLIGN_S3_ENDPOINT="http://127.0.0.1:9",
    )  # fmt: skip
    assert done.returncode == 2
    assert "OPENDLIGN_S3" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = opendlign("run", "--preset", "nonsense", "--debug", cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_help_lists_the_verbs(tmp_path: Path) -> None:
    done = opendlign("--help", cwd=tmp_path)
    assert done.returncode == 0
    for verb in ("run", "plan", "verify", "classify", "search", "inspect", "deploy", "ingest", "train"):
        assert verb in done.stdout


def test_an_empty_store_verifies(tmp_path: Path) -> None:
    done = opendlign("verify", cwd=tmp_path)
    assert done.returncode == 0
    assert "0 outputs" in done.stdout
