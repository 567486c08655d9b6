"""
Where each certificate is in its life: told when that changes, and again every day while it needs somebody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.logger import Logger

from ..certificates import State, state_of, timestamp
from ..sites import ServerCertificate

__all__ = ["StateWatch"]

DAY: Final = 86400.0


class StateWatch:
    """
    Says what time does to certificates.  A certificate whose time has come serves by itself; this only tells.
    """

    _log = Logger()

    def __init__(self, *, publish: Callable[[str, Mapping[str, Any]], object], wall: Callable[[], float]) -> None:
        """
        @param publish: called with the kind and the content of an event.
        @param wall: Unix time.
        """
        self._publish = publish
        self._wall = wall
        self._states: dict[str, tuple[str, State]] = {}
        self._warned: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<StateWatch [{len(self._states)} certificates]>"

    def look(self, certificates: Mapping[str, ServerCertificate]) -> None:
        """
        Tell what has changed since the last time.
        """
        now = self._wall()
        states = {}
        for name, certificate in certificates.items():
            state = state_of(certificate, now)
            fingerprint, earlier = self._states.get(name, ("", None))
            states[name] = (certificate.fingerprint, state)
            if fingerprint == certificate.fingerprint and earlier == state:
                if state == "expiring" and now - self._warned.get(name, 0.0) >= DAY:
                    self._say(certificate, state, now)
                continue
            if state != "valid" or earlier is not None:
                self._say(certificate, state, now)
            if fingerprint == certificate.fingerprint:
                content = {"what": state, "name": name, "not_after": timestamp(certificate.not_after)}
                self._publish("certificate", content)
        self._states = states
        for name in self._warned.keys() - states.keys():
            del self._warned[name]

    def _say(self, certificate: ServerCertificate, state: State, now: float) -> None:
        name, end = certificate.name, timestamp(certificate.not_after)
        if state == "expired":
            self._log.error("Certificate {name} expired at {end}; clients refuse it", name=name, end=end)
        elif state == "expiring":
            days = int((certificate.not_after - now) // DAY)
            self._log.warn("Certificate {name} expires in {days} days, at {end}", name=name, days=days, end=end)
            self._warned[name] = now
        elif state == "not_yet_valid":
            begin = timestamp(certificate.not_before)
            self._log.info("Certificate {name} begins to serve at {begin}", name=name, begin=begin)
        else:
            self._log.info("Certificate {name} is valid until {end}", name=name, end=end)
