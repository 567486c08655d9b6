"""
How one generation lies in its folder: C{generation.json}, C{certificates/NAME.pem} and C{NAME.key}, C{SHA256SUMS}.

Where there are many certificates, a pair of files for each would make every change slow: there, each of a few
C{certificates/NN.json} holds many names with all that is known of them, and a change writes anew only those that it
touches.  C{generation.json} stays small, so that a history of generations with many certificates is read quickly.

C{SHA256SUMS} covers all the others and is in the format of C{sha256sum --check}, so that a truncated or hand-edited
file is named instead of served.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import attrs

from ..problems import Problem, ProblemError
from ..sites import ServerCertificate
from ._generations import Generation, SiteMemory, StoredCertificate

__all__ = ["Damaged", "Encoded", "Written", "check_certificate_name", "decode", "decode_outline", "encode", "files_of"]

#: Of a folder with a pair of files for each certificate, and of one where files hold many.
FORMAT: Final = 1
FORMAT_OF_MANY: Final = 3
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


@attrs.frozen(kw_only=True)
class Written:
    """
    What is remembered of a generation that was encoded or decoded, so that the next one costs what differs.

    @ivar sums: SHA-256 in hex, by path.
    @ivar certificates: as they were then.
    """

    sums: Mapping[str, str] = attrs.field(factory=dict)
    certificates: Mapping[str, StoredCertificate] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Encoded:
    """
    A generation's files.

    @ivar written: what to remember of them; its sums name all files.
    @ivar fresh: by path, the files that the generation before does not have, or perhaps not.
    """

    written: Written
    fresh: Mapping[str, bytes] = attrs.field(repr=False)


def files_of(generation: Generation) -> dict[str, bytes]:
    """
    All files of a generation's folder, by path relative to it.

    @raise Problem: C{invalid-settings}: a certificate's name cannot be a file's name.
    """
    return dict(encode(generation).fresh)


def encode(generation: Generation, last: Written | None = None) -> Encoded:
    """
    The files of a generation's folder; each file's folder is either that one or C{certificates}.

    @param last: of the generation before; of many certificates, only files that hold others than then are encoded.

    @raise Problem: C{invalid-settings}: a certificate's name cannot be a file's name.
    """
    last = last or Written()
    certificates = dict(generation.certificates)
    for name in certificates:
        if name not in last.certificates:
            check_certificate_name(name)
    files: dict[str, bytes] = {}
    sums: dict[str, str] = {}
    head = {
        "format": FORMAT,
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
        "document": generation.document,
    }
    if len(certificates) > MANY:
        head["format"] = FORMAT_OF_MANY
        head["certificates"] = len(certificates)
        shards = {_shard_of(name) for name in certificates}
        touched = {path for path in shards if path not in last.sums} | _touched(certificates, last.certificates)
        files.update(_shards(certificates, touched))
        sums.update((path, last.sums[path]) for path in sorted(shards - touched))
        files[HEAD] = _json(head)
    else:
        for name, stored in certificates.items():
            files[f"certificates/{name}.pem"] = stored.certificate.chain
            files[f"certificates/{name}.key"] = stored.certificate.key
        files[HEAD] = _with_lines(head, certificates)
    sums.update((path, hashlib.sha256(content).hexdigest()) for path, content in files.items())
    lines = "".join(f"{digest}  {path}\n" for path, digest in sums.items())
    files[SUMS] = lines.encode("utf-8")
    sums[SUMS] = hashlib.sha256(files[SUMS]).hexdigest()
    return Encoded(written=Written(sums=sums, certificates=certificates), fresh=files)


def _shard_of(name: str) -> str:
    """
    The file that holds a name; the same in every generation, so that it can be shared by them.
    """
    return f"certificates/{zlib.crc32(name.encode('ascii')) % SHARDS:02}.json"


def _touched(certificates: Mapping[str, StoredCertificate], last: Mapping[str, StoredCertificate]) -> set[str]:
    """
    The files that hold what differs.
    """
    # Values are frozen, so the same object is the same certificate; an equal one costs no more than being encoded.
    touched = {_shard_of(name) for name, stored in certificates.items() if last.get(name) is not stored}
    touched.update(_shard_of(name) for name in last.keys() - certificates.keys())
    return touched


def _shards(certificates: Mapping[str, StoredCertificate], paths: set[str]) -> dict[str, bytes]:
    """
    Files of many certificates, a line for each name.
    """
    lines: dict[str, list[str]] = {}
    for name in sorted(certificates) if paths else ():
        path = _shard_of(name)
        if path in paths:
            certificate = certificates[name].certificate
            pair = {"chain": certificate.chain.decode("ascii"), "key": certificate.key.decode("ascii")}
            kept = _written({**_kept(certificates[name]), **pair})
            lines.setdefault(path, []).append(f"{_written(name)}: {kept}")
    return {path: ("{\n" + ",\n".join(found) + "\n}\n").encode("ascii") for path, found in lines.items()}


def _kept(stored: StoredCertificate) -> dict[str, Any]:
    """
    What is written of a certificate beside its chain and its key.
    """
    certificate = stored.certificate
    return {
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


# json.dumps with an option makes an encoder for each call.
_written: Final = json.JSONEncoder(allow_nan=False).encode


def _json(head: Mapping[str, Any]) -> bytes:
    """
    JSON that a person can read.
    """
    return (json.dumps(head, indent=1, allow_nan=False) + "\n").encode("ascii")


def _with_lines(head: Mapping[str, Any], certificates: Mapping[str, StoredCertificate]) -> bytes:
    """
    The same with a line for each certificate.
    """
    lines = ",\n".join(f"  {_written(name)}: {_written(_kept(stored))}" for name, stored in certificates.items())
    rest = json.dumps(head, indent=1, allow_nan=False)
    return f'{rest[:-2]},\n "certificates": {{\n{lines}\n }}\n}}\n'.encode("ascii")


def decode(read: Callable[[str], bytes]) -> tuple[Generation, Written]:
    """
    The generation of a folder, and what is to be remembered of it.

    @param read: the content of the file at a path relative to the folder; raises L{OSError}.

    @raise Damaged: a file is missing, cannot be read, or is not as it was written.
    """
    checked = _Checked(read)
    with _understood():
        head = checked.head()
        certificates = dict(checked.pairs(head) if head["format"] == FORMAT else checked.shards(head))
        return _generation(head, certificates), Written(sums=checked.sums, certificates=certificates)


def decode_outline(read: Callable[[str], bytes]) -> Generation:
    """
    The same without its certificates, which are not read.
    """
    with _understood():
        return _generation(_Checked(read).head(), {})


@contextmanager
def _understood() -> Iterator[None]:
    """
    Whatever is missing or of another kind in a file of the right sum makes it no generation.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as reason:
        raise Damaged(HEAD, f"is not a generation: {type(reason).__name__}") from reason


