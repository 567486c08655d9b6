"""
What keeps generations keeps its promises in name, too.
"""

from __future__ import annotations

from pathlib import Path

from zope.interface.verify import verifyObject

from tlsgate.settings import FileStore, Generation, IStaged, IStore


def test_the_file_store_is_a_store(tmp_path: Path) -> None:
    """
    A folder has every verb of a store, and what it stages every verb of that.
    """
    store = FileStore(tmp_path / "state")
    assert verifyObject(IStore, store)
    store.open()
    staged = store.stage(0, Generation(number=1, parent=0, time=0.0, author="a"))
    assert verifyObject(IStaged, staged)
    staged.give_up()
    assert store.next_number() == 1
