"""
Tests for L{tlsgate.downstream._access_log}.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from tlsgate.counters import Counters
from tlsgate.downstream._access_lines import combined_line, json_line
from tlsgate.downstream._access_log import (
    BATCH,
    WAITING_BATCHES,
    WRITE_SIZE,
    AccessLog,
)

INSTANT = 1_700_000_000.25

EXCHANGE: dict[str, Any] = {
    "request_id": "r1",
    "peer_ip": "192.0.2.1",
    "client_ip": "198.51.100.7",
    "site": "shop",
    "host": b"shop.example",
    "method": b"GET",
    "target": b"/a?b=c",
    "version": b"HTTP/1.1",
    "status": 200,
    "bytes_in": 0,
    "bytes_out": 12,
    "duration": 0.0123456,
    "upstream": "http://127.0.0.1:9000",
    "upstream_duration": 0.01,
    "tls_version": "TLSv1.3",
    "cipher": "TLS_AES_128_GCM_SHA256",
    "sni": "shop.example",
    "user_agent": b"curl/8",
    "referer": b"",
    "client_ip_from": "x-forwarded-for",
}


def record(**more: Any) -> Any:
    return (*(EXCHANGE | more).values(), INSTANT)


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Opened:
    """
    A log on a file.
    """

    def __init__(self, path: Path | int | None, clock: Clock, format_name: str = "json") -> None:
        self.counters = Counters()
        self.log = AccessLog(path, format_name, clock, self.counters, lambda: INSTANT)

    def append(self, **more: Any) -> None:
        self.log.append(*(EXCHANGE | more).values())


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Opened]:
    made = Opened(tmp_path / "access.log", clock)
    yield made
    made.log.close()


def eventually(so: Any) -> None:
    end = time.monotonic() + 5
    while not so():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def test_written_within_a_second(opened: Opened, tmp_path: Path, clock: Clock) -> None:
    """A line is in the file soon after the next tick."""
    opened.append()
    path = tmp_path / "access.log"
    assert path.read_bytes() == b""
    clock.advance(1)
    eventually(lambda: path.read_bytes() == json_line(record()))


def test_a_full_batch_does_not_wait(opened: Opened, tmp_path: Path) -> None:
    """Many records go to the writer before the second is over, in whole lines and in order."""
    for status in range(BATCH):
        opened.append(status=status)
    path = tmp_path / "access.log"
    eventually(lambda: path.read_bytes().count(b"\n") == BATCH)
    assert [json.loads(line)["status"] for line in path.read_bytes().splitlines()] == list(range(BATCH))


def test_close_writes_what_waits(opened: Opened, tmp_path: Path) -> None:
    """Close leaves nothing behind, may be called again, and nothing is taken afterwards."""
    opened.append()
    opened.log.close()
    opened.append()
    opened.log.close()
    assert (tmp_path / "access.log").read_bytes() == json_line(record())
    assert not opened.log.enabled


def test_rotation(opened: Opened, tmp_path: Path) -> None:
    """What came before reopen is in the old file, what comes after in the new."""
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    opened.append(status=200)
    path.rename(old)
    opened.log.reopen()
    opened.append(status=201)
    opened.log.close()
    assert [json.loads(one.read_bytes())["status"] for one in (old, path)] == [200, 201]


def test_reopen_that_fails_goes_on_with_the_old_file(opened: Opened, tmp_path: Path) -> None:
    """If the name cannot be opened, the open file still takes lines and none is lost."""
    path, old = tmp_path / "access.log", tmp_path / "old"
    path.rename(old)
    path.mkdir()
    opened.log.reopen()
    opened.append()
    opened.log.close()
    assert old.read_bytes() == json_line(record())
    assert opened.counters.log_dropped == 0


def test_full_disk(clock: Clock) -> None:
    """On a full disk lines are dropped and counted, exactly."""
    opened = Opened(Path("/dev/full"), clock)
    for _ in range(250):
        opened.append()
    opened.log.close()
    assert opened.counters.log_dropped == 250


def test_a_stalled_writer_delays_nothing(clock: Clock) -> None:
    """While nobody reads the pipe, appending goes on, memory is bounded, and what is lost is counted."""
    reading, writing = os.pipe()
    try:
        opened = Opened(writing, clock)
        total = BATCH * (WAITING_BATCHES + 5)
        started = time.monotonic()
        for _ in range(total):
            opened.append()
        assert time.monotonic() - started < 5
        assert opened.counters.log_dropped >= 4 * BATCH

        def drain() -> int:
            lines = 0
            while data := os.read(reading, 65536):
                lines += data.count(b"\n")
            return lines

        read: list[int] = []
        thread = threading.Thread(target=lambda: read.append(drain()))
        thread.start()
        opened.log.close(timeout=20)
        os.close(writing)
        writing = -1
        thread.join(10)
        assert read[0] + opened.counters.log_dropped == total
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def test_descriptor_stays_its_owners(clock: Clock, tmp_path: Path) -> None:
    """A descriptor is not closed, and reopen leaves it alone."""
    descriptor = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT, 0o600)
    opened = Opened(descriptor, clock, "combined")
    opened.log.reopen()
    opened.append()
    opened.log.close()
    os.fstat(descriptor)
    os.close(descriptor)
    assert (tmp_path / "out").read_bytes() == combined_line(record())


def test_none(clock: Clock) -> None:
    """Without a destination nothing runs and nothing is kept."""
    opened = Opened(None, clock)
    opened.append()
    opened.log.reopen()
    opened.log.close()
    assert not opened.log.enabled
    assert clock.getDelayedCalls() == []
    assert opened.log._records == []


def test_several_workers_share_a_file(tmp_path: Path, clock: Clock) -> None:
    """Logs that append to one file tear no line."""
    path = tmp_path / "access.log"
    logs = [Opened(path, clock) for _ in range(3)]
    for status in range(700):
        for each in logs:
            each.append(status=status)
    for each in logs:
        each.log.close()
    statuses = [json.loads(line)["status"] for line in path.read_bytes().splitlines()]
    assert sorted(statuses) == sorted(list(range(700)) * 3)
    assert path.stat().st_size > 10 * WRITE_SIZE


def test_not_for_the_world(opened: Opened, tmp_path: Path) -> None:
    """Who visits what is nobody else's business."""
    assert (tmp_path / "access.log").stat().st_mode & 0o007 == 0


