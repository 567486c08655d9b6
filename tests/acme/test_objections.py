"""
What a CA answers instead of what was asked for.
"""

from __future__ import annotations

import requests

from tlsgate.acme._objections import seconds_to_wait


def test_retry_after() -> None:
    """
    Retry-After is seconds or a date by the CA's own clock; nonsense is nothing.
    """
    answer = requests.Response()
    for text, seconds in (
        ("120", 120.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:01:00 GMT", 0.0),
    ):
        answer.headers["Date"] = "Thu, 01 Jan 2026 00:00:00 GMT"
        answer.headers["Retry-After"] = text
        assert seconds_to_wait(answer) == seconds, text
