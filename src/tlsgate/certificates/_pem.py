"""
PEM as people have it: text around it, any line ending, byte order marks, UTF-16, pasted with its line breaks escaped.
"""

from __future__ import annotations

import base64
import codecs
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator
from typing import Final

import attrs

__all__ = ["MAX_BLOCKS", "Block", "blocks", "decode"]

#: Blocks read of one part; a browser's whole trust store has fewer.
MAX_BLOCKS: Final = 256

# RFC 7468 §3   preeb = "-----BEGIN " label "-----"
BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9 #.\-]{1,64}?)-----")

# RFC 1421 §4.6: encapsulated header fields; OpenSSL's traditional encryption keeps its parameters there.
FIELD: Final = re.compile(rb"[A-Za-z0-9-]+:.*")
MAX_FIELDS: Final = 16

MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@attrs.frozen
class Block:
    """
    What stands between a BEGIN and its END.

    @ivar label: C{CERTIFICATE}, C{RSA PRIVATE KEY}, ...
    @ivar der: the decoded content.
    @ivar fields: header lines of RFC 1421, empty but for traditionally encrypted keys.
    """

    label: str
    der: bytes = attrs.field(repr=False)
    fields: tuple[bytes, ...] = ()

    def as_pem(self) -> bytes:
        """
        The block again, in the one form that every parser takes.
        """
        text = base64.encodebytes(self.der)
        head = b"".join(field + b"\n" for field in self.fields)
        label = self.label.encode("ascii")
        return b"-----BEGIN %s-----\n%s%s%s-----END %s-----\n" % (label, head, b"\n" if head else b"", text, label)


def decode(content: bytes) -> bytes:
    """
    The content of a part as ASCII-compatible bytes, whatever a text editor made of it.  Binary content is unchanged.
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "ignore").encode("utf-8")
    # UTF-16 without a mark: every other byte of "-----BEGIN" is NUL, and the first one tells which (not found is -1).
    for encoding in ("utf-16-le", "utf-16-be"):
        if content[:65536].find("-----BEGIN ".encode(encoding)) % 2 == 0:
            return content.decode(encoding, "ignore").encode("utf-8", "ignore")
    return content


def blocks(text: bytes) -> Iterator[Block]:
    """
    Every well-formed block, in order.  Takes time linear in the text, whatever it is.

    @raise ValueError: a block is cut short, is no base64, or there are more than L{MAX_BLOCKS}.
    """
    if b"\\n" in text and text.count(b"\n") < 3:
        # Pasted from JSON or from an environment variable.
        text = text.replace(b"\\r", b"").replace(b"\\n", b"\n")
    at = 0
    for _ in range(MAX_BLOCKS + 1):
        begin = BEGIN.search(text, at)
        if begin is None:
            return
        label = begin[1]
        end = text.find(b"-----END ", begin.end())
        if end < 0:
            raise ValueError(f"the block “{label.decode('ascii')}” has no END line")
        closing = b"-----END " + label + b"-----"
        if text[end : end + len(closing)] != closing or BEGIN.search(text, begin.end(), end):
            raise ValueError(f"the block “{label.decode('ascii')}” does not end where it should")
        yield _block(label.decode("ascii"), text[begin.end() : end])
        at = end + len(closing)
    raise ValueError(f"it holds more than {MAX_BLOCKS} blocks")


def _block(label: str, body: bytes) -> Block:
    fields: list[bytes] = []
    lines = body.splitlines()
    first = 0
    while first < len(lines) and len(fields) < MAX_FIELDS:
        line = lines[first].strip()
        if line and not FIELD.fullmatch(line):
            break
        first += 1
        if line:
            fields.append(line)
        elif fields:
            break
    encoded = b"".join(b"".join(lines[first:]).split())
    if label.startswith("PGP "):
        return Block(label, b"")
    try:
        return Block(label, a2b_base64(encoded, strict_mode=True), tuple(fields))
    except Base64Error as error:
        raise ValueError(f"the block “{label}” is not base64") from error
