"""
The gate's own answers.
"""

from __future__ import annotations

import json

import h11
import pytest

from tlsgate.downstream._answers import answer, error_answer


def read(data: bytes, method: str = "GET") -> tuple[h11.Response, bytes]:
    """
    A response as an independent reader reads it.
    """
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    head = client.next_event()
    content = b""
    while isinstance(event := client.next_event(), h11.Data):
        content += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert client.trailing_data == (b"", False)
    return head, content


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answer(close: bool, method: str) -> None:
    """
    A complete message, without content for HEAD, that says when it is the last.
    """
    head, content = read(
        answer(308, b"Location: /x\r\n", b"moved", request_id=b"id1", close=close, head_only=method == "HEAD"), method
    )
    fields = dict(head.headers)
    assert (head.status_code, head.reason) == (308, b"Permanent Redirect")
    assert (fields[b"location"], fields[b"x-request-id"], fields[b"content-length"]) == (b"/x", b"id1", b"5")
    assert (fields.get(b"connection") == b"close") is close
    assert content == (b"" if method == "HEAD" else b"moved")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (b"text/html,application/xhtml+xml,*/*;q=0.8", b"text/html; charset=utf-8"),
        (b"application/json", b"application/problem+json"),
        (b"Application/Problem+JSON", b"application/problem+json"),
        (b"*/*", b"text/plain; charset=utf-8"),
        (b"", b"text/plain; charset=utf-8"),
    ],
)
def test_forms_of_errors(accept: bytes, kind: bytes) -> None:
    """
    In what the client can read, never stored, and never as markup.
    """
    data = error_answer(
        502,
        "a-code",
        "The <b>upstream</b> & co.",
        accept=accept,
        fields=b"Retry-After: 5\r\n",
        request_id=b"id1",
        close=True,
    )
    head, content = read(data)
    fields = dict(head.headers)
    assert fields[b"content-type"] == kind
    assert fields[b"cache-control"] == b"no-store"
    assert fields[b"retry-after"] == b"5"
    assert b"id1" in content
    if kind.startswith(b"text/html"):
        assert b"<b>" not in content
        assert b"&lt;b&gt;upstream&lt;/b&gt; &amp; co." in content
    if b"json" in kind:
        problem = json.loads(content)
        assert (problem["status"], problem["code"], problem["title"]) == (502, "a-code", "Bad Gateway")
        assert problem["detail"] == "The <b>upstream</b> & co."


@pytest.mark.parametrize("status", [400, 404, 408, 413, 414, 417, 421, 431, 500, 501, 502, 503, 504, 505, 508])
def test_every_status(status: int) -> None:
    """
    All that the gate answers have a reason.
    """
    head, _ = read(error_answer(status, "c", "d", accept=b"", fields=b"", request_id=b"i", close=False))
    assert head.status_code == status
    assert head.reason
