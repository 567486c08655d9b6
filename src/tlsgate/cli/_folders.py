"""
Certificates in the files of a folder, as people and programs lay them out.

Three layouts are known, and may be mixed::

    NAME.key  NAME.crt (or .cer, .pem, .fullchain.pem; NAME.chain.pem beside it)
    NAME.pfx  (or .p12)
    NAME/privkey.pem  NAME/fullchain.pem (or cert.pem and chain.pem), as certbot has them
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

__all__ = ["FolderError", "certificates_in", "name_of"]

#: How the certificate beside C{NAME.key} may end, the likeliest first.
CERTIFICATE_ENDS: Final = (".fullchain.pem", ".crt", ".cer", ".pem")

PFX_ENDS: Final = frozenset({".pfx", ".p12"})


class FolderError(ValueError):
    """
    A file of the folder cannot be used; the text says which and why.
    """


def name_of(text: str) -> str:
    """
    The name under which a file's certificate is stored: what cannot stand in a name is replaced.
    """
    return re.sub(r"[^A-Za-z0-9._-]", "-", re.sub(r"\A\*", "wildcard", text)).lstrip("._-")[:64]


def certificates_in(folder: Path) -> list[dict[str, Any]]:
    """
    The entries of a batch, by name.  Nothing is parsed here: the gate says what is wrong with a file.

    @raise FolderError: a key without a certificate, a file that is no text, a name that comes twice, or nothing at all.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in _entries(folder):
        if entry["name"] in found:
            raise FolderError(f"{folder}: the name {entry['name']} comes twice.")
        found[entry["name"]] = entry
    if not found:
        raise FolderError(f"{folder}: there is no key with a certificate beside it, and no PKCS#12 file.")
    return list(found.values())


def _entries(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (path / "privkey.pem").is_file():
            whole = path / "fullchain.pem"
            yield _entry(path.name, path / "privkey.pem", [whole] if whole.is_file() else [path / "cert.pem"])
        elif path.suffix.lower() in PFX_ENDS:
            yield {"name": name_of(path.stem), "pfx": base64.b64encode(path.read_bytes()).decode("ascii")}
        elif path.suffix.lower() == ".key":
            yield _entry(path.stem, path, [path.with_name(path.stem + end) for end in CERTIFICATE_ENDS])


def _entry(stem: str, key: Path, candidates: list[Path]) -> dict[str, Any]:
    for certificate in candidates:
        if certificate.is_file():
            entry = {"name": name_of(stem), "certificate": _text(certificate), "key": _text(key)}
            chain = key.with_name("chain.pem" if certificate.name == "cert.pem" else f"{stem}.chain.pem")
            if chain.is_file():
                entry["chain"] = _text(chain)
            return entry
    raise FolderError(f"{key} has no certificate beside it; it would be {' or '.join(one.name for one in candidates)}.")


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except UnicodeDecodeError:
        raise FolderError(f"{path} is no PEM; convert it, or upload it by itself.") from None