def _generation(head: Mapping[str, Any], certificates: Mapping[str, StoredCertificate]) -> Generation:
    return Generation(
        number=head["number"],
        parent=head["parent"],
        time=head["time"],
        author=head["author"],
        reason=head["reason"],
        summary=tuple(head["summary"]),
        document=head["document"],
        certificates=certificates,
        memory={name: SiteMemory(**kept) for name, kept in head["memory"].items()},
        confirm_by=head["confirm_by"],
        undoes=head["undoes"],
        findings=tuple(head["findings"]),
    )


def _stored(name: str, kept: Mapping[str, Any], chain: bytes, key: bytes) -> StoredCertificate:
    """
    One certificate of a generation.

    @param kept: as L{_kept}.
    """
    certificate = ServerCertificate(
        name=name,
        chain=chain,
        key=key,
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

    @ivar sums: of all files, by path.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self.sums: dict[str, str] = {}
        content = self._get(SUMS)
        for line in content.decode("utf-8", "replace").splitlines():
            digest, _, path = line.partition("  ")
            self.sums[path] = digest
        self.sums[SUMS] = hashlib.sha256(content).hexdigest()

    def read(self, path: str) -> bytes:
        """
        @raise Damaged: it cannot be read or has another sum.
        """
        content = self._get(path)
        if self.sums.get(path) != hashlib.sha256(content).hexdigest():
            raise Damaged(path, f"is not as it was written: its checksum is not the one in {SUMS}")
        return content

    def head(self) -> dict[str, Any]:
        """
        What stands in C{generation.json}.
        """
        head: dict[str, Any] = json.loads(self.read(HEAD))
        if head["format"] not in (FORMAT, FORMAT_OF_MANY):
            raise Damaged(
                HEAD,
                f"has format {head['format']}; this version of tlsgate reads formats {FORMAT} and {FORMAT_OF_MANY}",
            )
        return head

    def pairs(self, head: Mapping[str, Any]) -> Iterator[tuple[str, StoredCertificate]]:
        """
        The certificates, with a pair of files for each.
        """
        for name, kept in head["certificates"].items():
            yield (
                name,
                _stored(name, kept, self.read(f"certificates/{name}.pem"), self.read(f"certificates/{name}.key")),
            )

    def shards(self, head: Mapping[str, Any]) -> list[tuple[str, StoredCertificate]]:
        """
        The certificates in files that hold many.
        """
        found = [
            (name, _stored(name, kept, kept.pop("chain").encode("ascii"), kept.pop("key").encode("ascii")))
            for path in self.sums
            if path.startswith("certificates/")
            for name, kept in json.loads(self.read(path)).items()
        ]
        if len(found) != head["certificates"]:
            raise Damaged(SUMS, f"names files with {len(found)} certificates, and there were {head['certificates']}")
        return sorted(found, key=lambda one: one[0])

    def _get(self, path: str) -> bytes:
        try:
            return self._read(path)
        except OSError as reason:
            raise Damaged(path, f"cannot be read: {reason.strerror or reason}") from reason
