"""
The grammar of RFC 9110 and RFC 9112, each production beside its citation.  Where we are stricter, it says so.

Every pattern is used with C{fullmatch} on bytes whose length is already bounded, and takes time in proportion to them: where two
neighbouring parts could match the same bytes, the first is possessive (C{*+}) and gives none back.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "CHUNK_LINE",
    "CHUNK_LINE_PADDED",
    "CONTENT_LENGTH",
    "FIELD_LINE",
    "FIELD_SECTION",
    "HOST",
    "REQUEST_LINE",
    "REQUEST_LINE_OF_ANY",
    "STATUS_LINE",
    "STRAY_LINE_END",
    "TOKEN",
]

# RFC 9110 section 5.6.2   token = 1*tchar
_TCHAR: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN: Final = re.compile(_TCHAR + rb"+")

# RFC 9110 section 5.5   field-value = *field-content; obs-text (%x80-FF) is opaque and passes.
# Control characters other than HTAB are refused, as section 5.5 allows ("MUST either reject ... or replace").
_VALUE: Final = rb"[\t\x20-\x7e\x80-\xff]*"

# RFC 9112 section 5   field-line = field-name ":" OWS field-value OWS
# No whitespace before the colon (section 5.1) and no obs-fold (section 5.2): both are refused, in responses too, where
# a proxy may repair them.  The surrounding whitespace is left in the value here: it is a value's character as well.
FIELD_LINE: Final = re.compile(_TCHAR + rb"++:" + _VALUE)
FIELD_SECTION: Final = re.compile(rb"(?:" + _TCHAR + rb"++:" + _VALUE + rb"+\r\n)*+")

# RFC 9112 section 3   request-line = method SP request-target SP HTTP-version
# The target is visible ASCII without "#": a fragment is never part of one (RFC 9112 section 3.2), and peers that
# disagree about it can be played against each other.  Exactly one space on each side, where section 3 allows
# lenient whitespace.  The method is bounded: no method that anyone serves is longer than 64 characters.
_TARGET: Final = rb"[\x21\x22\x24-\x7e]+"
REQUEST_LINE: Final = re.compile(rb"(" + _TCHAR + rb"{1,64}) (" + _TARGET + rb") HTTP/1\.([01])")
# The same with a method of any length and any version: what it matches is answered 501 or 505 instead of 400.
REQUEST_LINE_OF_ANY: Final = re.compile(rb"(" + _TCHAR + rb"+) " + _TARGET + rb" HTTP/[0-9]\.[0-9]")

# RFC 9112 section 4   status-line = HTTP-version SP status-code SP [ reason-phrase ]
# The space before an absent reason is optional here: many origins leave it out.  A status of no class that exists is
# refused (RFC 9110 section 15).
STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: (" + _VALUE + rb"))?")

# RFC 9110 section 8.6   Content-Length = 1*DIGIT
# Bounded: 18 digits are more than any body; int() never sees a sign, an underscore or whitespace.
CONTENT_LENGTH: Final = re.compile(rb"[0-9]{1,18}")

# RFC 9112 section 7.1   chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
# Bounded: 16 hexadecimal digits hold 2**64 - 1.  Extensions are not interpreted (section 7.1.1).
CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*+;" + _VALUE + rb"+)?")
# Old origins pad the size with spaces; from a client that is an attack.
CHUNK_LINE_PADDED: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*+(?:;" + _VALUE + rb"+)?")

# RFC 9110 section 7.2   Host = uri-host [ ":" port ]; RFC 3986 section 3.2.2
# A registered name of the characters that names are made of; no userinfo, path, query or percent-encoding.
HOST: Final = re.compile(
    rb"([A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,253}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?"
)

# RFC 9112 section 2.2   a bare CR or LF inside a head is never a line end for us.  A last CR may get its LF yet.
STRAY_LINE_END: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
