"""
Sessions of the web UI: signed in once with a token, then known by two halves that only the UI's page brings together.

A browser sends cookies to every port of a host, so an application behind the gate sees the cookie of the admin listener
on the same host.  The cookie alone is therefore worth nothing: each request needs the CSRF token as well, which the page
keeps in a storage that belongs to its origin, port included.  Sessions live in memory and end with the gate.
"""

from __future__ import annotations

import hmac
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import Final

import attrs

from ..problems import Problem
from ._auth import Authenticator, Peer, Principal
from ._operations import Source
from ._tokens import digest_of

__all__ = ["COOKIE", "CSRF_FIELD", "IDLE_TIMEOUT", "UNATTENDED_FIELD", "Session", "Sessions", "cookie_in"]

#: The prefix makes browsers insist on C{Secure}, C{Path=/} and no C{Domain} (RFC 6265bis section 4.1.3.2).
COOKIE: Final = "__Host-tlsgate-session"

CSRF_FIELD: Final = "x-csrf-token"

#: Marks a request that the page made by itself; it does not keep the session alive.
UNATTENDED_FIELD: Final = "x-unattended"

#: Seconds without a request after which a session ends, and after which it ends in any case.
IDLE_TIMEOUT: Final = 1800.0
LIFETIME: Final = 12 * 3600.0

#: Sessions at once; the one unused for longest ends first.
MAX_SESSIONS: Final = 1000


@attrs.define(eq=False)
class Session:
    """
    Somebody who signed in.

    @ivar digest: of the secret in the cookie.
    @ivar csrf: the other half.
    @ivar token: digest of the token that was shown to sign in.
    @ivar token_id: which one that is; empty for the set-up token.
    @ivar opened: monotonic seconds.
    @ivar used: when it was last used, monotonic seconds.
    """

    digest: str = attrs.field(repr=False)
    csrf: str = attrs.field(repr=False)
    token: str = attrs.field(repr=False)
    token_id: str
    opened: float
    used: float


def cookie_in(lines: Iterable[str]) -> str:
    """
    The value of the session's cookie; empty if there is none.

    @param lines: the values of all C{Cookie} fields.
    """
    for line in lines:
        for pair in line.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE:
                return value
    return ""


def _random_text() -> str:
    return urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode("ascii")


class Sessions:
    """
    All sessions.
    """

    def __init__(
        self, authenticator: Authenticator, clock: Callable[[], float], random: Callable[[], str] = _random_text
    ) -> None:
        """
        @param clock: monotonic seconds.
        @param random: texts that nobody can guess.
        """
        self._authenticator = authenticator
        self._clock = clock
        self._random = random
        self._sessions: dict[str, Session] = {}

    def __repr__(self) -> str:
        return f"<Sessions: {len(self._sessions)}>"

    def open(self, peer: Peer, secret: str) -> tuple[Session, str, Principal]:
        """
        Sign in.

        @param secret: of a token, or the set-up token.

        @return: the session, the value for its cookie, and who signed in.

        @raise Problem: C{token-invalid} or C{too-many-attempts}.
        """
        principal = self._authenticator.of_secret(peer, secret)
        self._forget_ended()
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[min(self._sessions.values(), key=lambda one: one.used).digest]
        value = self._random()
        now = self._clock()
        session = Session(
            digest=digest_of(value),
            csrf=self._random(),
            # Looked up again with each request: what was revoked ends its sessions at once.
            token=digest_of(secret),
            token_id=principal.token.id if principal.token is not None else "",
            opened=now,
            used=now,
        )
        self._sessions[session.digest] = session
        return session, value, principal

    def principal(self, peer: Peer, value: str, csrf: tuple[str, ...], *, attended: bool = True) -> Principal:
        """
        Who sends a request.

        @param value: of the cookie.
        @param csrf: the values of all C{X-CSRF-Token} fields.
        @param attended: did a person ask for it?  What a page does by itself keeps no session alive.

        @raise Problem: C{token-invalid}: the session ended; C{origin-refused}: the other half is missing or wrong.
        """
        session = self.find(value)
        if session is None:
            raise Problem("token-invalid", "The session has ended; sign in again.")
        if len(csrf) != 1 or not hmac.compare_digest(csrf[0].encode(), session.csrf.encode()):
            raise Problem("origin-refused", "X-CSRF-Token does not belong to this session; sign in again.")
        principal = self._authenticator.still(peer, session.token)
        if principal is None:
            del self._sessions[session.digest]
            raise Problem(
                "token-invalid", "The token of this session was revoked, has expired or may not be used here."
            )
        if attended:
            session.used = self._clock()
        return principal

    def find(self, value: str) -> Session | None:
        """
        The session of a cookie, unless it has ended.
        """
        session = self._sessions.get(digest_of(value))
        if session is None or self._has_ended(session):
            return None
        return session

    def expires_in(self, session: Session) -> float:
        """
        Seconds until the session ends if nobody uses it.
        """
        return min(session.used + IDLE_TIMEOUT, session.opened + LIFETIME) - self._clock()

    def close(self, session: Session) -> None:
        """
        Sign out.
        """
        self._sessions.pop(session.digest, None)

    def close_all(self, token_id: str) -> int:
        """
        Sign out everywhere: end all sessions of a token.

        @return: how many there were.
        """
        found = [session for session in self._sessions.values() if session.token_id == token_id]
        for session in found:
            self.close(session)
        return len(found)

    def bound(self, source: Source, value: str) -> Source:
        """
        The same source, silent once the session has ended.
        """
        return _Bound(source, lambda: self.find(value) is not None)

    def _has_ended(self, session: Session) -> bool:
        return self.expires_in(session) <= 0

    def _forget_ended(self) -> None:
        for session in [one for one in self._sessions.values() if self._has_ended(one)]:
            self.close(session)


@attrs.frozen
class _Bound:
    """
    What a source yields, for as long as a condition holds.
    """

    _source: Source
    _holds: Callable[[], bool]

    def pull(self) -> bytes:
        return self._source.pull() if self._holds() else b""

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._source.listen(listener)

    def ended(self) -> bool:
        return self._source.ended()
