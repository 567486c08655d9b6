from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.problems import Problem
from tlsgate.settings import default_document, parse_toml, read_toml, sentences, to_toml, validate_document

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
@settings(deadline=None, max_examples=150)
def test_round_trip(document: dict[str, Any]) -> None:
    """
    What is written is read back equal.
    """
    assert parse_toml(to_toml(document)) == document


def test_is_written_for_people() -> None:
    """
    Lists of tables get a heading each, None is left out.
    """
    text = to_toml(
        {
            "log": {"level": "info"},
            "certificates_folder": "",
            "site": [{"name": "x", "hsts": {"ramp": True}}, {}],
            "gone": None,
        }
    )
    assert text == (
        'certificates_folder = ""\n\n[log]\nlevel = "info"\n\n[[site]]\nname = "x"\nhsts = { ramp = true }\n\n[[site]]\n'
    )
    assert parse_toml(to_toml(default_document())) == default_document()


def test_none_in_a_list_cannot_be_written() -> None:
    """
    What TOML cannot hold is a C{TypeError}.
    """
    with pytest.raises(TypeError):
        to_toml({"a": [None]})


@pytest.mark.parametrize("text", ["a", "a = ", "[a]\n[a]", "a = " + "[" * 10_000])
def test_malformed(text: str) -> None:
    """
    What is not TOML is C{invalid-settings}.
    """
    with pytest.raises(Problem) as caught:
        parse_toml(text)
    assert caught.value.code == "invalid-settings"


def test_reads_plain_utf_8_files_only(tmp_path: Path) -> None:
    """
    A folder, nothing, other bytes and too many of them are refused with a sentence.
    """
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'a = "\xe9"')
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (1024 * 1024 + 1))
    for path in (tmp_path, tmp_path / "nothing", latin, large):
        with pytest.raises(Problem):
            read_toml(path)


WRONG = """\
[log]
level = "loud"

[[site]]
name = "a"
hosts = ["*"]
upstream = "app"

[[site]]
name = "b"
hosts = ["b"]
upstrem = "app"
[site.hsts]
max_age = -1
[[upstream]]
name = "app"
servers = [{ url = "demo:" }]
"""


def test_sentences_name_file_line_and_path() -> None:
    """
    Each error of a document is one line with file, line and path.
    """
    with pytest.raises(Problem) as caught:
        validate_document(parse_toml(WRONG))
    found = [line.split(": ")[:2] for line in sentences(caught.value, "x.toml", WRONG)]
    assert sorted(found) == sorted(
        [
            ["x.toml:2", "log/level"],
            ["x.toml:9", "site/1/upstream"],
            ["x.toml:12", "site/1/upstrem"],
            ["x.toml:14", "site/1/hsts/max_age"],
        ]
    )


def test_sentences_of_a_problem_without_errors() -> None:
    """
    A problem with no error of its own is told by its detail.
    """
    assert list(sentences(Problem("invalid-settings", "No."), "x")) == ["x: No."]
