"""
What time does to certificates, told.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import LogLevel, capturedLogs

from tlsgate.sites import ServerCertificate
from tlsgate.watching import StateWatch

NOW = 1_800_000_000.0
DAY = 86400.0


def certificate(begin: float = -1, end: float = 90) -> ServerCertificate:
    return ServerCertificate(
        name="a",
        chain=b"",
        key=b"",
        names=(),
        not_before=NOW + begin * DAY,
        not_after=NOW + end * DAY,
        key_type="",
        fingerprint="0",
    )


def walk(one: ServerCertificate, days: float) -> tuple[list[str], list[str]]:
    """
    Look every hour for some days.

    @return: the events, and the levels of what was logged.
    """
    now = [NOW]
    events: list[tuple[str, Any]] = []
    watch = StateWatch(publish=lambda kind, content: events.append((kind, content)), wall=lambda: now[0])
    with capturedLogs() as logged:
        for hour in range(int(days * 24) + 1):
            now[0] = NOW + hour * 3600.0
            watch.look({"a": one})
    levels = [LogLevel.levelWithName(event["log_level"].name).name for event in logged]
    return [content["what"] for _, content in events], levels


def test_a_long_life_is_quiet() -> None:
    """
    Nothing is said of a certificate that is valid.
    """
    assert walk(certificate(), 10) == ([], [])


def test_warns_daily_and_complains_once() -> None:
    """
    While it expires there is a warning a day, once it has an error, and an event for each change.
    """
    events, levels = walk(certificate(end=33), 36)
    assert events == ["expiring", "expired"]
    assert levels == ["warn"] * 30 + ["error"]


def test_a_time_that_comes_is_told() -> None:
    """
    A certificate of the future becomes valid by itself.
    """
    assert walk(certificate(begin=2), 3) == (["valid"], ["info", "info"])
