"""
What is left under a CA's rate limits.
"""

from __future__ import annotations

from pathlib import Path

from tlsgate.acme._budget import LIMITS, Budget, Limits

NOW = 1_800_000_000.0
HOUR = 3600.0
DIRECTORY = "https://ca.test/dir"


def codes(budget: Budget, *names: str, at: float = NOW) -> list[str]:
    return [finding.code for finding in budget.findings(DIRECTORY, names, at)]


def budget(path: Path = Path("unused"), **limits: int) -> Budget:
    return Budget(path, {"ca.test": Limits(**limits)})


def test_lets_encrypt_is_known() -> None:
    """
    The limits of the default CA are known.
    """
    assert LIMITS["acme-v02.api.letsencrypt.org"] == Limits()


def test_same_names() -> None:
    """
    Certificates for exactly the same names are counted for a week, in whatever order the names come.
    """
    record = budget(same_names=2)
    for _ in range(2):
        assert codes(record, "a.test", "b.test") == []
        record.note(DIRECTORY, "issued", ["b.test", "a.test"], NOW)
    assert codes(record, "a.test", "b.test") == ["rate-limit-spent"]
    assert codes(record, "a.test") == []
    assert codes(record, "a.test", "b.test", at=NOW + 7 * 24 * HOUR) == []


def test_failures() -> None:
    """
    Failed validations of a name are counted for an hour.
    """
    record = budget(failures=1)
    record.note(DIRECTORY, "failed", ["a.test"], NOW)
    assert codes(record, "a.test", "b.test") == ["rate-limit-spent"]
    assert codes(record, "b.test") == []
    assert codes(record, "a.test", at=NOW + HOUR) == []


def test_orders() -> None:
    """
    Orders are counted for three hours; those of another CA are not.
    """
    record = budget(orders=2)
    for directory in (DIRECTORY, DIRECTORY, "https://other.test/dir"):
        record.note(directory, "order", ["a.test"], NOW)
    assert codes(record, "z.test") == ["rate-limit-spent"]
    assert list(record.findings("https://other.test/dir", ["a.test"], NOW)) == []
    assert codes(record, "z.test", at=NOW + 3 * HOUR) == []


def test_domain_is_a_warning() -> None:
    """
    What a registered domain is can only be guessed, so that its limit refuses nothing.
    """
    record = budget(domain=1)
    record.note(DIRECTORY, "issued", ["x.example.com"], NOW)
    (finding,) = record.findings(DIRECTORY, ["*.y.example.com"], NOW)
    assert (finding.code, finding.severity.value) == ("rate-limit-near", "warning")


def test_clock_set_back() -> None:
    """
    What was noted in the future counts.
    """
    record = budget(failures=1)
    record.note(DIRECTORY, "failed", ["a.test"], NOW + 30 * 24 * HOUR)
    assert codes(record, "a.test") == ["rate-limit-spent"]


def test_file(tmp_path: Path) -> None:
    """
    The record is kept in a private file; a damaged one is as good as none.
    """
    path = tmp_path / "acme" / "record.json"
    record = budget(path, failures=1)
    record.note(DIRECTORY, "failed", ["a.test"], NOW)
    record.save(record.content())
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    again = budget(path, failures=1)
    again.load()
    assert codes(again, "a.test") == ["rate-limit-spent"]
    for content in ("", "[]", '{"rows": [[1]]}', '{"rows": 3}', '{"rows": [["x", 1, 2, 3]]}'):
        path.write_text(content)
        again.load()
        assert codes(again, "a.test") == []
