"""
The demo application: shows the request as an upstream gets it.

It serves where no upstream is named, so that C{make run} has something to show; behind the gate like any other.
"""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IListeningPort
from twisted.web.resource import Resource
from twisted.web.server import Site

from .listeners import listen_privately

__all__ = ["DemoResource", "listen_with_demo"]

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>tlsgate works</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:50em;margin:8vh auto;padding:0 1em;color:#222;background:#fff}}
@media(prefers-color-scheme:dark){{body{{color:#ddd;background:#1b1b1b}}}}
td{{padding:.1em 1em .1em 0;vertical-align:top;word-break:break-all}}td:first-child{{white-space:nowrap;opacity:.7}}</style>
</head><body><h1>HTTPS works</h1>
<p>This is tlsgate's demo application. It shows the request as your own server would get it:</p>
<p><code>{line}</code></p><table>{rows}</table>
<p>Put your server here: <code>--upstream http://127.0.0.1:9000</code></p></body></html>
"""


class DemoResource(Resource):
    """
    Answers every request with what it was: JSON for who asks for it, a page for others.
    """

    isLeaf = True

    def render(self, request: Any) -> bytes:
        """
        Answer one request.
        """
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        method = request.method.decode("latin-1")
        target = request.uri.decode("latin-1")
        if "text/html" in (request.getHeader("accept") or ""):
            request.setHeader(b"content-type", b"text/html; charset=utf-8")
            rows = "".join(f"<tr><td>{html.escape(n)}</td><td>{html.escape(v)}</td></tr>" for n, v in fields)
            content = _PAGE.format(line=html.escape(f"{method} {target}"), rows=rows).encode("utf-8")
        else:
            request.setHeader(b"content-type", b"application/json")
            size = request.content.seek(0, os.SEEK_END)
            shown = {"method": method, "target": target, "fields": fields, "content": size}
            content = json.dumps(shown, indent=1).encode("ascii") + b"\n"
        request.setHeader(b"content-length", b"%d" % len(content))
        return b"" if request.method == b"HEAD" else content


def listen_with_demo(reactor: Any, path: Path) -> IListeningPort:
    """
    Serve the demo application on a UNIX socket that only its owner may use; one left behind is replaced.
    """
    path.unlink(missing_ok=True)
    site = Site(DemoResource())  # type: ignore[no-untyped-call]  # Twisted has no types here
    site.log = lambda request: None  # type: ignore[method-assign]  # the gate's access log has it
    return listen_privately(reactor, path, site)
