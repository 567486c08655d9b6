"""
A violation says what to answer.
"""

from __future__ import annotations

from tlsgate.http1 import ProtocolViolation


def test_a_violation_is_a_400_unless_it_says_otherwise() -> None:
    """The sentence is the exception's text; status and code have defaults."""
    violation = ProtocolViolation("two different Content-Lengths")
    assert (str(violation), violation.status, violation.code) == ("two different Content-Lengths", 400, "malformed")


def test_a_violation_has_its_own_status_and_code() -> None:
    """Who raises it may know better."""
    violation = ProtocolViolation("too many", 431, "too-many-fields")
    assert (violation.status, violation.code) == (431, "too-many-fields")
