"""
Events show themselves without showing a secret.
"""

from __future__ import annotations

from tlsgate.http1 import CHUNKED, End, RequestHead, ResponseHead, parse_fields

FIELDS = parse_fields(b"Authorization: Bearer tlsg_secret\r\nHost: a\r\n", 10)


def test_a_request_head_shows_its_line_and_framing() -> None:
    """A test that fails on a head can be read."""
    assert repr(RequestHead(b"POST", b"/a", 1, FIELDS, CHUNKED)) == "<RequestHead b'POST' b'/a' HTTP/1.1 framing=-1>"


def test_a_response_head_shows_its_status_and_framing() -> None:
    """The reason is the origin's text, and stays out."""
    assert repr(ResponseHead(204, b"None\x80", 0, FIELDS, 0)) == "<ResponseHead 204 HTTP/1.0 framing=0>"


def test_an_end_counts_its_trailers() -> None:
    """Their values stay out."""
    assert repr(End([(b"X-Sum", b"1"), (b"X-Sum", b"2")])) == "<End trailers=2>"


def test_fields_show_names_only() -> None:
    """A value may be a credential."""
    assert repr(FIELDS) == "<Fields Authorization Host>"
