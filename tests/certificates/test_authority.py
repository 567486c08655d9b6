"""
The local CA in its folder.
"""

from __future__ import annotations

from cryptography import x509

from tlsgate.certificates import LocalAuthority, Roots, inspect

NOW = 1_800_000_000.0


def authority(folder, now=NOW):
    return LocalAuthority.load_or_create(folder, clock=lambda: now)


def test_is_made_once(tmp_path) -> None:
    """
    The first call makes the CA, with a key for its owner only; the next finds it.
    """
    first = authority(tmp_path)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("admin-ca.pem", "admin-ca.key")] == [0o644, 0o600]
    assert authority(tmp_path).root == first.root == (tmp_path / "admin-ca.pem").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["admin-ca.key", "admin-ca.pem"]
    assert "PRIVATE" not in repr(first)


def test_issues_what_its_root_trusts(tmp_path) -> None:
    """
    What it issues is trusted by whoever has its root, for names and addresses.
    """
    made = authority(tmp_path)
    issued = made.issue(["localhost", "127.0.0.1"])
    assert issued.name == "admin"
    assert inspect(issued, now=NOW, roots=Roots([made.certificate])).trusted
    shop = made.issue(["*.shop.test"], 30, name="shop", key_type="rsa-2048")
    assert (shop.names, shop.key_type, shop.not_after) == (("*.shop.test",), "rsa-2048", NOW + 30 * 86400)


def test_is_made_anew_when_damaged_or_old(tmp_path) -> None:
    """
    A damaged CA, one whose key is another's, and one in its last year are replaced.
    """
    first = authority(tmp_path).root
    (tmp_path / "admin-ca.key").write_bytes(b"damaged")
    second = authority(tmp_path).root
    other = tmp_path / "other"
    other.mkdir()
    authority(other)
    (tmp_path / "admin-ca.key").write_bytes((other / "admin-ca.key").read_bytes())
    third = authority(tmp_path).root
    fourth = authority(tmp_path, NOW + 9.5 * 365 * 86400).root
    assert len({first, second, third, fourth}) == 4


def test_never_outlives_its_root(tmp_path) -> None:
    """
    What it issues ends before its root does.
    """
    made = authority(tmp_path)
    later = LocalAuthority.load_or_create(tmp_path, clock=lambda: NOW + 8.9 * 365 * 86400)
    issued = later.issue(["a.test"], 3650)
    root = x509.load_pem_x509_certificate(made.root)
    assert issued.not_after <= root.not_valid_after_utc.timestamp()
