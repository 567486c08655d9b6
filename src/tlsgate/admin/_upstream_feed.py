"""
Servers that go down and come back, as events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..interfaces import WorkerReport

__all__ = ["UpstreamFeed", "merged_states"]


def merged_states(reports: Iterable[WorkerReport]) -> dict[tuple[str, str], str]:
    """
    The state of each server, by the names of upstream and server: C{down} if any worker thinks so.
    """
    states: dict[tuple[str, str], str] = {}
    for report in reports:
        for upstream, servers in report.upstreams.items():
            for server, state in servers.items():
                if state == "down" or (upstream, server) not in states:
                    states[upstream, server] = state
    return states


class UpstreamFeed:
    """
    Remembers what was told, to tell what is new.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], str] | None = None

    def news(self, reports: Iterable[WorkerReport]) -> list[Mapping[str, Any]]:
        """
        The contents of C{upstream} events: a server whose state is another one, or one that is new and not C{up}.  The
        first look tells nothing.
        """
        states = merged_states(reports)
        before, self._told = self._told, states
        if before is None:
            return []
        return [
            {"upstream": upstream, "server": server, "state": state, "before": before.get((upstream, server), "up")}
            for (upstream, server), state in states.items()
            if state != before.get((upstream, server), "up")
        ]
