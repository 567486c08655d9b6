"""
Server names in their one spelling.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.tls import is_address, matches, normalise, wildcard_for


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        (b"example.com", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.Bücher.example", "*.xn--bcher-kva.example"),
        ("bücher.example".encode(), "xn--bcher-kva.example"),
        ("_acme.example.com", "_acme.example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("localhost", "localhost"),
        ("", ""),
        (".", ""),
        ("..", ""),
        ("a..b", ""),
        ("a b", ""),
        ("a\x00.test", ""),
        (b"\xff\xfe", ""),
        ("a" * 64 + ".test", ""),
        ("a." * 127 + "test", ""),
        ("*", ""),
        ("*.*.test", ""),
        ("1.2.3.4.5", ""),
        ("999.1.1.1", ""),
        ("-a.test", ""),
    ],
)
def test_one_spelling(given_name, name) -> None:
    """
    Case, dots, brackets and scripts are put into one spelling; what cannot be a name is empty.
    """
    assert normalise(given_name) == name


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("a.test", "a.test", True),
        ("*.test", "a.test", True),
        ("*.a.test", "b.a.test", True),
        ("*.a.test", "c.b.a.test", False),
        ("*.a.test", "a.test", False),
        ("*", "a", False),
        ("*.a.test", "*.a.test", False),
        ("*.0.0.1", "127.0.0.1", False),
        ("", "", False),
    ],
)
def test_wildcards_stand_for_one_label(pattern, name, covered) -> None:
    """
    A wildcard covers exactly one leftmost label of a DNS name.
    """
    assert matches(pattern, name) is covered


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=80) | st.binary(max_size=80))
def test_any_name(given_name) -> None:
    """
    Anything is a name in its one spelling or none, and a name covers itself.
    """
    name = normalise(given_name)
    assert normalise(name) == name
    if name and name[0] != "*":
        assert matches(name, name)
        assert is_address(name) or not wildcard_for(name) or matches(wildcard_for(name), name)
