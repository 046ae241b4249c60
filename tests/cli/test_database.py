"""A new Prefect database is begun as a copy of an empty one, and nothing that is there is touched."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

from opendlign.database import begin_database


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's cache folder that the installer has filled."""
    folder = tmp_path_factory.mktemp("cache")
    environment = {"XDG_CACHE_HOME": str(folder), "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-m", "opendlign.database"], env=environment, check=True, timeout=300)
    return folder


@contextmanager
def stored_at(url: str) -> Iterator[None]:
    with temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: url}):
        yield


def schema(database: Path) -> dict[str, str]:
    with closing(sqlite3.connect(database)) as opened:
        return dict(opened.execute("select name, sql from sqlite_master where sql is not null"))


def migrated_to(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as opened:
        return [version for (version,) in opened.execute("select version_num from alembic_version")]


def test_a_new_database_is_what_the_migrations_made(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    (made,) = cache.glob("opendlign/prefect-*.db")
    database = tmp_path / "home" / "prefect.db"
    with stored_at(f"sqlite+aiosqlite:///{database}"):
        begin_database()
    assert len(migrated_to(database)) == 1
    assert migrated_to(database) == migrated_to(made)
    assert schema(database) == schema(made)
    assert {"flow_run", "task_run", "artifact"} <= schema(database).keys()
    assert [path.name for path in database.parent.iterdir()] == ["prefect.db"]


def test_a_database_that_is_there_stays(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    database = tmp_path / "prefect.db"
    database.write_bytes(b"somebody's runs")
    with stored_at(f"sqlite+aiosqlite:///{database}"):
        begin_database()
    assert database.read_bytes() == b"somebody's runs"


def test_other_places_and_a_cache_that_others_may_fill_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsafe = tmp_path / "cache" / "opendlign"
    unsafe.mkdir(parents=True)
    unsafe.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(unsafe.parent))
    database = tmp_path / "prefect.db"
    for url in (
        "postgresql+asyncpg://there/prefect",
        "sqlite+aiosqlite:///:memory:",
        f"sqlite+aiosqlite:///{database}",
    ):
        with stored_at(url):
            begin_database()
    assert not database.exists()
    assert not list(unsafe.iterdir())