TORN = """
import json, resource, sys
from pathlib import Path
from tlsgate.counters import Counters
from tlsgate.downstream._access_lines import json_line
from tlsgate.downstream._access_log import AccessLog
from twisted.internet.task import Clock

path, counters = Path(sys.argv[1]), Counters()
log = AccessLog(path, "json", Clock(), counters, lambda: 0.0)
exchange = ("r", "", "", "", b"", b"", b"", b"", 200, 0, 0, 0.0)
size = len(json_line((*exchange, "", None, "", "", "", b"", b"", "", 0.0)))
resource.setrlimit(resource.RLIMIT_FSIZE, (size * 5 // 2, resource.RLIM_INFINITY))
for _ in range(4):
    log.append(*exchange)
log.reopen()
log.close()
assert counters.log_dropped == 2, counters.log_dropped
text = path.read_bytes()
assert len(text) == size * 5 // 2

log = AccessLog(path, "json", Clock(), counters, lambda: 0.0)
writer = log._writer
for _ in range(4):
    log.append(*exchange)
log.flush()
while not counters.log_dropped == 6:
    log.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
path.write_bytes(b"torn")
writer._torn = True
log.append(*exchange)
log.close()
lines = path.read_bytes().split(b"\\n")
assert lines[0] == b"torn" and json.loads(lines[1])["status"] == 200 and lines[2] == b"", lines
sys.stdout.write("fine")
"""


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    """Where the disk filled up in the middle of a line, the next line begins on a fresh one."""
    done = subprocess.run(
        [sys.executable, "-c", TORN, str(tmp_path / "log")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("fine", 0), done.stderr
