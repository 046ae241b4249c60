"""Fixtures shared by all tests: where the optional material lies, and a quiet, offline process."""

import atexit
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.threads import threads_now

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

# What tests remember of their sources goes with them; what other programs keep stays where it is.
_KEPT = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
for _variable, _folder in (("PLAYWRIGHT_BROWSERS_PATH", "ms-playwright"), ("HF_HOME", "huggingface")):
    if (_KEPT / _folder).is_dir():
        os.environ.setdefault(_variable, str(_KEPT / _folder))
_CACHE = tempfile.TemporaryDirectory(prefix="opendlign-cache-")
atexit.register(_CACHE.cleanup)
os.environ["XDG_CACHE_HOME"] = _CACHE.name

ROOT = Path(__file__).resolve().parent.parent


def _material(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable, ROOT.parent / "shared" / default))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real shapes; tests that use it skip where it is absent."""
    folder = _material("OPENDLIGN_DATA", "data")
    if not folder.is_dir():
        pytest.skip(f"no real shapes at {folder} (set OPENDLIGN_DATA)")
    return folder


@pytest.fixture(scope="session")
def golden_files() -> Callable[[str], list[Path]]:
    """A finder of golden files by pattern; it skips the test when none matches."""
    folder = _material("OPENDLIGN_GOLDEN", "golden")

    def find(pattern: str) -> list[Path]:
        files = sorted(folder.glob(pattern))
        if not files:
            pytest.skip(f"no golden files {pattern} in {folder} (set OPENDLIGN_GOLDEN)")
        return files

    return find


@pytest.fixture(autouse=True)
def threads_stay() -> Iterator[None]:
    """Fails a test that leaves another number of threads behind: those after it would compute other sums."""
    before = threads_now()
    yield
    assert before in (None, threads_now()), f"torch had {before} threads before this test and has {threads_now()} now"
