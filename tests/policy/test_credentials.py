"""
Credentials in clear.
"""

from __future__ import annotations

import pytest

from tlsgate.policy import credentials_in_clear


@pytest.mark.parametrize(
    ("method", "target", "fields", "kind"),
    [
        (b"GET", b"/", [(b"Authorization", b"Basic c2VjcmV0")], "authorization"),
        (b"GET", b"/", [(b"Private-Token", b"s")], "api-key"),
        (b"GET", b"/", [(b"Cookie", b"a=1; JSESSIONID=s")], "session-cookie"),
        (b"POST", b"/user/login?x", [], "login"),
        (b"GET", b"/login", [(b"Cookie", b"theme=dark")], None),
    ],
)
def test_kinds(method: bytes, target: bytes, fields: list[tuple[bytes, bytes]], kind: str | None) -> None:
    """Each kind is found, and its value is never shown."""
    found = credentials_in_clear(method, target, fields, salt=b"salt")
    assert (found.kind if found else None) == kind
    assert "secret" not in repr(found)
