"""What a Python process of our own is told of the world: it works for its parent and needs no credentials."""

import os
import sys

_KEPT = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONHOME",
    "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1")


def bare_environment() -> dict[str, str]:
    """The environment of a child that imports what this process imports, and computes in one thread.

    >>> bare_environment()["OMP_NUM_THREADS"]
    '1'
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
