"""
What the gate answers itself: errors, redirects and refusals, in the form that the client can read.

HTML for browsers, C{application/problem+json} (RFC 9457) for who accepts JSON, text for others.  This is the one place where an
error becomes a status.
"""

from __future__ import annotations

import html
import json
from http import HTTPStatus
from typing import Final

from ..http1 import STATUS_LINES, status_line

__all__ = ["answer", "error_answer"]

_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{status} {title}</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:15vh auto;padding:0 1em;color:#222;background:#fff}}
@media(prefers-color-scheme:dark){{body{{color:#ddd;background:#1b1b1b}}}}small{{opacity:.7}}</style></head>
<body><h1>{status} {title}</h1><p>{detail}</p><p><small>Request {request_id}</small></p></body></html>
"""


def answer(
    status: int,
    fields: bytes,
    content: bytes,
    *,
    request_id: bytes,
    close: bool,
    head_only: bool = False,
) -> bytes:
    """
    A complete response.

    @param fields: complete lines, each with its CRLF.
    @param head_only: leave the content out, as an answer to HEAD.
    """
    return b"%b%bContent-Length: %d\r\nX-Request-ID: %b\r\n%b\r\n%b" % (
        STATUS_LINES.get(status) or status_line(status, None),
        fields,
        len(content),
        request_id,
        b"Connection: close\r\n" if close else b"",
        b"" if head_only else content,
    )


def error_answer(
    status: int,
    code: str,
    detail: str,
    *,
    accept: bytes,
    fields: bytes,
    request_id: bytes,
    close: bool,
    head_only: bool = False,
) -> bytes:
    """
    A complete response that says what went wrong.

    @param accept: the request's C{Accept}.
    @param fields: further complete lines, each with its CRLF.
    """
    title = HTTPStatus(status).phrase
    shown = request_id.decode("ascii")
    accepted = accept.lower()
    if b"application/json" in accepted or b"application/problem+json" in accepted:
        kind = b"application/problem+json"
        problem = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
            "request_id": shown,
        }
        content = json.dumps(problem).encode("ascii")
    elif b"text/html" in accepted:
        kind = b"text/html; charset=utf-8"
        content = _PAGE.format(status=status, title=title, detail=html.escape(detail), request_id=shown).encode("utf-8")
    else:
        kind = b"text/plain; charset=utf-8"
        content = f"{status} {title}: {detail}\nRequest {shown}\n".encode()
    lines = b"Content-Type: %b\r\nCache-Control: no-store\r\n%b" % (kind, fields)
    return answer(status, lines, content, request_id=request_id, close=close, head_only=head_only)
