"""What the C library does with memory that is freed."""

import ctypes
import functools
from contextlib import suppress

# Parameters of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK = 32 * 2**20
"""The most that glibc takes for the second one."""
_MOST_KEPT = 2**30


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process use freed memory of up to a gibibyte again, instead of handing it back; whether that is done.

    The tensors of a forward pass are megabytes that come and go: handed back each time, they cost the kernel a sixth
    of the pass. Other C libraries than glibc stay as they are.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK) and mallopt(_TRIM_THRESHOLD, _MOST_KEPT))
    return False
