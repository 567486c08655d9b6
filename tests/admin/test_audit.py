"""
The audit log: on the disk before the answer, put aside when full, read from its end.
"""

import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from tlsgate.admin import AuditLog
from tlsgate.admin._audit import KEPT_FILES, AuditRecord

NOW = 1_700_000_000.0


def record(**more: Any) -> AuditRecord:
    """
    A record of a change.
    """
    fields = {"author": "ada", "peer": "127.0.0.1", "method": "PUT", "path": "/api/v1/settings", "status": 200, **more}
    return AuditRecord(**fields)


def result(reading: Any) -> Any:
    """
    What a coroutine that does not wait comes to.
    """
    found: list[Any] = []
    Deferred.fromCoroutine(reading).addBoth(found.append)
    return found[0]


def test_newest_first_by_author_code_and_time(tmp_path: Path) -> None:
    """
    Records are found by who, by code and by time, the newest first, as many as are asked for.
    """
    clock = [NOW]
    log = AuditLog(tmp_path / "audit.log", wall=lambda: clock[0])
    for number in range(6):
        clock[0] += 60
        log.add(record(author="ada" if number % 2 else "bob", code="pinned" if number > 2 else "", reason=f"{number}"))
    assert [one["reason"] for one in result(log.read())] == ["5", "4", "3", "2", "1", "0"]
    assert [one["reason"] for one in result(log.read(author="ada"))] == ["5", "3", "1"]
    assert [one["reason"] for one in result(log.read(author="bob", code="pinned"))] == ["4"]
    assert [one["reason"] for one in result(log.read(limit=2))] == ["5", "4"]
    since = result(log.read(limit=2))[1]["time"]
    assert [one["reason"] for one in result(log.read(since=since))] == ["5", "4"]


def test_full_files_are_put_aside_and_the_oldest_go(tmp_path: Path) -> None:
    """
    Files stay within their size, all private; what is in the kept ones is found, what is older is gone.
    """
    path = tmp_path / "audit.log"
    log = AuditLog(path, wall=lambda: NOW, largest=1000)
    for number in range(100):
        log.add(record(reason=f"{number}"))
    files = sorted(tmp_path.iterdir())
    assert len(files) == KEPT_FILES + 1
    assert all(file.stat().st_size <= 1000 and file.stat().st_mode & 0o777 == 0o600 for file in files)
    found = [int(one["reason"]) for one in result(log.read(limit=1000))]
    assert found == list(range(99, 99 - len(found), -1))
    assert 20 < len(found) < 100


def test_lines_longer_than_a_block_and_cut_ones(tmp_path: Path) -> None:
    """
    A line that a crash cut short is passed over, and lines are found whole wherever a block ends.
    """
    path = tmp_path / "audit.log"
    log = AuditLog(path, wall=lambda: NOW)
    for number in range(400):
        log.add(record(reason=f"{number}", detail="x" * 450))
    path.write_bytes(path.read_bytes() + b'{"time": "2023')
    found = result(log.read(limit=1000))
    assert [one["reason"] for one in found] == [str(number) for number in range(399, -1, -1)]


def test_what_comes_during_a_write_is_written_together(tmp_path: Path) -> None:
    """
    Records that come while the disk is slow wait for one write, and each is told when it is done.
    """
    running: list[tuple[Any, Any, Deferred[None]]] = []

    def later(call: Any, *arguments: Any) -> Deferred[None]:
        running.append((call, arguments, Deferred()))
        return running[-1][2]

    def run() -> None:
        call, arguments, done = running.pop(0)
        call(*arguments)
        done.callback(None)

    path = tmp_path / "audit.log"
    log = AuditLog(path, wall=lambda: NOW, in_thread=later)
    told: list[int] = []
    for number in range(3):
        log.add(record(reason=str(number))).addCallback(lambda _, number=number: told.append(number))
    run()
    assert (told, len(path.read_text().splitlines()), len(running)) == ([0], 1, 1)
    run()
    assert (told, len(path.read_text().splitlines()), running) == ([0, 1, 2], 3, [])


def test_a_disk_that_is_full_does_not_stop_anybody(tmp_path: Path) -> None:
    """
    That a record cannot be written is logged, and the change goes on.
    """
    log = AuditLog(tmp_path / "missing" / "audit.log", wall=lambda: NOW)
    assert log.add(record()).called
    assert result(log.read()) == []


def test_no_token_stands_in_it(tmp_path: Path) -> None:
    """
    A token that somebody put into a path or a reason is removed.
    """
    path = tmp_path / "audit.log"
    AuditLog(path, wall=lambda: NOW).add(record(reason="use tlsg_abcDEF-1", path="/tlsg_abcDEF-1"))
    line = json.loads(path.read_text())
    assert line["reason"] == "use tlsg_[removed]"
    assert "abcDEF" not in path.read_text()
