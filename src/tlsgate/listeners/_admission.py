"""
How many clients may be connected at once: in all and from one address.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from typing import Final

from ..sites import Limits

__all__ = ["Admission", "descriptor_limit"]

# Descriptors that clients never get: the hub, logs, listeners, and connections to upstreams.
SMALLEST_RESERVE: Final = 64
LARGEST_RESERVE: Final = 1024


def descriptor_limit() -> int:
    """
    How many client connections the process's descriptors allow: the soft limit less a reserve of a quarter, at least
    64 and at most 1,024 descriptors.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1_000_000
    return max(16, soft - min(LARGEST_RESERVE, max(SMALLEST_RESERVE, soft // 4)))


class Admission:
    """
    Counts the client connections of one worker, over all its bindings; those of the others as it hears of them.

    @ivar total: connections now admitted.
    @ivar total_limit: how many may be.
    """

    __slots__ = (
        "_by_address", "_elsewhere", "_elsewhere_by_address", "_news", "_shared", "_tell", "address_limit", "total",
        "total_limit",
    )  # fmt: skip

    def __init__(self, limits: Limits | None = None) -> None:
        self.total = 0
        self._by_address: dict[str, int] = {}
        # What other workers have admitted.
        self._elsewhere = 0
        self._elsewhere_by_address: dict[str, int] = {}
        self._tell: Callable[[], None] | None = None
        # Whose counts changed since they were told; None where nobody counts together.
        self._news: set[str] | None = None
        self.set_limits(limits or Limits())

    def set_limits(self, limits: Limits) -> None:
        """
        Count against other limits from now on; who is connected stays.
        """
        self._shared = limits.connections > 0
        self.total_limit = limits.connections or descriptor_limit()
        self.address_limit = limits.connections_per_address
        counted = self._shared or self.address_limit > 0
        if self._tell is not None and counted and self._news is None:
            self._news = {"", *self._by_address}
            self._tell()
        elif not counted:
            self._news = None

    def share(self, tell: Callable[[], None]) -> None:
        """
        Count together with other workers wherever there is a limit to count against.

        @param tell: called when there are C{news}, once for all until they are taken.
        """
        self._tell = tell

    def news(self) -> tuple[int, dict[str, int]]:
        """
        Connections in all, and those of each address where they changed since this was asked last.
        """
        news, self._news = self._news or set(), None if self._news is None else set()
        return self.total, {key: self._by_address.get(key, 0) for key in news if key}

    def hear(self, total: int, by_address: Mapping[str, int]) -> None:
        """
        Other workers have admitted this many, and of these addresses.
        """
        self._elsewhere = total
        for key, count in by_address.items():
            if count:
                self._elsewhere_by_address[key] = count
            else:
                self._elsewhere_by_address.pop(key, None)

    def _changed(self, key: str) -> None:
        if self._news is not None and self._tell is not None:
            if not self._news:
                self._tell()
            self._news.add(key)

    def enter(self) -> bool:
        """
        Admit one more connection, if the total allows; C{leave} undoes it.
        """
        if self.total + (self._elsewhere if self._shared else 0) >= self.total_limit:
            return False
        self.total += 1
        if self._news is not None:
            self._changed("")
        return True

    def leave(self) -> None:
        """
        One connection is gone.
        """
        self.total -= 1
        if self._news is not None:
            self._changed("")

    def enter_address(self, address: str) -> bool:
        """
        Count one more connection of an address, if its limit allows; C{leave_address} undoes it.

        @param address: an IP address; empty (a UNIX socket) is never limited.
        """
        if not address:
            return True
        key = _key(address)
        count = self._by_address.get(key, 0)
        if 0 < self.address_limit <= count + self._elsewhere_by_address.get(key, 0):
            return False
        self._by_address[key] = count + 1
        if self._news is not None:
            self._changed(key)
        return True

    def leave_address(self, address: str) -> None:
        """
        One connection of an address is gone.
        """
        if not address:
            return
        key = _key(address)
        count = self._by_address[key] - 1
        if count:
            self._by_address[key] = count
        else:
            del self._by_address[key]
        if self._news is not None:
            self._changed(key)


def _key(address: str) -> str:
    """
    Who an address belongs to: an IPv6 host has its whole /64 (RFC 6177), or the limit would be none.
    """
    if ":" not in address:
        return address
    head = address.partition("%")[0]
    # The first 64 bits in inet_ntop's spelling: four groups, or what stands before "::".
    before, found, after = head.partition("::")
    groups = before.split(":") if before else []
    if found:
        tail = after.split(":") if after else []
        groups += ["0"] * (8 - len(groups) - len(tail)) + tail
    return ":".join(groups[:4]) + "::/64"
