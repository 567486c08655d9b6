"""
Certificates in files and folders.
"""

from __future__ import annotations

import time

import pytest

from tlsgate.certificates import LARGEST, WatchedFiles, folder_files, read_files, self_signed
from tlsgate.problems import Problem


def test_the_certificates_of_a_folder(tmp_path) -> None:
    """
    Each certificate file counts, with the key beside it; keys, hidden and other files do not.
    """
    for name in ("a.pem", "b.crt", "b.key", "c.pem", "c-key.pem", "d.pfx", ".e.pem", "f.txt", "b.pem"):
        (tmp_path / name).touch()
    found = {each.name: [path.name for path in each.paths] for each in folder_files(tmp_path)}
    assert found == {"a": ["a.pem"], "b": ["b.crt", "b.key"], "c": ["c.pem", "c-key.pem"], "d": ["d.pfx"]}
    assert folder_files(tmp_path / "nowhere") == ()


def test_reads_a_pair(tmp_path) -> None:
    """
    A pair of files is read as an upload is.
    """
    made = self_signed("x", ["a.test"], now=time.time())
    (tmp_path / "c").write_bytes(made.chain)
    (tmp_path / "k").write_bytes(made.key)
    files = WatchedFiles("x", tmp_path / "c", tmp_path / "k", password=b"a secret")
    assert read_files(files, now=time.time()).certificate == made
    assert "secret" not in repr(files)


@pytest.mark.parametrize(("spoil", "code"), [
    (lambda path: path.mkdir(), "certificate-unreadable"),
    (lambda path: None, "certificate-unreadable"),
    (lambda path: path.symlink_to(path), "certificate-unreadable"),
    (lambda path: path.write_bytes(b"x" * (LARGEST + 1)), "too-large"),
])  # fmt: skip
def test_what_is_no_file(tmp_path, spoil, code) -> None:
    """
    Folders, missing files, loops of links and huge files are refused with their path.
    """
    path = tmp_path / "c.pem"
    spoil(path)
    with pytest.raises(Problem, match=r"c\.pem") as caught:
        read_files(WatchedFiles("x", path), now=time.time())
    assert caught.value.code == code
