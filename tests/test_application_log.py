"""
The gate's own log: how much, in which form, and where.
"""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import ILogObserver, Logger, LogPublisher
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from tlsgate.application_log import ApplicationLog


class Twistd:
    """
    As much of twistd as a log sees of it.
    """

    def __init__(self, **options: Any) -> None:
        self.log = ApplicationLog(options)
        self.application = Componentized()
        self.publisher = LogPublisher()
        self.logger = Logger("tlsgate.test", observer=self.publisher)

    def begin(self) -> None:
        """
        What it does just before it runs the service.
        """
        self.log.attach(self.application)
        observer = self.application.getComponent(ILogObserver)
        assert observer is self.log
        self.publisher.addObserver(observer)


def test_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In the foreground that is where it goes, from C{info} on, as twistd writes it.
    """
    monkeypatch.setattr("sys.stdout", said := StringIO())
    twistd = Twistd(nodaemon=True, logfile=None)
    twistd.begin()
    twistd.logger.debug("small")
    twistd.logger.info("{what} happened", what="something")
    assert said.getvalue().endswith(" [tlsgate.test#info] something happened\n")
    assert said.getvalue().count("\n") == 1


def test_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is less severe is left out; it can be changed while the log is used.
    """
    monkeypatch.setattr("sys.stdout", said := StringIO())
    twistd = Twistd(nodaemon=True, logfile="-")
    twistd.begin()
    for level in ("warn", "debug", "error"):
        twistd.log.configure(level, "text")
        for each in ("debug", "info", "warn", "error", "critical"):
            getattr(twistd.logger, each)(f"{level}-{each}")
    words = [line.split()[-1] for line in said.getvalue().splitlines()]
    assert words == [
        *("warn-warn", "warn-error", "warn-critical"),
        *("debug-debug", "debug-info", "debug-warn", "debug-error", "debug-critical"),
        *("error-error", "error-critical"),
    ]


def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An event is an object on one line, whatever is in it.
    """
    monkeypatch.setattr("sys.stdout", said := StringIO())
    twistd = Twistd(nodaemon=True, logfile="")
    twistd.begin()
    twistd.log.configure("info", "json")
    twistd.logger.warn("[worker {worker}] two\nlines and a \N{SNOWMAN}", worker=7)
    try:
        raise ValueError("no")
    except ValueError:
        twistd.logger.failure("It broke", Failure())
    twistd.logger.info("{never} formatted")
    first, second, third = map(json.loads, said.getvalue().splitlines())
    stamp = first.pop("ts")
    assert first == {
        "level": "warn",
        "logger": "tlsgate.test",
        "message": "[worker 7] two\nlines and a \N{SNOWMAN}",
        "worker": 7,
    }
    assert stamp[10] == "T"
    assert stamp.endswith("Z")
    assert (second["level"], second["message"]) == ("critical", "It broke")
    assert second["traceback"].rstrip().endswith("ValueError: no")
    assert "Unable to format event" in third["message"]


def test_a_file_is_opened_again(tmp_path: Path) -> None:
    """
    After a rotation what follows is in the new file; if that cannot be, it goes on to where it went.
    """
    folder = tmp_path / "log"
    folder.mkdir()
    path = folder / "gate.log"
    twistd = Twistd(nodaemon=False, logfile=str(path))
    assert not path.exists()
    twistd.begin()
    twistd.logger.info("one")
    rotated = path.rename(tmp_path / "gate.log.1")
    twistd.log.reopen()
    twistd.logger.info("two")
    moved = folder.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        twistd.log.reopen()
    twistd.logger.info("three")
    assert rotated.read_text().split()[-1] == "one"
    assert [line.split()[-1] for line in (moved / "gate.log").read_text().splitlines()] == ["two", "three"]


def test_a_daemon_that_was_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It logs to C{twistd.log}, as any other, and keeps that file when it changes its folder.
    """
    monkeypatch.chdir(tmp_path)
    twistd = Twistd(nodaemon=False, logfile=None)
    twistd.begin()
    monkeypatch.chdir("/")
    twistd.log.reopen()
    twistd.logger.info("here")
    assert (tmp_path / "twistd.log").read_text().split()[-1] == "here"


@pytest.mark.parametrize("options", [{"logfile": "-"}, {"nodaemon": True, "logger": "somebody.else"}])
def test_what_is_not_ours(options: dict[str, Any]) -> None:
    """
    That a daemon has no standard output is for twistd to say; C{--logger} makes what is logged through.
    """
    twistd = Twistd(**options)
    twistd.log.attach(twistd.application)
    assert twistd.application.getComponent(ILogObserver, None) is None


def test_syslog(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The level holds there too; the form is the system's.
    """
    said: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda *words: said.append(words[-1]))
    twistd = Twistd(syslog=True, prefix="gate")
    twistd.begin()
    twistd.log.configure("warn", "json")
    twistd.logger.info("not this")
    twistd.logger.warn("this")
    assert [line.split()[-1] for line in said] == ["this"]


def test_nothing_before_twistd_begins() -> None:
    """
    Settings may be known earlier.
    """
    log = ApplicationLog({})
    log.configure("debug", "json")
    log({"log_format": "lost"})
    log.reopen()
