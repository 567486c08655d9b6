"""
Certificates as they are sent: read, checked, put into a draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ...certificates import ReadResult, known_issuers, read_certificate
from ...problems import Problem
from ...settings import Draft, StoredCertificate
from .._operations import Call

__all__ = ["UPLOAD_CODES", "password_in", "read_parts", "refuse_files", "store", "text_part"]

#: Problems that reading a certificate can meet.
UPLOAD_CODES: Final = (
    "missing-part",
    "malformed-multipart",
    "certificate-unreadable",
    "key-unreadable",
    "key-mismatch",
    "key-encrypted",
    "wrong-password",
    "key-too-weak",
    "certificate-expired",
    "no-leaf",
    "in-use",
)


def text_part(parts: Mapping[str, Sequence[bytes]], name: str) -> str | None:
    """
    A part that is a short text.

    @raise Problem: C{malformed-multipart}: it is sent twice, or is no text.
    """
    found = parts.get(name, ())
    if not found:
        return None
    try:
        text = found[0].decode("utf-8").strip()
    except UnicodeDecodeError:
        text = "\0"
    if len(found) > 1 or len(text) > 100 or not text.isprintable():
        raise Problem("malformed-multipart", f"The part “{name}” is not one short text.")
    return text


def password_in(parts: Mapping[str, Sequence[bytes]]) -> bytes | None:
    """
    The password that was sent, if any.
    """
    found = parts.get("password", ())
    if len(found) > 1:
        raise Problem("malformed-multipart", "The part “password” is sent twice.")
    # A file that an editor or echo wrote ends with a line feed; a password does not.
    return found[0].removesuffix(b"\n").removesuffix(b"\r") if found else None


async def read_parts(call: Call, parts: Mapping[str, Sequence[bytes]], name: str, password: bytes | None) -> ReadResult:
    """
    Read a certificate and see that the principal may have it served.

    @raise Problem: see L{read_certificate}; C{permission-missing}.
    """
    control = call.control
    stored = tuple(control.changes.current.certificates.values())

    def read() -> ReadResult:
        known = known_issuers(one.certificate for one in stored)
        return read_certificate(parts, name=name, password=password, now=control.wall(), intermediates=known)

    # Whoever made the file chose how often its password is hashed: seconds, at worst.
    result: ReadResult = await control.changes.in_thread(read)
    call.principal.require_hosts(result.certificate.names)
    return result


def store(call: Call, draft: Draft, read: ReadResult, source: str = "") -> None:
    """
    Put a certificate into a draft in place of the one with its name.

    @raise Problem: C{in-use}: files define the name; C{permission-missing}.
    """
    name = read.certificate.name
    refuse_files(call, name)
    old = draft.certificates.get(name)
    if old is not None:
        call.principal.require_hosts(old.certificate.names)
        if old.certificate == read.certificate:
            return  # The same again makes no generation: deploy hooks may run as often as they like.
    draft.certificates[name] = StoredCertificate(
        certificate=read.certificate, source=source or read.source, added_at=call.control.wall()
    )


def refuse_files(call: Call, name: str) -> None:
    """
    A certificate whose files are watched, by name or in the folder, is changed in its files.

    @raise Problem: C{in-use}.
    """
    changes = call.control.changes
    stored = changes.current.certificates.get(name)
    if (stored is not None and stored.source == "files") or any(
        entry.name == name for entry in changes.effective.certificates
    ):
        raise Problem("in-use", f"The certificate {name!r} comes from files; change these, or choose another name.")
