"""
A data plane in the process at hand.
"""

from __future__ import annotations

import gc
import os
import platform
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from _scripted import ScriptedReactor
from twisted.internet.testing import MemoryReactorClock

from tlsgate.workers import (
    LocalPlane,
    Setup,
    Supervisor,
    forbid_core_dumps,
    give_back_memory,
    raise_descriptor_limit,
)


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """
    Afterwards the collector looks at everything again.
    """
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("unfrozen")
def test_what_start_up_made_is_frozen() -> None:
    """
    No collection looks at it again, whoever serves.
    """
    local = LocalPlane(MemoryReactorClock(), Setup(identity="test"))
    for plane in (local, Supervisor(ScriptedReactor(), Setup(identity="test"), workers=1)):
        assert gc.get_freeze_count() == 0
        plane.freeze()
        assert gc.get_freeze_count() > 10_000
        gc.unfreeze()
    with pytest.raises(StopIteration):
        local.close().send(None)


def test_limits_of_the_process() -> None:
    """
    As many descriptors as the hard limit allows, and no core dumps, in a process of its own.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
            raise_descriptor_limit()
            forbid_core_dumps()
            status = int(
                resource.getrlimit(resource.RLIMIT_NOFILE) != (hard, hard)
                or resource.getrlimit(resource.RLIMIT_CORE) != (0, 0)
            )
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library keeps it, and has a word for it")
def test_memory_between_what_is_still_in_use() -> None:
    """
    Goes back to the system: by itself it would not.
    """

    def held() -> int:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:"))

    # Larger than what Python's own allocator takes, smaller than what is mapped by itself.
    crowd = [bytearray(700) for _ in range(50_000)]
    few = crowd[::500]
    before = held()
    del crowd
    freed = before - held()
    give_back_memory()
    assert before - held() > freed + 20_000
    assert len(few) == 100
