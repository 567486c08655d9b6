"""
The files of the web UI, in memory: what a browser may load before anybody has signed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ._operations import Answer

__all__ = ["FOLDER", "PAGE_FIELDS", "load_pages"]

FOLDER: Final = Path(__file__).with_name("ui")

MEDIA: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: No script and no style but our own files, nothing from elsewhere, and never in a frame (CSP Level 3).
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

PAGE_FIELDS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def load_pages(folder: Path = FOLDER) -> Mapping[bytes, Answer]:
    """
    Read all files of the UI.

    @return: path of a request to its answer; nothing else can be reached, whatever a path spells.

    @raise OSError: a file cannot be read.
    """
    pages = {}
    for file in sorted(folder.rglob("*")):
        media = MEDIA.get(file.suffix)
        if media is None or not file.is_file():
            continue
        answer = Answer(content=file.read_bytes(), content_type=media, fields=PAGE_FIELDS)
        pages[f"/ui/{file.relative_to(folder).as_posix()}".encode("ascii")] = answer
    index = pages.pop(b"/ui/index.html", None)
    if index is not None:
        pages[b"/"] = index
    return pages
