"""
What the service needs around its start and its end.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tlsgate.settings import FileStore, Generation, default_document, read_options
from tlsgate.startup import first_settings

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


def test_binds_what_was_served_last(tmp_path: Path) -> None:
    """
    Before privileges drop, the bindings of the stored generation count, not those of a first start.
    """
    options = read_options(environ={}, foreground=True, state=str(tmp_path / "state"))

    def endpoints() -> list[str]:
        settings = first_settings(options, FileStore(options.state))
        return [binding.endpoint.description for binding in settings.bindings]

    assert endpoints() == ["tcp:8080", "tcp:8443"]
    store = FileStore(options.state)
    store.open()
    document = default_document()
    document["binding"][1]["endpoint"] = "tcp:443"
    store.commit(0, Generation(number=1, parent=0, time=0.0, author="tests", document=document))
    store.close()
    assert endpoints() == ["tcp:8080", "tcp:443"]
