"""
Folders of certificates, as people and certbot lay them out.
"""

import base64
from pathlib import Path

import pytest

from tlsgate.certificates import self_signed
from tlsgate.cli._folders import FolderError, certificates_in, name_of

NOW = 1_790_000_000.0


def write(folder: Path, **files: str) -> None:
    """
    Files by their names, C{_} for the dot before the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def test_layouts(tmp_path: Path) -> None:
    """
    Keys beside certificates, PKCS#12 files and certbot's folders are found together; other files are left alone.
    """
    write(tmp_path, a_key="ka", a_crt="ca", b_key="kb", b_fullchain_pem="cb", b_chain_pem="i", notes_txt="x")
    write(tmp_path / "*.shop.test", privkey_pem="kc", fullchain_pem="cc", chain_pem="not needed")
    write(tmp_path / "old", privkey_pem="kd", cert_pem="cd", chain_pem="i")
    write(tmp_path / "empty", README="x")
    (tmp_path / "d.p12").write_bytes(b"\x30\x82")
    found = {entry.pop("name"): entry for entry in certificates_in(tmp_path)}
    assert found == {
        "wildcard.shop.test": {"certificate": "cc", "key": "kc"},
        "a": {"certificate": "ca", "key": "ka"},
        "b": {"certificate": "cb", "key": "kb", "chain": "i"},
        "d": {"pfx": base64.b64encode(b"\x30\x82").decode()},
        "old": {"certificate": "cd", "key": "kd", "chain": "i"},
    }


def test_what_cannot_be_used(tmp_path: Path) -> None:
    """
    The file that is to blame is named.
    """
    with pytest.raises(FolderError, match="no key with a certificate"):
        certificates_in(tmp_path)
    write(tmp_path, a_key="k")
    with pytest.raises(FolderError, match=r"a\.key has no certificate beside it"):
        certificates_in(tmp_path)
    (tmp_path / "a.crt").write_bytes(b"\x30\x82")
    with pytest.raises(FolderError, match=r"a\.crt is no PEM"):
        certificates_in(tmp_path)
    write(tmp_path, a_crt="c", a_pfx="p")
    with pytest.raises(FolderError, match="a comes twice"):
        certificates_in(tmp_path)


def test_names() -> None:
    """
    What cannot stand in a name is replaced, and a name begins with a letter or digit.
    """
    assert [name_of(text) for text in ("*.a.test", "ä b", "..x", "y" * 99)] == [
        "wildcard.a.test",
        "b",
        "x",
        "y" * 64,
    ]


def pairs(folder: Path, *names: str) -> None:
    """
    Write a pair for each name.
    """
    folder.mkdir(exist_ok=True)
    for name in names:
        made = self_signed("x", [f"{name}.test"], days=90, now=NOW)
        (folder / f"{name}.crt").write_bytes(made.chain)
        (folder / f"{name}.key").write_bytes(made.key)


def test_import(gate, run, tmp_path: Path) -> None:
    """
    All certificates of a folder are served as one change, and a second time is none.
    """
    folder = tmp_path / "all"
    pairs(folder, "a", "b", "c")
    ran = run("certificate", "import-folder", folder, "--dry-run")
    assert (ran.status, gate.harness.changes.current.number) == (0, 1), ran.err
    ran = run("certificate", "import-folder", folder, "--reason=moved", "--json")
    assert ran.status == 0, ran.err
    assert [one["names"] for one in ran.json["certificates"]] == [["a.test"], ["b.test"], ["c.test"]]
    current = gate.harness.changes.current
    assert (current.number, current.reason) == (2, "moved")
    assert {"a", "b", "c"} < set(current.certificates)
    assert "3 certificates are served; generation 2" in run("certificate", "import-folder", folder).out


def test_all_or_none(gate, run, tmp_path: Path) -> None:
    """
    If some cannot be used, all of these are named, and nothing is stored.
    """
    folder = tmp_path / "all"
    pairs(folder, "a", "b", "c")
    (folder / "a.key").write_text("nonsense")
    (folder / "c.key").write_bytes((folder / "b.key").read_bytes())
    ran = run("certificate", "import-folder", folder)
    assert ran.status == 1
    assert "/certificates/0: a:" in ran.err
    assert "/certificates/2: c:" in ran.err
    assert "2 of 3" in ran.err
    assert gate.harness.changes.current.number == 1
    assert run("certificate", "import-folder", tmp_path / "nowhere").status == 2
