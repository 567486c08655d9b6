"""
Guessing tokens is slow: so many failures a minute for each address, without locking out anybody else.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final

__all__ = ["FailedAttempts"]

WINDOW: Final = 60.0
ALLOWED: Final = 10

#: Addresses remembered at once; the one that failed longest ago is forgotten first.
REMEMBERED: Final = 4096


class FailedAttempts:
    """
    Failed authentications by address, over the last minute.  An IPv6 host owns its whole /64 and counts as one.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """
        @param clock: monotonic seconds.
        """
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    @staticmethod
    def _key(address: str) -> str:
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return address
        if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
            return f"{int(found) >> 64:x}::/64"
        return str(getattr(found, "ipv4_mapped", None) or found)

    def wait(self, address: str) -> int:
        """
        Seconds until the address may try again, rounded up; 0 if it may now.
        """
        failures = self._failures.get(self._key(address))
        if failures is None:
            return 0
        now = self._clock()
        while failures and failures[0] <= now - WINDOW:
            failures.popleft()
        if len(failures) < ALLOWED:
            return 0
        return max(1, int(failures[0] + WINDOW - now) + 1)

    def failed(self, address: str) -> None:
        """
        An authentication from the address failed.
        """
        key = self._key(address)
        failures = self._failures.setdefault(key, deque(maxlen=ALLOWED))
        failures.append(self._clock())
        self._failures.move_to_end(key)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)
