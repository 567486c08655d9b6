"""
What the operating system lets a process have, and what it must not do with it.
"""

from __future__ import annotations

import ctypes
import os
import resource
from typing import Final

from twisted.logger import Logger

__all__ = ["core_count", "forbid_core_dumps", "give_back_memory", "raise_descriptor_limit"]

_log = Logger()

#: Of the GNU C library only.
_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)


def raise_descriptor_limit() -> None:
    """
    As many open files as the hard limit allows: each exchange holds two connections.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        _log.warn("The limit of open files could not be raised")


def forbid_core_dumps() -> None:
    """
    No core dump: it would hold private keys.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ValueError, OSError):
        _log.warn("Core dumps could not be forbidden")


def give_back_memory() -> None:
    """
    Return what was freed to the system.  By itself the C library keeps pages between what is still in use: some
    kilobytes for each change, for good.  Takes half a millisecond where there is nothing, a few for a hundred megabytes.
    """
    if _trim is not None:
        _trim(0)


def core_count() -> int:
    """
    The cores that this process may run on.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
