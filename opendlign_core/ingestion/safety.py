"""Bounds that every reader keeps, and the one way in which a parser's failure becomes a reason.

Declared sizes are checked against the bytes at hand before anything is allocated for them.
"""

import errno
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opendlign_core.ingestion.errors import DoubtfulShape, ReadFault, UnreadableShape

_DOUBTFUL = (OSError, RuntimeError, SystemError, ImportError)
"""What native code also raises where it finds no memory."""

_NOT_OF_THE_FILE = frozenset((
    errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENODEV, errno.ENXIO,
    errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
))  # fmt: skip
"""What a system answers when it cannot get at the bytes at all."""

_FOLDERS = re.compile(r"""(?<=['"])/(?:[^'"/]*/)*""")
"""Where a file lies, which is another place on every machine and no part of a reason."""

MAX_FILE_BYTES = 512 << 20
"""Largest file or archive member that is read whole."""
MAX_ELEMENTS = 20_000_000
"""Most points, vertices, or face corners that one shape may have."""
MAX_EXPANSION = 200
"""Largest ratio of unpacked to packed size that an honest archive of geometry shows."""


def require(condition: bool, reason: str) -> None:
    """Raise UnreadableShape with that reason unless the condition holds."""
    if not condition:
        raise UnreadableShape(reason)


def checked_count(count: int, what: str, available: int, bytes_each: int) -> int:
    """Return a declared count if it is neither negative nor more than the limit or the bytes at hand allow."""
    require(count >= 0, f"declares {count} {what}")
    require(count <= MAX_ELEMENTS, f"declares {count} {what}; at most {MAX_ELEMENTS} are accepted")
    require(
        count * bytes_each <= available,
        f"declares {count} {what}, which need {count * bytes_each} bytes, but holds {available}",
    )
    return count


def read_bounded(path: Path) -> bytes:
    """Read a whole file of at most MAX_FILE_BYTES."""
    size = path.stat().st_size
    require(size <= MAX_FILE_BYTES, f"is {size} bytes long; at most {MAX_FILE_BYTES} are accepted")
    require(size > 0, "is empty")
    return path.read_bytes()


def read_zip_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read one member of a zip archive into memory, refusing one that unpacks to an absurd size."""
    info = archive.getinfo(name)
    require(info.file_size <= MAX_FILE_BYTES, f"member {name!r} unpacks to {info.file_size} bytes")
    allowed = MAX_EXPANSION * info.compress_size + (1 << 20)
    require(info.file_size <= allowed, f"member {name!r} unpacks from {info.compress_size} to {info.file_size} bytes")
    with archive.open(info) as stream:
        return stream.read(info.file_size)


@contextmanager
def parsing(kind: str) -> Iterator[None]:
    """Turn whatever a parser raises on malformed bytes into UnreadableShape; memory errors and interrupts pass.

    A disk or network that fails is a ReadFault.

    Parsers of others have error classes of their own, so every Exception counts as the file's fault; that valid files
    of each format are read is what the tests are for.
    """
    try:
        yield
    except (UnreadableShape, MemoryError):
        raise
    except PermissionError as error:
        raise UnreadableShape("may not be read (permission denied)") from error
    except _DOUBTFUL as error:
        if isinstance(error, OSError) and error.errno in _NOT_OF_THE_FILE:
            raise ReadFault(f"could not be read ({_brief(error)})") from error
        raise DoubtfulShape(f"is not a valid {kind} file ({_brief(error)})") from error
    except Exception as error:
        raise UnreadableShape(f"is not a valid {kind} file ({_brief(error)})") from error
    except BaseException as error:
        # Panics of Rust extensions derive from BaseException alone and cannot be named without importing one.
        if type(error).__name__ == "PanicException":
            raise UnreadableShape(f"is not a valid {kind} file ({_brief(error)})") from error
        raise


def _brief(error: BaseException) -> str:
    told = (error.strerror if isinstance(error, OSError) else None) or _FOLDERS.sub("", str(error))
    text = " ".join(told.split()) or "no details"
    return f"{type(error).__name__}: {text[:160]}"
