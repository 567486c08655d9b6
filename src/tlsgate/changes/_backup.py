"""
Everything that a node is, in one encrypted file: settings, certificates with their keys, tokens (as hashes), the
accounts at CAs, requests that wait for their certificate, and the CA of the admin's own certificate.

History, logs and what is made anew at each start stay behind.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

import attrs

from ..problems import Problem
from ..settings import Damaged, FileStore, Generation, decode_generation, encode_generation, write_private
from ._sealing import seal, unseal

__all__ = ["Backup", "make_backup", "read_backup", "restore", "side_files", "write_side_files"]

FORMAT: Final = 1

#: What belongs to a node beside its generation, relative to the state folder.
SIDE_FILES: Final = ("tokens.json", "admin-ca.key", "admin-ca.pem", "csr/*.json", "acme/*.json", "acme/accounts/*.json")

#: Bytes of an opened backup.
LARGEST: Final = 512 * 1024 * 1024


@attrs.frozen(kw_only=True)
class Backup:
    """
    A backup that was opened.

    @ivar generation: as it was current when the backup was made.
    @ivar files: the other files, by their path in the state folder; never shown.
    """

    generation: Generation
    files: Mapping[str, bytes] = attrs.field(repr=False)


def side_files(state: Path) -> dict[str, bytes]:
    """
    The files of a state folder that a backup holds beside the generation.

    @raise Problem: C{storage-failed}: one cannot be read.
    """
    try:
        return {
            path.relative_to(state).as_posix(): path.read_bytes()
            for pattern in SIDE_FILES
            for path in sorted(state.glob(pattern))
            if path.is_file() and not path.is_symlink()
        }
    except OSError as reason:
        raise Problem("storage-failed", f"{reason.filename} cannot be read: {reason.strerror}.") from reason


def make_backup(backup: Backup, passphrase: str) -> bytes:
    """
    The encrypted file.  To be called in a thread.

    @raise Problem: C{invalid-settings}: the passphrase is too short.
    """
    document = {
        "format": FORMAT,
        "generation": _texts(encode_generation(backup.generation)),
        "files": _texts(backup.files),
    }
    return seal(zlib.compress(json.dumps(document).encode("ascii"), 6), passphrase)


def read_backup(content: bytes, passphrase: str) -> Backup:
    """
    Open an encrypted file.  To be called in a thread.

    @raise Problem: C{wrong-password}; C{backup-unreadable}.
    """
    opened = zlib.decompressobj()
    try:
        text = opened.decompress(unseal(content, passphrase), LARGEST)
        if opened.unconsumed_tail:
            raise Problem("backup-unreadable", f"The backup holds more than {LARGEST} bytes.")
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise Problem("backup-unreadable", "The backup was made by a newer version of tlsgate.")
        parts = _bytes(document["generation"])
        files = _bytes(document["files"])

        def read(path: str) -> bytes:
            if path not in parts:
                raise FileNotFoundError(path)
            return parts[path]

        generation, _ = decode_generation(read)
    except (Damaged, zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as reason:
        raise Problem("backup-unreadable", "The backup holds something else than a node.") from reason
    unknown = [path for path in files if not _is_known(path)]
    if unknown:
        raise Problem("backup-unreadable", f"The backup holds a file that does not belong there: {unknown[0]!r}.")
    return Backup(generation=generation, files=files)


def restore(state: Path, backup: Backup, *, now: float, author: str) -> Generation:
    """
    Make an empty state folder the node of a backup, with the gate stopped.  The generation comes last: until then the
    folder is as good as empty.

    @param now: Unix time.

    @return: generation 1.

    @raise Problem: C{exists}: the folder has generations already; C{storage-failed}: it cannot be written, or a gate
        uses it.
    """
    store = FileStore(state)
    store.open()
    try:
        if store.current() is not None:
            raise Problem("exists", f"{state} holds a node already; start it and import over its API, or name another.")
        write_side_files(state, backup.files)
        generation = attrs.evolve(
            backup.generation,
            number=store.next_number(),
            parent=0,
            time=now,
            author=author,
            reason=f"restored from a backup of generation {backup.generation.number}",
            summary=("Everything restored from a backup.",),
            confirm_by=None,
            undoes=0,
        )
        store.commit(0, generation)
    finally:
        store.close()
    return generation


def write_side_files(state: Path, files: Mapping[str, bytes]) -> None:
    """
    Put files into a state folder, each whole or not at all and private.

    @raise Problem: C{storage-failed}.
    """
    try:
        for name, content in files.items():
            if not _is_known(name):
                raise Problem("backup-unreadable", f"The file {name!r} does not belong into a state folder.")
            _write(state / name, content)
    except OSError as reason:
        raise Problem("storage-failed", f"{reason.filename} cannot be written: {reason.strerror}.") from reason


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, content)
    if path.suffix == ".pem":
        # A certificate: whoever wants to trust the gate may read it.
        path.chmod(0o644)


def _is_known(name: str) -> bool:
    """
    Is it one of the files that a node has, by a path that stays in its folder?
    """
    path = PurePosixPath(name)
    return (
        name == path.as_posix()
        and not path.name.startswith(".")
        and ".." not in path.parts
        and any(len(PurePosixPath(known).parts) == len(path.parts) and path.match(known) for known in SIDE_FILES)
        and not path.is_absolute()
    )


def _texts(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: base64.b64encode(content).decode("ascii") for path, content in files.items()}


def _bytes(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {path: base64.b64decode(text, validate=True) for path, text in texts.items()}
