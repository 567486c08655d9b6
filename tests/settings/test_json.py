import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.problems import Problem
from tlsgate.settings import merge_patch, parse_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
@settings(deadline=None, max_examples=50)
def test_reads_what_json_writes(value: Any) -> None:
    """
    What the standard library writes is read back.
    """
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=40))
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_a_value_or_a_problem(content: bytes) -> None:
    """
    Any bytes are a value or C{malformed-json}.
    """
    try:
        parse_json(content)
    except Problem as problem:
        assert problem.code == "malformed-json"
        problem.detail.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"a": 1, "a": 2}',
        b"NaN",
        b"[Infinity]",
        b"1e400",
        b"9" * 5000,
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'{"a": ["\\ud800"]}',
        b'["\\ud800"]',
        b"\xff",
        b"[" * 10_000,
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 10_000,
    ],
)
def test_refuses(content: bytes) -> None:
    """
    What JSON leaves open or what only does harm is C{malformed-json}.
    """
    with pytest.raises(Problem) as caught:
        parse_json(content)
    assert caught.value.code == "malformed-json"
    assert caught.value.status == 400


def test_brackets_in_strings_are_no_depth() -> None:
    """
    Only brackets outside strings count as nesting.
    """
    text = '\\"' + "[" * 100
    assert parse_json(json.dumps([text]).encode()) == [text]


def test_limit() -> None:
    """
    A byte more than the limit is C{too-large}.
    """
    assert parse_json(b'"ab"', 4) == "ab"
    with pytest.raises(Problem) as caught:
        parse_json(b'"abc"', 4)
    assert caught.value.code == "too-large"


# RFC 7396 Appendix A: original, patch, result.
EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), EXAMPLES)
def test_merge_patch(target: Any, patch: Any, result: Any) -> None:
    """
    Merge patches do what the examples of RFC 7396 show, and change neither argument.
    """
    before = json.dumps([target, patch])
    assert merge_patch(target, patch) == result
    assert json.dumps([target, patch]) == before
