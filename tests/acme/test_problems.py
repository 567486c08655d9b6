"""
Every objection of a CA has a sentence that says what to do.
"""

from __future__ import annotations

from typing import Any

import pytest
from acme.messages import ERROR_CODES
from hypothesis import given
from hypothesis import strategies as st

from tlsgate.acme._problems import PREFIX, REMEDIES, OrderProblem, problem_from_document

#: The registry of RFC 8555 section 6.7 and those added since (RFC 8739, 9773, draft-ietf-acme-profiles).
REGISTERED = {
    *("accountDoesNotExist", "alreadyRevoked", "badCSR", "badNonce", "badPublicKey", "badRevocationReason"),
    *("badSignatureAlgorithm", "caa", "compound", "connection", "dns", "externalAccountRequired", "incorrectResponse"),
    *("invalidContact", "malformed", "orderNotReady", "rateLimited", "rejectedIdentifier", "serverInternal", "tls"),
    *("unauthorized", "unsupportedContact", "unsupportedIdentifier", "userActionRequired"),
    *("autoRenewalCanceled", "autoRenewalExpired", "alreadyReplaced", "invalidProfile"),
}


@pytest.mark.parametrize("code", sorted(REGISTERED | set(ERROR_CODES)))
def test_every_registered_error(code: str) -> None:
    """
    Each registered error, and each that the library knows, has a sentence of its own, with nothing left to fill in.
    """
    problem = problem_from_document({"type": PREFIX + code, "detail": "why"}, name="a.test")
    assert problem.code == code
    assert problem.sentence.endswith(".")
    assert "{" not in problem.sentence
    assert problem.sentence != problem_from_document({"type": PREFIX + "brandNew"}).sentence
    assert problem.as_json()["type"] == PREFIX + code


def test_names_the_name() -> None:
    """
    The name that the CA objects to is in the sentence; the CA's own words are kept.
    """
    document: dict[str, Any] = {
        "type": PREFIX + "connection",
        "detail": "192.0.2.1: Timeout",
        "identifier": {"type": "dns", "value": "b.test"},
    }
    problem = problem_from_document(document, name="a.test")
    assert "connect to b.test" in problem.sentence
    assert (problem.name, problem.said) == ("b.test", "192.0.2.1: Timeout")


def test_compound() -> None:
    """
    Each part of a compound error keeps its name.
    """
    parts = [{"type": PREFIX + "caa", "identifier": {"value": f"{name}.test"}, "detail": name} for name in "ab"]
    problem = problem_from_document({"type": PREFIX + "compound", "subproblems": parts})
    assert [part.name for part in problem.parts] == ["a.test", "b.test"]
    assert len(problem.as_json()["parts"]) == 2


def test_together() -> None:
    """
    Several names that failed are one problem that tells how many, and each.
    """
    one = OrderProblem.of("dns", name="a.test")
    assert OrderProblem.together((one,)) is one
    both = OrderProblem.together((one, OrderProblem.of("tls", name="b.test")))
    assert both.sentence.startswith("2 names failed; first a.test:")
    assert [part.code for part in both.parts] == ["dns", "tls"]


def test_our_own() -> None:
    """
    What is not the CA's has no type of the CA's.
    """
    for code in ("ca-unreachable", "install", "cancelled", "preflight", "storage", "internal"):
        assert code in REMEDIES
        assert "type" not in OrderProblem.of(code).as_json()


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["type", "detail", "title", "identifier", "subproblems", "instance"]), _VALUES),
)
def test_any_document(document: dict[str, Any]) -> None:
    """
    Whatever a CA sends, there is a problem to show.
    """
    shown = problem_from_document(document).as_json()
    assert shown["detail"]
