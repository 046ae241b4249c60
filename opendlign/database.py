"""The database of a Prefect server on this machine: where it is new, a copy of an empty one.

Prefect brings a new database through more than a hundred migrations, which takes longer than all else of a start.
"""

import asyncio
import os
import shutil
import sqlite3
import tempfile
import uuid
from contextlib import closing
from functools import partial
from pathlib import Path

import prefect
from prefect.settings import PREFECT_HOME, PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

from storage.errors import UnsafeCache
from storage.usercache import UserCache


def begin_database() -> None:
    """Put an empty database where the settings name an SQLite file that is not there; do nothing anywhere else.

    The first one of each version of Prefect is made by its migrations and kept in the user's cache.
    """
    database = _sqlite_file()
    if database is None or database.exists():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    try:
        empty = UserCache().file(f"prefect-{prefect.__version__}.db", partial(_migrated, database))
    except UnsafeCache:
        return  # Prefect makes its own
    if not database.exists():
        _place(empty, database)


def _sqlite_file() -> Path | None:
    _, found, place = PREFECT_SERVER_DATABASE_CONNECTION_URL.value().partition("sqlite+aiosqlite:///")
    return Path(place) if found and place and "?" not in place and ":memory:" not in place else None


def _migrated(database: Path, copy: Path) -> None:
    """Make the database as Prefect would, and a copy of it in one file."""
    from prefect.server.database import provide_database_interface

    asyncio.run(provide_database_interface().create_db())
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _place(empty: Path, database: Path) -> None:
    """Copy it whole or not at all; one that another server has begun meanwhile stays."""
    part = database.with_name(f".{uuid.uuid4().hex}")
    shutil.copyfile(empty, part)
    try:
        os.link(part, database)
    except FileExistsError:
        pass
    finally:
        part.unlink()


def main() -> None:
    """Fill the cache, so that the first run need not."""
    with tempfile.TemporaryDirectory(prefix="opendlign-prefect-") as folder:
        url = f"sqlite+aiosqlite:///{folder}/prefect.db"
        with temporary_settings({PREFECT_HOME: folder, PREFECT_SERVER_DATABASE_CONNECTION_URL: url}):
            begin_database()


if __name__ == "__main__":
    main()
