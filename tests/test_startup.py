"""
What the service needs around its start and its end.
"""

from __future__ import annotations

import subprocess
import sys

WAITS_FOR_EVER = """
import threading

from tlsgate.startup import end_within

threading.Thread(target=threading.Event().wait).start()
{}
"""


def test_a_thread_that_waits_does_not_hold_up_the_end() -> None:
    """
    The interpreter would join it, for ever.
    """
    ended = subprocess.run([sys.executable, "-c", WAITS_FOR_EVER.format("end_within(0)")], timeout=60, check=False)
    assert ended.returncode == 0


def test_an_end_in_order_comes_first() -> None:
    """
    And is what the exit status tells.
    """
    code = "from tlsgate.startup import end_within\nend_within(60)\nraise SystemExit(3)"
    assert subprocess.run([sys.executable, "-c", code], timeout=50, check=False).returncode == 3
