"""Every command meets bad input with one line that names the thing, and exit code 2."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from opendlign.failures import is_bad_input
from opendlign.main import main
from storage.errors import StoreFull
from storage.settings import get_settings
from tasks.errors import ShardsFailed
from tasks.registry import STAGES
from tasks.shards import TooManyRejected
from tests.flows.conftest import TINY
from tests.servers import ROOT

VERBS = tuple(stage.name for stage in STAGES)
CLASSIFY = ("classify", "bad.off", "--labels", "chair,table")
NEED_A_PRESET = (*[(verb,) for verb in ("run", "plan", *VERBS)], CLASSIFY, ("index",), ("search", "mug"))
NEED_A_STORE = (("plan",), ("ingest",), CLASSIFY, ("dlign",), ("inspect",), ("evaluate", "--model", "1"))
PUBLISHED = ("--model", "ViT-B-32")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of things that are wrong, without credentials, weights or a Prefect server in reach."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "shapes" / "cup").mkdir(parents=True)
    (tmp_path / "shapes" / "cup" / "bad.off").write_text("OFF\n")
    (tmp_path / "bad.off").write_text("OFF\n")
    (tmp_path / "twice.txt").write_text("mug\nMug\n")
    (tmp_path / "list.csv").write_text("file,class\nbad.off,cup\n")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("PREFECT_API_URL", "OPENDLIGN_STORE", "OPENDLIGN_S3_KEY", "OPENDLIGN_S3_SECRET", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENDLIGN_S3_ENDPOINT", "http://127.0.0.1:9")
    get_settings.cache_clear()
    return tmp_path


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a command ends with."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    error = capsys.readouterr().err
    assert ended.value.code == 2, error
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1, error
    return error


@pytest.mark.parametrize("words", NEED_A_PRESET, ids=lambda words: words[0])
def test_a_preset_that_is_none(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown preset 'nosuch'; choose one of mini" in complaint(capsys, *words, "--preset", "nosuch")


@pytest.mark.parametrize("words", NEED_A_STORE, ids=lambda words: words[0])
def test_a_bucket_without_credentials(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert "set OPENDLIGN_S3_KEY and OPENDLIGN_S3_SECRET" in complaint(capsys, *words, "--store", "s3://bucket/x")


def test_a_bucket_out_of_reach(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENDLIGN_S3_KEY", "key")
    monkeypatch.setenv("OPENDLIGN_S3_SECRET", "secret")
    get_settings.cache_clear()
    assert "check OPENDLIGN_S3_ENDPOINT and the network" in complaint(capsys, "ingest", "--store", "s3://bucket/x")


OTHER_SOURCES = {
    "propose": "holds single objects; propose takes a source of scenes",
    "align": "holds no photos with poses",
    "posenet": "holds no photos with poses",
}
"""Verbs that take sources of scenes or of photos, and what they say of shapes."""


@pytest.mark.parametrize("verb", OTHER_SOURCES)
def test_shapes_are_refused_where_scenes_or_photos_are_wanted(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"the source folder {OTHER_SOURCES[verb]}" in complaint(capsys, verb, "--source", "folder:shapes")


@pytest.mark.parametrize("verb", ["run", "plan", *(verb for verb in VERBS if verb not in OTHER_SOURCES)])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("folder:absent", "absent does not exist; name its place"),
        ("folder:empty", "no folder of shapes at empty"),
        ("folder:bad.off", "bad.off is a file"),
        ("list:absent.csv", "looked for absent.csv"),
        ("list:list.csv", "list.csv has no column 'uri' (it has file, class); see option uri_column"),
    ],
)
def test_a_source_that_is_not_there(verb: str, source: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in complaint(capsys, verb, "--source", source)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fly",), "fly"),
        (("run", "--preset", "absent.yaml"), "no preset file absent.yaml"),
        (
            ("run", "--preset", "vit-b-32", "--set", "train.epoch=1"),
            "train.epoch: there is no such field; did you mean epochs?",
        ),
        (("run", "--source", "nowhere"), "write it as adapter:path"),
        (("run", "--source", "magic:here"), "unknown adapter 'magic'"),
        (("run", "--store", "bad.off"), "a file stands where a folder should be"),
        (("plan", "--store", "ftp://host/x"), "only a folder or s3://bucket/prefix"),
        (("inspect", "nothing"), "no output 'nothing'"),
        (("compare", "1", "2"), "0 evaluations of"),
        (("gc", "--keep", "123456"), "--keep 123456: 0 outputs"),
        (("search",), "search needs words, --image or --shape"),
        (("search", "a mug", "--index", "absent.parquet"), "no index at absent.parquet"),
        (("run", "--set", "train.epochs=[1"), "is not YAML"),
        (("run", "--preset", "tiny.yaml", "--source", "folder:shapes"), "nothing to judge procedural on"),
        (("plan", "--set", "benchmarks=[mine]"), "choose among this preset's"),
        (("classify", "absent.off", "--labels", "a,b"), "no file absent.off"),
        (("classify", "bad.off", "--labels", "absent.txt"), "no label file absent.txt"),
        (("classify", "bad.off", "--labels", "twice.txt"), "are the same class"),
        (("classify", "bad.off", "--labels", "a,b", "--up", "q"), "--up"),
        ((*CLASSIFY, "--preset", "tiny.yaml"), "no trained tiny.yaml model; run `opendlign run --preset tiny.yaml`"),
        (("index", "--preset", "tiny.yaml"), "no trained tiny.yaml model"),
        (("search", "mug", "--image", "absent.png"), "no file absent.png"),
        (("search", "mug", "--picture", "hits.txt"), "--picture hits.txt: name a file that ends in .png"),
        (("search", "mug", "--picture", "absent/h.png"), "--picture absent/h.png: there is no folder absent"),
        (("search", "mug", "--index", "bad.off"), "bad.off is not an index"),
        (("search", "mug", "--image", "bad.off"), "bad.off is no picture that can be read"),
        (("search", "--shape", "twice.docx"), "no file twice.docx"),
        (("classify", "bad.off", "--labels", "mug,Mug"), "--labels: 'Mug' and 'mug' are the same class"),
        ((*CLASSIFY, "--out", "absent/r.csv"), "--out absent/r.csv: there is no folder absent"),
        (("search", "mug", "--model", "99"), "--model 99: 0 trained models"),
        (("dlign", "--preset", "tiny.yaml", "--clip", "nosuch"), "write model:tag"),
        (("weights", "import", "absent.pth", *PUBLISHED), "no file absent.pth"),
        (("weights", "import", "bad.off", "--model", "nosuch"), "unknown model 'nosuch'"),
        (("weights", "import", "bad.off", *PUBLISHED), "bad.off cannot be read as a PyTorch checkpoint"),
        (("weights", "export", "out.pth", "--model", "99"), "--model 99: 0 trained models"),
        (("data", "import", "absent"), "absent has no folder depth_map"),
        (("data", "export", "bad.off"), "bad.off is a file; name a folder"),
        (("data", "export", "out", "--preset", "tiny.yaml"), "run `opendlign synthesize` first"),
        (("data", "export", "out", "--output", "tiny"), "write it as synthesize/FINGERPRINT"),
        (("inspect", "--store", "empty"), "no outputs in empty"),
        (("verify", "empty"), "no outputs in empty"),
        (("gc", "absent"), "nothing in absent: is that the store?"),
        (("classify", "bad.off", "--labels", "modelnet41"), "no packaged list 'modelnet41'; did you mean modelnet40?"),
        (("classify", "bad.off", "--labels", "chair"), "name at least two"),
        ((*CLASSIFY, "--top", "0"), "for --top. Must be >= 1"),
        (("search", "mug", "--top", "-1"), "for --top. Must be >= 1"),
        (("up", "--port", "99999"), "for --port. Must be <= 65535"),
        (("up", "--gpus", "-1"), "for --gpus. Must be >= 0"),
        (("deploy", "--silence", "-1"), "for --silence. Must be > 0"),
        (("plan", "--source", "folder:shapes", "--set", "ingest.source.options.suffixes=on"), "no reader for .on;"),
        (("deploy",), "no Prefect API: set PREFECT_API_URL or use --api"),
        (("pretrain-mini", "--out", "bad.off"), "bad.off"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_other_nonsense(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in complaint(capsys, *words)


def test_neither_help_nor_a_refusal_waits_for_the_engine() -> None:
    """One after the other in one process, each with its exit code; then what was imported for them."""
    code = """
