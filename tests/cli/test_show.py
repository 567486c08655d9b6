"""
What is printed.
"""

import pytest

from tlsgate.cli._show import clean, fields, findings_lines, table


def test_nothing_steers_the_terminal() -> None:
    """
    Control characters are shown, not obeyed.
    """
    assert clean("a\x1b[2Jb\rc\u202ed\ne") == "a\\x1b[2Jb\\rc\\u202ed\ne"


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Cells are texts; nothing is cut where no terminal is.
    """
    table(("a", "b"), [(["x", "y"], None), (True, "z" * 200)], empty="none")
    out = capsys.readouterr().out
    assert "x, y" in out
    assert "yes" in out
    assert "z" * 200 in out
    table(("a",), [], empty="none")
    assert capsys.readouterr().out == "none\n"


def test_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Names stand in a column.
    """
    fields([("a", "1"), ("long", {"b": 2}), ("none", None)])
    assert capsys.readouterr().out == 'a     1\nlong  {"b": 2}\nnone\n'


def test_findings() -> None:
    """
    The worst comes first.
    """
    found = [
        {"severity": "info", "code": "i", "message": "I.", "pointer": ""},
        {"severity": "error", "code": "e", "message": "E.", "pointer": "/site/0"},
    ]
    assert findings_lines(found) == ["error: E. [e] (/site/0)", "info: I. [i]"]
