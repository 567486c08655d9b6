"""
How one generation lies in its folder: C{generation.json}, C{certificates/NAME.pem} and C{NAME.key}, C{SHA256SUMS}.

Where there are many certificates, a pair of files for each would make every change slow: there, each of a few
C{certificates/NN.json} holds the pairs of many names, and a change writes anew only those that it touches.

C{SHA256SUMS} covers all the others and is in the format of C{sha256sum --check}, so that a truncated or hand-edited
file is named instead of served.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from ..problems import Problem, ProblemError
from ..sites import ServerCertificate
from ._generations import Generation, SiteMemory, StoredCertificate

__all__ = ["Damaged", "check_certificate_name", "decode", "encode"]

#: Of a folder with a pair of files for each certificate, and of one where files hold many.
FORMAT: Final = 1
FORMAT_OF_MANY: Final = 2
MANY: Final = 256
SHARDS: Final = 64
HEAD: Final = "generation.json"
SUMS: Final = "SHA256SUMS"

# A name becomes a file name: nothing that climbs, hides or needs quoting in more than a shell.
CERTIFICATE_NAME: Final = re.compile(r"[A-Za-z0-9_*-][A-Za-z0-9._*-]{0,127}")


class Damaged(Exception):
    """
    A generation's folder is not as it was written.

    @ivar file: the file to blame, relative to the folder.
    """

    def __init__(self, file: str, detail: str) -> None:
        super().__init__(f"{file} {detail}")
        self.file = file


def check_certificate_name(name: str) -> None:
    """
    Refuse a certificate's name that cannot be a file's name.

    @raise Problem: C{invalid-settings}.
    """
    if CERTIFICATE_NAME.fullmatch(name) is None:
        detail = (
            "A certificate's name has 1 to 128 letters, digits, dots, underscores, asterisks or hyphens "
            "and does not begin with a dot."
        )
        raise Problem("invalid-settings", detail, errors=[ProblemError("/certificate", "name-invalid", detail)])


def encode(
    generation: Generation,
    last: Mapping[str, StoredCertificate] | None = None,
    last_files: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """
    The files of a generation's folder, by path relative to it; each file's folder is either that one or
    C{certificates}.

    @param last: the certificates of a generation that was encoded or decoded before; what holds the same ones is not
        encoded again.
    @param last_files: its files.

    @raise Problem: C{invalid-settings}: a certificate's name cannot be a file's name.
    """
    files: dict[str, bytes] = {}
    certificates: dict[str, Any] = {}
    many = len(generation.certificates) > MANY
    if many:
        files.update(_shards(generation.certificates, last or {}, last_files or {}))
    for name, stored in generation.certificates.items():
        check_certificate_name(name)
        certificate = stored.certificate
        if not many:
            files[f"certificates/{name}.pem"] = certificate.chain
            files[f"certificates/{name}.key"] = certificate.key
        certificates[name] = {
            "source": stored.source,
            "added_at": stored.added_at,
            "details": dict(stored.details),
            "names": list(certificate.names),
            "not_before": certificate.not_before,
            "not_after": certificate.not_after,
            "key_type": certificate.key_type,
            "fingerprint": certificate.fingerprint,
            "staple": base64.b64encode(certificate.staple).decode("ascii"),
        }
    head = {
        "format": FORMAT_OF_MANY if many else FORMAT,
        "number": generation.number,
        "parent": generation.parent,
        "time": generation.time,
        "author": generation.author,
        "reason": generation.reason,
        "summary": list(generation.summary),
        "confirm_by": generation.confirm_by,
        "undoes": generation.undoes,
        "findings": [dict(finding) for finding in generation.findings],
        "memory": {name: attrs.asdict(memory) for name, memory in generation.memory.items()},
        "certificates": certificates,
        "document": generation.document,
    }
    files[HEAD] = _written(head)
    sums = (f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in files.items())
    files[SUMS] = "".join(sums).encode("utf-8")
    return files


def _shard_of(name: str) -> str:
    """
    The file that holds a name's pair; the same in every generation, so that it can be shared by them.
    """
    return f"certificates/{zlib.crc32(name.encode('ascii')) % SHARDS:02}.json"


def _shards(
    certificates: Mapping[str, StoredCertificate],
    last: Mapping[str, StoredCertificate],
    last_files: Mapping[str, bytes],
) -> dict[str, bytes]:
    """
    The files of many pairs, a line for each name.
    """
    # Values are frozen, so the same object is the same pair; an equal one costs no more than being encoded.
    touched = {_shard_of(name) for name, stored in certificates.items() if last.get(name) is not stored}
    touched.update(_shard_of(name) for name in last if name not in certificates)
    lines: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    for name in sorted(certificates):
        path = _shard_of(name)
        if path not in touched and path in last_files:
            files[path] = last_files[path]
            continue
        certificate = certificates[name].certificate
        pair = [certificate.chain.decode("ascii"), certificate.key.decode("ascii")]
        lines.setdefault(path, []).append(f"{json.dumps(name)}: {json.dumps(pair)}")
    files.update((path, ("{\n" + ",\n".join(found) + "\n}\n").encode("ascii")) for path, found in lines.items())
    return files


def _written(head: dict[str, Any]) -> bytes:
    """
    JSON that a person can read: indented, but a line for each certificate, since there may be thousands.
    """
    certificates = head.pop("certificates")
    # json.dumps with an option makes an encoder for each call.
    written = json.JSONEncoder(allow_nan=False).encode
    lines = ",\n".join(f"  {written(name)}: {written(kept)}" for name, kept in certificates.items())
    rest = json.dumps(head, indent=1, allow_nan=False)
    return f'{rest[:-2]},\n "certificates": {{\n{lines}\n }}\n}}\n'.encode("ascii")


def decode(read: Callable[[str], bytes]) -> Generation:
    """
    The generation of a folder.

    @param read: the content of the file at a path relative to the folder; raises L{OSError}.

    @raise Damaged: a file is missing, cannot be read, or is not as it was written.
    """
    checked = _Checked(read)
    try:
        head = json.loads(checked.read(HEAD))
        if head["format"] not in (FORMAT, FORMAT_OF_MANY):
            raise Damaged(
                HEAD,
                f"has format {head['format']}; this version of tlsgate reads formats {FORMAT} and {FORMAT_OF_MANY}",
            )
        pairs = checked.pair if head["format"] == FORMAT else _Shards(checked).pair
        return Generation(
            number=head["number"],
            parent=head["parent"],
            time=head["time"],
            author=head["author"],
            reason=head["reason"],
            summary=tuple(head["summary"]),
            document=head["document"],
            certificates={name: _stored(name, kept, pairs(name)) for name, kept in head["certificates"].items()},
            memory={name: SiteMemory(**kept) for name, kept in head["memory"].items()},
            confirm_by=head["confirm_by"],
            undoes=head["undoes"],
            findings=tuple(head["findings"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as reason:
        raise Damaged(HEAD, f"is not a generation: {type(reason).__name__}") from reason


def _stored(name: str, kept: Mapping[str, Any], pair: tuple[bytes, bytes]) -> StoredCertificate:
    """
    One certificate of a generation.

    @param pair: its chain and its key.
    """
    certificate = ServerCertificate(
        name=name,
        chain=pair[0],
        key=pair[1],
        names=tuple(kept["names"]),
        not_before=kept["not_before"],
        not_after=kept["not_after"],
        key_type=kept["key_type"],
        fingerprint=kept["fingerprint"],
        staple=base64.b64decode(kept["staple"]),
    )
    return StoredCertificate(
        certificate=certificate, source=kept["source"], added_at=kept["added_at"], details=kept["details"]
    )


class _Checked:
    """
    Reads a folder's files and compares each with its sum.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._sums: dict[str, str] = {}
        for line in self._get(SUMS).decode("utf-8", "replace").splitlines():
            digest, _, path = line.partition("  ")
            self._sums[path] = digest

    def read(self, path: str) -> bytes:
        """
        @raise Damaged: it cannot be read or has another sum.
        """
        content = self._get(path)
        if self._sums.get(path) != hashlib.sha256(content).hexdigest():
            raise Damaged(path, f"is not as it was written: its checksum is not the one in {SUMS}")
        return content

    def pair(self, name: str) -> tuple[bytes, bytes]:
        """
        The chain and the key of a name.
        """
        return self.read(f"certificates/{name}.pem"), self.read(f"certificates/{name}.key")

    def _get(self, path: str) -> bytes:
        try:
            return self._read(path)
        except OSError as reason:
            raise Damaged(path, f"cannot be read: {reason.strerror or reason}") from reason


class _Shards:
    """
    Reads the files that hold many pairs, each once.
    """

    def __init__(self, checked: _Checked) -> None:
        self._checked = checked
        self._read: dict[str, dict[str, list[str]]] = {}

    def pair(self, name: str) -> tuple[bytes, bytes]:
        """
        As L{_Checked.pair}.
        """
        path = _shard_of(name)
        if path not in self._read:
            self._read[path] = json.loads(self._checked.read(path))
        chain, key = self._read[path][name]
        return chain.encode("ascii"), key.encode("ascii")