import sys
from opendlign.main import main
for words in ("--help", "ingest --preset nosuch", "ingest --source folder:absent", "ingest --store s3://bucket/x"):
    try:
        main(words.split())
    except SystemExit as ended:
        print("code", ended.code)
print("imported", *{"prefect", "torch"} & set(sys.modules))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    told = [line for line in done.stdout.splitlines() if line.startswith(("code", "imported"))]
    assert told == ["code 0", "code 2", "code 2", "code 2", "imported"], done.stderr


def test_a_full_disk_is_named(place: Path) -> None:
    """A limit on the size of files is what a test without root has for a disk that is full."""
    (place / "set" / "depth_map").mkdir(parents=True)
    depth = np.random.default_rng(0).random((10, 224, 224)).astype(np.float32)
    np.save(place / "set" / "depth_map" / "a+mug_dm.npy", depth)
    code = "ulimit -f 8; exec " + " ".join([sys.executable, "-m", "opendlign", "data", "import", "set"])
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "too large" in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 1


def test_failed_shards_are_as_mendable_as_their_cause() -> None:
    failed = ShardsFailed("2 of 3 units of work failed")
    assert not is_bad_input(failed)
    failed.__cause__ = StoreFull("the disk is full")
    assert is_bad_input(failed)
    assert is_bad_input(TooManyRejected("1 of 1 samples were rejected"))
    assert is_bad_input(OSError(errno.ENOSPC, "No space left on device"))
    assert not is_bad_input(RuntimeError("a fault of this program"))
