"""
The bench of the upstream room's tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from _upstream_bench import UpstreamBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[UpstreamBench]:
    """
    A hub and an origin of the test's own.
    """
    bench = UpstreamBench(tmp_path)
    yield bench
    bench.close()
