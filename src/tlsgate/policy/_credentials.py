"""
Credentials that cross the network in clear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import attrs

from ._hop_by_hop import Line

__all__ = ["Found", "credentials_in_clear", "credentials_in_fields", "is_login"]

_KEYS: Final = frozenset(
    {b"x-api-key", b"api-key", b"apikey", b"private-token", b"job-token", b"x-auth-token", b"x-access-token",
     b"x-octopus-apikey", b"x-vault-token", b"x-nuget-apikey"}
)  # fmt: skip
_SESSION: Final = re.compile(
    rb"(?:^|;)[ \t]*((?:[A-Za-z0-9_.-]*sess(?:ion)?(?:[_-]?id)?|j?sessionid|tcsessionid|phpsessid|connect\.sid|sid"
    rb"|[A-Za-z0-9_.-]*(?:auth|token)|remember_?me|asp\.net_sessionid|octopusidentificationtoken[^=;]*)=[^;]+)",
    re.IGNORECASE,
)
_LOGIN: Final = re.compile(
    rb"/(?:[^/?]*[_-])?(?:log-?in|sign-?in|logon|session|auth|token|password)s?(?:[./?]|$)", re.I
)


@attrs.frozen
class Found:
    """
    That there are credentials, never which.

    @ivar kind: C{authorization}, C{api-key}, C{session-cookie} or C{login}.
    @ivar fingerprint: 12 hex digits of a salted SHA-256: equal credentials can be told to be equal, no more.  Empty
        for a login, whose content is not read.
    """

    kind: str
    fingerprint: str


def credentials_in_clear(method: bytes, target: bytes, fields: Iterable[Line], *, salt: bytes) -> Found | None:
    """
    The first credentials of a request, the gravest kind first, or C{None}.

    @param salt: random and kept by the caller, so that fingerprints cannot be looked up.
    """
    found = credentials_in_fields(fields, salt=salt)
    if found is None and is_login(method, target):
        return Found("login", "")
    return found


def is_login(method: bytes, target: bytes) -> bool:
    """
    Is it a POST to what looks like a login?
    """
    return method == b"POST" and _LOGIN.search(target.partition(b"?")[0]) is not None


def credentials_in_fields(fields: Iterable[Line], *, salt: bytes) -> Found | None:
    """
    The gravest credentials in a field section, or C{None}.  It depends on nothing but its arguments.

    @param salt: as above.
    """
    key = cookie = b""
    for name, value in fields:
        lower = name.lower()
        if lower == b"authorization":
            return _found("authorization", value, salt)
        if lower in _KEYS:
            key = key or value
        elif lower == b"cookie" and not cookie:
            match = _SESSION.search(value)
            cookie = match[1] if match else b""
    if key:
        return _found("api-key", key, salt)
    if cookie:
        return _found("session-cookie", cookie, salt)
    return None


def _found(kind: str, value: bytes, salt: bytes) -> Found:
    return Found(kind, sha256(salt + b"\0" + value).hexdigest()[:12])
