"""
What a running process uses, as the kernel counts it.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cpu_seconds", "descriptors", "resident"]


def cpu_seconds(pid: int) -> float:
    """
    Used by a process so far.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """
    Bytes of memory in use.
    """
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    """
    How many it has open.
    """
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
