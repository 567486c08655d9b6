"""
Certificates that wait in a folder.
"""

from __future__ import annotations

import attrs
import pytest

from tlsgate.certificates import StagedCertificate, StagedCertificates, self_signed
from tlsgate.problems import Problem

NOW = 1_800_000_000.0


def staged(name: str = "a", after: float = 60.0) -> StagedCertificate:
    made = self_signed(name, [f"{name}.test"], now=NOW)
    return StagedCertificate(
        certificate=made, source="upload", activate_at=NOW + after, author="tests", bindings=("https",)
    )


def test_keeps_them_private_and_whole(tmp_path) -> None:
    """
    What waits comes back equal, the next one first, from files of its owner alone.
    """
    folder = StagedCertificates(tmp_path / "staged")
    later, sooner = staged("a", 100), staged("b", 50)
    folder.add(later, NOW)
    folder.add(sooner, NOW)
    assert folder.all() == [sooner, later]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "staged").iterdir()} == {0o600}
    assert folder.remove("a")
    assert not folder.remove("a")


@pytest.mark.parametrize("after", [0.0, -1.0, 400 * 86400.0])
def test_refuses_impossible_times(tmp_path, after) -> None:
    """
    A swap is planned for a time to come, and at most a year away.
    """
    with pytest.raises(Problem, match="activate_at"):
        StagedCertificates(tmp_path / "staged").add(attrs.evolve(staged(), activate_at=NOW + after), NOW)


def test_leaves_out_damaged_files(tmp_path) -> None:
    """
    A damaged file does not hide the others.
    """
    folder = StagedCertificates(tmp_path)
    folder.add(staged(), NOW)
    (tmp_path / "b.json").write_text("{")
    assert [one.certificate.name for one in folder.all()] == ["a"]
