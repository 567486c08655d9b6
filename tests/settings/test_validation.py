import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.problems import Problem
from tlsgate.settings import Settings, default_document, json_schema, validate_document
from tlsgate.settings._suggest import known_keys
from tlsgate.settings._validation import validate_overlay

ANY_TEXT = st.text(st.characters(), max_size=20)  # lone surrogates included
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=10,
)


def refused(document: object) -> dict[str, str]:
    with pytest.raises(Problem) as caught:
        validate_document(document)
    assert caught.value.code == "invalid-settings"
    assert caught.value.status == 422
    return {error.pointer: error.code for error in caught.value.errors}


def with_site(**more: Any) -> dict[str, Any]:
    document = default_document()
    document["site"][0].update(more)
    return document


def test_default_document_is_valid() -> None:
    """
    The default document has two bindings in front of the demo application.
    """
    found = validate_document(default_document())
    assert [binding.endpoint.port for binding in found.bindings] == [8080, 8443]
    assert found.upstreams[0].servers[0].url.scheme == "demo"


@given(value=JSON_VALUES)
@settings(deadline=None, max_examples=60)
def test_any_value_is_settings_or_a_problem(value: object) -> None:
    """
    Whatever JSON comes, it is either L{Settings} or a L{Problem} that can be sent.
    """
    try:
        assert isinstance(validate_document(value), Settings)
    except Problem as problem:
        json.dumps([error.as_json() for error in problem.errors]).encode()
        assert problem.errors
        problem.detail.encode()


def _paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in _paths(item, (*path, key)))]


FULL = {
    **with_site(redirect={"mode": "all", "exempt": ["/x"]}, hsts={"ramp": True}, trusted_peers=["::1"]),
    "certificate": [{"name": "c", "certificate_file": "/c", "password": {"env": "X"}}],
    "alerts": {"days": [1], "mail_to": ["a@b"], "webhook": "https://x"},
    "timeouts": {"head": 1},
}


@given(path=st.sampled_from(_paths(FULL)), value=JSON_VALUES, key=st.none() | ANY_TEXT)
@settings(deadline=None, max_examples=150)
def test_any_value_anywhere_is_settings_or_a_problem(path: tuple[Any, ...], value: object, key: str | None) -> None:
    """
    Any value in place of any part of a right document, and any key beside it, too.
    """
    document: Any = {"": copy.deepcopy(FULL)}
    place = document
    for step in ("", *path)[:-1]:
        place = place[step]
    if key is not None and isinstance(place, dict):
        place[key] = value
    else:
        place[("", *path)[-1]] = value
    try:
        validate_document(document[""])
    except Problem as problem:
        json.dumps([error.as_json() for error in problem.errors], ensure_ascii=False).encode()
        problem.detail.encode()


def test_all_errors_at_once() -> None:
    """
    Everything wrong with a document is told together, in itself and between its objects.
    """
    document = {
        "bindng": [],
        "binding": [
            {"name": "a", "scheme": "http", "endpoint": "tcp:80"},
            {"name": "a", "scheme": "ftp", "endpoint": "tcp:x"},
            {"name": "a", "scheme": "http", "endpoint": 80},
        ],
        "site": [
            {"name": "x", "hosts": ["*"], "upstrem": "app", "hsts": {"max_age": -1}},
            {"name": "y", "hosts": ["*", "B.test."], "upstream": "app", "hsts": {"preload": True}},
            {"name": "z", "hosts": ["b.test"], "upstream": "gone", "redirect": {"status": 303}},
            {"name": "w", "hosts": ["b.test"], "upstream": "gone"},
        ],
        "upstream": [{"name": "app", "servers": [{"url": "ftp://x"}, {"url": "http://127.0.0.1:80", "drain": 1}]}],
    }
    assert refused(document) == {
        "/bindng": "unknown-key",
        "/binding/1/scheme": "invalid-value",
        "/binding/1/endpoint": "invalid-value",
        "/binding/2/name": "duplicate",
        "/binding/2/endpoint": "conflict",
        "/site/0/upstrem": "unknown-key",
        "/site/0/upstream": "missing",
        "/site/0/hsts/max_age": "out-of-range",
        "/site/1/hsts/preload": "preload-conditions",
        "/site/2/redirect/status": "invalid-value",
        "/site/3/hosts/0": "conflict",
        "/site/3/upstream": "not-found",
        "/upstream/0/servers/0/url": "invalid-value",
        "/upstream/0/servers/1/drain": "wrong-type",
    }


def test_unknown_key_suggests_the_nearest() -> None:
    """
    An unknown key is named with its path and the key that was likely meant.
    """
    with pytest.raises(Problem) as caught:
        validate_document(with_site(hsts={"max-age": 1}))
    assert "did you mean 'max_age'?" in caught.value.errors[0].message
    assert "/site/0/hsts/max-age" in caught.value.detail


def test_overlapping_hosts_name_both_sites() -> None:
    """
    A host of two sites is an error that names both.
    """
    document = default_document()
    document["site"].append({"name": "other", "hosts": ["*"], "upstream": "app"})
    with pytest.raises(Problem) as caught:
        validate_document(document)
    assert "'default'" in caught.value.detail
    assert "'other'" in caught.value.detail


def test_own_binding_is_no_upstream() -> None:
    """
    An upstream that is evidently one of the gate's own bindings is a loop; another port of this machine is not.
    """
    document = default_document()
    document["upstream"][0]["servers"] = [{"url": "http://localhost:8080"}]
    assert refused(document) == {"/upstream/0/servers/0/url": "loop"}
    document["upstream"][0]["servers"] = [{"url": "http://localhost:8081"}]
    validate_document(document)


@pytest.mark.parametrize(
    ("hsts", "right"),
    [
        ({"preload": True, "include_subdomains": True, "max_age": 31536000}, True),
        ({"preload": True, "include_subdomains": True, "max_age": 31535999}, False),
        ({"preload": True, "max_age": 31536000}, False),
        ({"max_age": 0}, True),
        ({"max_age": True}, False),
        ({"max_age": 1.0}, False),
        ({"enabled": "perhaps"}, False),
        ([], False),
    ],
)
def test_hsts(hsts: object, right: bool) -> None:
    """
    HSTS takes only what makes sense together, and no value of another type.
    """
    document = with_site(hsts=hsts)
    if right:
        validate_document(document)
    else:
        assert all(pointer.startswith("/site/0/hsts") for pointer in refused(document))


def test_errors_are_bounded() -> None:
    """
    A document with a thousand errors is told of a hundred.
    """
    assert len(refused({f"k{number}": 1 for number in range(1000)})) == 100


def test_overlay_may_be_incomplete() -> None:
    """
    A partial document may leave out what another has, but not names, and may not be wrong.
    """
    validate_overlay({"binding": [{"name": "https", "strict_sni": True}]})
    with pytest.raises(Problem):
        validate_overlay({"binding": [{"strict_sni": True}]})
    with pytest.raises(Problem, match="strict_snj"):
        validate_overlay({"binding": [{"name": "https", "strict_snj": True}]})


def test_json_schema_has_the_keys_of_the_document() -> None:
    """
    The published schema can be written as JSON, speaks of the document's own keys and describes each of them.
    """
    schema = json.loads(json.dumps(json_schema()))
    assert set(schema["properties"]) == set(known_keys(()))
    assert schema["additionalProperties"] is False
    for table in schema["$defs"].values():
        assert all("description" in field for field in table["properties"].values())
