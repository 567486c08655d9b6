"""
Certificates that wait for their time: uploaded today, to be served from a moment that somebody named.

Each lies in a file of its own (0600) in C{STATE/staged} until it serves; a restart forgets none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from ..problems import Problem
from ..settings import write_private
from ..sites import ServerCertificate

__all__ = ["StagedCertificate", "StagedCertificates"]

SUFFIX: Final = ".json"

#: Seconds ahead that a swap may be planned.
FARTHEST: Final = 366 * 86400.0


@attrs.frozen(kw_only=True)
class StagedCertificate:
    """
    A certificate that waits.

    @ivar source: as in L{settings.StoredCertificate}.
    @ivar activate_at: Unix time.
    @ivar author: who uploaded it.
    @ivar bindings: whose default certificate it becomes.
    """

    certificate: ServerCertificate
    source: str
    activate_at: float
    author: str
    reason: str = ""
    bindings: tuple[str, ...] = ()

    def check(self, now: float) -> None:
        """
        Refuse a time that is past or far away.

        @param now: Unix time.

        @raise Problem: C{parameter-invalid}.
        """
        if not now < self.activate_at <= now + FARTHEST:
            raise Problem("parameter-invalid", "activate_at is a time within a year from now, RFC 3339 in UTC.")


@attrs.frozen
class StagedCertificates:
    """
    The folder in which certificates wait; one for each name, the latest.
    """

    _folder: Path

    def add(self, staged: StagedCertificate, now: float) -> None:
        """
        Keep a certificate until its time.

        @param now: Unix time.

        @raise Problem: C{parameter-invalid}: its time is past or far away; C{storage-failed}.
        """
        staged.check(now)
        shown = attrs.asdict(staged)
        for part in ("chain", "key"):
            shown["certificate"][part] = shown["certificate"][part].decode("ascii")
        del shown["certificate"]["staple"]
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_private(self._path(staged.certificate.name), json.dumps(shown).encode("ascii"))
        except OSError as error:
            raise Problem("storage-failed", f"The staged certificate was not saved: {error.strerror}.") from error

    def all(self) -> list[StagedCertificate]:
        """
        Those that wait, the next one first; a damaged file is left out.
        """
        found = []
        for path in self._folder.glob(f"[!.]*{SUFFIX}") if self._folder.is_dir() else ():
            try:
                found.append(_staged(json.loads(path.read_bytes())))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
        return sorted(found, key=lambda staged: (staged.activate_at, staged.certificate.name))

    def changed(self) -> tuple[int, ...]:
        """
        What the folder is known by, without reading it; empty if there is none.
        """
        try:
            status = self._folder.stat()
        except OSError:
            return ()
        return status.st_ino, status.st_mtime_ns

    def remove(self, name: str) -> bool:
        """
        Forget one.

        @return: was there one?
        """
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def _path(self, name: str) -> Path:
        # The name has been checked to be one of a file; "*" is not one that every system takes.
        return self._folder / (name.replace("*", "_wildcard_") + SUFFIX)


def _staged(shown: Mapping[str, Any]) -> StagedCertificate:
    kept = dict(shown["certificate"])
    for part in ("chain", "key"):
        kept[part] = kept[part].encode("ascii")
    kept["names"] = tuple(kept["names"])
    certificate = ServerCertificate(**kept)
    return StagedCertificate(**{**shown, "certificate": certificate, "bindings": tuple(shown["bindings"])})
