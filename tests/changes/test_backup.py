"""
A whole node in one file.
"""

import json
from pathlib import Path

import pytest

from tlsgate.changes import Backup, first_generation, make_backup, read_backup, restore, side_files, write_side_files
from tlsgate.changes._backup import LARGEST, _is_known
from tlsgate.changes._sealing import seal
from tlsgate.problems import Problem
from tlsgate.settings import FileStore

NOW = 1_700_000_000.0
PASSPHRASE = "correct horse"


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    """
    A node with tokens and an account.
    """
    state = tmp_path / "old"
    (state / "acme" / "accounts").mkdir(parents=True)
    (state / "acme" / "accounts" / "abc.json").write_text('{"key": "SECRET"}')
    (state / "tokens.json").write_text('{"tokens": []}')
    (state / "admin-ca.pem").write_text("CA")
    (state / "audit.log").write_text("not this")
    return Backup(generation=first_generation(None, NOW, ["gate.test"]), files=side_files(state))


def test_restores_onto_an_empty_folder(backup: Backup, tmp_path: Path) -> None:
    """
    Settings, certificates with keys, tokens and accounts come back, each private; logs do not.
    """
    content = make_backup(backup, PASSPHRASE)
    assert b"PRIVATE KEY" not in content
    assert b"SECRET" not in content
    state = tmp_path / "new"
    made = restore(state, read_backup(content, PASSPHRASE), now=NOW + 5, author="local:ada")
    store = FileStore(state)
    store.open()
    current = store.current()
    store.close()
    assert current is not None
    assert current == made
    assert (current.number, current.parent, current.author) == (1, 0, "local:ada")
    assert current.document == backup.generation.document
    assert dict(current.certificates) == dict(backup.generation.certificates)
    account = state / "acme" / "accounts" / "abc.json"
    assert json.loads(account.read_text()) == {"key": "SECRET"}
    assert account.stat().st_mode & 0o777 == 0o600
    assert account.parent.stat().st_mode & 0o777 == 0o700
    assert not (state / "audit.log").exists()


def test_a_node_is_not_overwritten(backup: Backup, tmp_path: Path) -> None:
    """
    A folder with generations is refused, and keeps everything.
    """
    restore(tmp_path / "new", backup, now=NOW, author="x")
    with pytest.raises(Problem) as refused:
        restore(
            tmp_path / "new", Backup(generation=backup.generation, files={"tokens.json": b"other"}), now=NOW, author="x"
        )
    assert refused.value.code == "exists"
    assert (tmp_path / "new" / "tokens.json").read_bytes() == b'{"tokens": []}'


@pytest.mark.parametrize(
    "name",
    [
        "../tokens.json",
        "/etc/passwd",
        "csr/../tokens.json",
        "generations/000001",
        "lock",
        "csr/.json",
        "a/csr/x.json",
        "",
    ],
)
def test_no_file_leaves_the_folder(name: str, tmp_path: Path) -> None:
    """
    Files that a node does not have are refused, wherever they would go.
    """
    assert not _is_known(name)
    with pytest.raises(Problem, match="does not belong"):
        write_side_files(tmp_path, {name: b"x"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_something_else_under_the_right_passphrase(content: bytes) -> None:
    """
    What opens but is no node is refused as unreadable.
    """
    with pytest.raises(Problem) as refused:
        read_backup(seal(content, PASSPHRASE, cost=14), PASSPHRASE)
    assert refused.value.code == "backup-unreadable"
    assert LARGEST > 0


def test_never_shows_what_it_holds(backup: Backup) -> None:
    """
    Its representation holds no key.
    """
    assert "SECRET" not in repr(backup)
    assert "PRIVATE KEY" not in repr(backup)
