"""
What the service manager is told, and when nobody is.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from tlsgate.workers import ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    """
    The manager's end.
    """
    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    end.bind(str(tmp_path / "notify"))
    end.settimeout(0.0)
    return end


def heard(manager: socket.socket) -> list[str]:
    """
    Everything that was said since.
    """
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


def test_states_are_told_in_one_line_each(manager: socket.socket) -> None:
    """
    A status cannot smuggle a state.
    """
    service = ServiceManager(manager.getsockname())
    service.ready("serving\nWATCHDOG=trigger")
    service.stopping(30)
    service.stop()
    service.status("too late")
    assert heard(manager) == [
        "READY=1\nSTATUS=serving WATCHDOG=trigger",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=draining",
    ]
    manager.close()


def test_the_watchdog_is_fed_three_times_as_often_as_it_asks(manager: socket.socket) -> None:
    """
    One lost turn does not end a healthy gate.
    """
    clock = Clock()
    service = ServiceManager(manager.getsockname(), watchdog=3.0)
    service.start(clock)
    clock.pump([1.0] * 3)
    assert heard(manager) == ["WATCHDOG=1"] * 4
    service.stop()
    assert clock.getDelayedCalls() == []
    manager.close()


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "3000000"}, 0.0),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "3000000"}, 3.0),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "42"}, 3.0),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "43"}, 0.0),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "-1"}, 0.0),
        ({"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "3000000"}, 0.0),
    ],
)
def test_the_environment_says_who_started_us(environment: dict[str, str], watchdog: float) -> None:
    """
    A watchdog that was meant for another process is not ours; children find nothing of it.
    """
    service = ServiceManager.from_environment(environment, 42)
    assert service.watchdog == watchdog
    assert environment == {}
    service.stop()


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    """
    It is logged, and that is all.
    """
    service = ServiceManager(str(tmp_path / "nobody"))
    service.ready("serving")
    service.reloading()
    service.stop()
