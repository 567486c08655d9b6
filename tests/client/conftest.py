"""
A client beside a gate in memory.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from _memory_gate import MemoryGate


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[MemoryGate]:
    """
    A fresh gate.
    """
    made = MemoryGate(tmp_path / "state")
    yield made
    made.stop()
