"""
Certificates in files of other programs: certbot's, a secret mounted by Kubernetes, a folder that people drop files in.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import attrs
from cryptography import x509

from ..problems import Problem
from ._read import LARGEST, ReadResult, read_certificate

__all__ = ["MAX_FOLDER", "Signature", "WatchedFiles", "folder_files", "read_files", "signature_of"]

#: Certificates read from one folder.
MAX_FOLDER: Final = 20_000

#: Of certificate files in a folder.
SUFFIXES: Final = frozenset({".pem", ".crt", ".cer", ".pfx", ".p12"})

#: What a file is known by, without reading it: device, inode, size, and both times; L{None} for one that is not there.
Signature: TypeAlias = tuple[tuple[int, int, int, int, int] | None, ...]


@attrs.frozen
class WatchedFiles:
    """
    Where a certificate comes from.

    @ivar name: of the certificate.
    @ivar certificate_file: and its chain, in any form.
    @ivar key_file: L{None} if the key is in C{certificate_file}.
    @ivar chain_file: the intermediates, where they are in a file of their own.
    @ivar password: of the key.
    """

    name: str
    certificate_file: Path
    key_file: Path | None = None
    password: bytes | None = attrs.field(default=None, repr=False)
    chain_file: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """
        The files.
        """
        return tuple(path for path in (self.certificate_file, self.key_file, self.chain_file) if path is not None)


def folder_files(folder: Path) -> tuple[WatchedFiles, ...]:
    """
    The certificates of a folder: each C{name.pem}, C{.crt}, C{.cer}, C{.pfx} or C{.p12}, with C{name.key} or
    C{name-key.pem} beside it if that is there.  Hidden files are left out: programs write those before they rename
    them.
    """
    try:
        # Names, since a path for each of thousands takes longer than to read the folder.
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208
    except OSError:
        return ()
    there = set(names)
    found: dict[str, WatchedFiles] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 - likewise
        if suffix.lower() not in SUFFIXES or stem.endswith("-key") or stem in found:
            continue
        key = next((key for key in (f"{stem}.key", f"{stem}-key.pem") if key in there), None)
        found[stem] = WatchedFiles(stem, folder / name, None if key is None else folder / key)
        if len(found) >= MAX_FOLDER:
            break
    return tuple(found.values())


def signature_of(files: WatchedFiles) -> Signature:
    """
    What the files are known by now.  Links are followed: certbot and Kubernetes change what they point to.
    """
    found: list[tuple[int, int, int, int, int] | None] = []
    for path in files.paths:
        try:
            status = path.stat()
        except OSError:
            found.append(None)
            continue
        found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)


def read_files(files: WatchedFiles, *, now: float, intermediates: Sequence[x509.Certificate] = ()) -> ReadResult:
    """
    Read a certificate from its files.

    @param now: Unix time.

    @raise Problem: as L{read_certificate}; a file that cannot be read is C{certificate-unreadable} or
        C{key-unreadable}.
    """
    parts = {"certificate": [_content(files.certificate_file, "certificate-unreadable")]}
    if files.key_file is not None:
        parts["key"] = [_content(files.key_file, "key-unreadable")]
    if files.chain_file is not None:
        parts["chain"] = [_content(files.chain_file, "certificate-unreadable")]
    return read_certificate(parts, name=files.name, password=files.password, now=now, intermediates=intermediates)


def _content(path: Path, code: str) -> bytes:
    """
    The content of a regular file.  A FIFO, a device or a folder is refused before anything is read of it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise Problem(code, f"{path} is not a file.")
            if status.st_size > LARGEST:
                raise Problem("too-large", f"{path} is larger than 1 MiB.")
            # As much as there is: a mebibyte is not set aside for each of thousands.
            return file.read(status.st_size) + file.read(LARGEST + 1 - status.st_size)
    except OSError as error:
        raise Problem(code, f"{path} cannot be read: {error.strerror}.") from error
