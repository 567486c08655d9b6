import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.problems import Problem
from tlsgate.settings import Pins, default_document
from tlsgate.settings._options import pins_of_options


def test_overlays_entries_by_name() -> None:
    """
    What is pinned wins over what is stored, key by key; the rest of an entry, and other entries, stay.
    """
    stored = default_document()
    before = copy.deepcopy(stored)
    served = Pins.of(
        {
            "binding": [
                {"name": "https", "endpoint": "tcp:9443"},
                {"name": "x", "scheme": "http", "endpoint": "tcp:1"},
            ],
            "acme": {"email": "a@b"},
        },
        "--config c",
    ).apply(stored)
    assert stored == before
    assert served["binding"] == [
        before["binding"][0],
        {**before["binding"][1], "endpoint": "tcp:9443"},
        {"name": "x", "scheme": "http", "endpoint": "tcp:1"},
    ]
    assert served["acme"] == {"email": "a@b"}


def change(document: dict[str, Any], endpoint: str) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    changed["binding"][1]["endpoint"] = endpoint
    return changed


def test_a_change_of_what_is_pinned_names_the_option() -> None:
    """
    A change of a pinned value is 409 C{pinned}, with its pointer and the option.
    """
    pins = pins_of_options(https=["tcp:9443"])
    for old in (default_document(), pins.apply(default_document())):
        with pytest.raises(Problem, match="--https") as caught:
            pins.check(old, change(old, "tcp:7443"))
        assert caught.value.status == 409
        assert [error.pointer for error in caught.value.errors] == ["/binding/1/endpoint"]


def test_what_is_not_a_change_passes() -> None:
    """
    A pinned value that is as it was, or as it is pinned, passes; and so does a change beside it.
    """
    pins = pins_of_options(https=["tcp:9443"])
    stored = default_document()
    served = pins.apply(stored)
    for old, new in ((stored, stored), (served, served), (stored, served), (stored, change(stored, "tcp:9443"))):
        pins.check(old, new)
    beside = copy.deepcopy(stored)
    beside["binding"][1]["strict_sni"] = True
    pins.check(stored, beside)


def test_a_pinned_entry_cannot_be_removed() -> None:
    """
    Removing a pinned entry is refused.
    """
    pins = pins_of_options(upstream=["http://127.0.0.1:9000"])
    new = default_document()
    new["upstream"] = []
    with pytest.raises(Problem, match="--upstream"):
        pins.check(default_document(), new)


def test_equal_is_not_enough_for_true_and_one() -> None:
    """
    1 in place of a pinned true is a change.
    """
    pins = Pins.of({"acme": {"agree_terms": True}}, "--config c")
    with pytest.raises(Problem):
        pins.check({"acme": {"agree_terms": True}}, {"acme": {"agree_terms": 1}})


def test_none_removes_all_of_a_scheme() -> None:
    """
    C{--http none} removes all http bindings, also those of C{--config}, and none can be added; those stored stay so.
    """
    config = Pins.of({"binding": [{"name": "h", "scheme": "http", "endpoint": "tcp:1"}]}, "--config c")
    pins = pins_of_options(http=["none"]).over(config)
    stored = default_document()
    served = pins.apply(stored)
    assert [entry["name"] for entry in served["binding"]] == ["https"]
    pins.check(stored, stored)
    more = copy.deepcopy(served)
    more["binding"].append({"name": "new", "scheme": "http", "endpoint": "tcp:2"})
    with pytest.raises(Problem, match="--http none"):
        pins.check(served, more)
    assert {entry["name"] for entry in pins.strip(served, stored)["binding"]} == {"http", "https"}
    assert pins.describe() == {"/binding?scheme=http": "--http none"}


def test_options_win_over_config() -> None:
    """
    Where an option and C{--config} both pin, the option does.
    """
    config = Pins.of({"binding": [{"name": "https", "endpoint": "tcp:1", "strict_sni": True}]}, "--config c")
    pins = pins_of_options(https=["2"]).over(config)
    assert pins.apply(default_document())["binding"][1]["endpoint"] == "tcp:2"
    described = pins.describe()
    assert described["/binding/https/endpoint"] == "--https"
    assert described["/binding/https/strict_sni"] == "--config c"


@pytest.mark.parametrize(
    "pins",
    [
        Pins(),
        pins_of_options(https=["9443", "9444"], upstream=["http://a:1"], drain_timeout="5"),
        pins_of_options(http=["none"], https=["9443"]),
        Pins.of({"acme": {"email": "a@b"}, "alerts": {"webhook": {"env": "X"}}}, "--config c"),
    ],
)
def test_what_is_pinned_is_not_stored(pins: Pins) -> None:
    """
    What was served and comes back changed elsewhere is stored with the stored values where it is pinned.
    """
    stored = default_document()
    new = pins.apply(stored)
    new["site"][0]["max_body"] = 7
    pins.check(stored, new)
    expected = default_document()
    expected["site"][0]["max_body"] = 7
    kept = pins.strip(new, stored)
    kept["binding"].sort(key=lambda entry: entry["name"])
    assert {key: value for key, value in kept.items() if value != {}} == expected


def test_secret_references_are_one_value() -> None:
    """
    A pinned reference replaces a secret's reference of another kind instead of merging with it.
    """
    pins = Pins.of({"alerts": {"webhook": {"env": "X"}}}, "--config c")
    assert pins.apply({"alerts": {"webhook": {"file": "/x"}}}) == {"alerts": {"webhook": {"env": "X"}}}
    assert pins.describe() == {"/alerts/webhook": "--config c"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["http", "https", "name", "app", "default"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "scheme", "endpoint", "servers", "binding"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(
    changed=st.fixed_dictionaries({}, optional={"binding": JSON, "upstream": JSON, "timeouts": JSON, "acme": JSON}),
    pins=st.sampled_from(
        [
            pins_of_options(http=["none"], https=["9443"], upstream=["http://a:1"], drain_timeout="5"),
            pins_of_options(https=["none"]),
            Pins.of({"acme": {"email": "a@b"}, "binding": [{"name": "http", "public_port": 80}]}, "--config c"),
        ]
    ),
)
def test_any_document_is_refused_or_stripped(changed, pins: Pins) -> None:
    """
    A changed document may hold anything where names and lists belong: it is refused as pinned or goes on to be
    validated, and nothing else is raised.
    """
    stored = default_document()
    try:
        pins.check(pins.apply(stored), {**pins.apply(stored), **changed})
    except Problem as problem:
        assert problem.code == "pinned"
    pins.strip({**pins.apply(stored), **changed}, stored)
