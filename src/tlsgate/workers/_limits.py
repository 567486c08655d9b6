"""
What the operating system lets a process have, and what it must not do with it.
"""

from __future__ import annotations

import os
import resource

from twisted.logger import Logger

__all__ = ["core_count", "forbid_core_dumps", "raise_descriptor_limit"]

_log = Logger()


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


def core_count() -> int:
    """
    The cores that this process may run on.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
