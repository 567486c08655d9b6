"""
JSON Patches and sentences.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.changes._summary import json_patch, shown_patch, summarise
from tlsgate.settings import StoredCertificate
from tlsgate.sites import ServerCertificate

NAMES = st.sampled_from(["a", "b", "c/d", "~e"])
SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"])
ENTRIES = st.lists(st.fixed_dictionaries({"name": NAMES}, optional={"v": SCALARS}), unique_by=lambda e: e["name"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner) | ENTRIES)
DOCUMENTS = st.dictionaries(NAMES, VALUES | ENTRIES)


def patched(document: Any, patch: list[dict[str, Any]]) -> Any:
    """
    RFC 6902, the three operations that are used.
    """
    root = {"": copy.deepcopy(document)}
    for operation in patch:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")]
        place: Any = root
        for step in steps[:-1]:
            place = place[int(step)] if isinstance(place, list) else place[step]
        last: Any = int(steps[-1]) if isinstance(place, list) else steps[-1]
        if operation["op"] == "remove":
            del place[last]
        elif operation["op"] == "add" and isinstance(place, list):
            place.insert(last, operation["value"])
        else:
            assert (last in place) == (operation["op"] == "replace") or isinstance(place, list)
            place[last] = operation["value"]
    return root[""]


@settings(max_examples=300)
@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_turns_one_into_the_other(old: Any, new: Any) -> None:
    """
    Applied in order, the operations make the new document of the old one; of equal ones there are none.
    """
    patch = list(json_patch(old, new))
    assert patched(old, patch) == new
    assert list(json_patch(new, new)) == []


@settings(max_examples=100)
@given(DOCUMENTS, DOCUMENTS)
def test_every_difference_has_a_sentence(old: Any, new: Any) -> None:
    """
    There are as many sentences as operations, each one a line.
    """
    told = summarise(old, new, {}, {})
    assert len(told) == len(list(json_patch(old, new)))
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in told)


def test_a_new_first_entry_is_one_addition() -> None:
    """
    Named entries are compared by name.
    """
    old = {"site": [{"name": "b", "hosts": ["b"]}]}
    new = {"site": [{"name": "a", "hosts": ["a"]}, {"name": "b", "hosts": ["b"]}]}
    assert list(json_patch(old, new)) == [{"op": "add", "path": "/site/0", "value": new["site"][0]}]
    assert summarise(old, new, {}, {}) == ("Site a added.",)
    assert summarise(new, old, {}, {}) == ("Site a removed.",)


def test_true_is_not_one() -> None:
    """
    JSON tells true from 1.
    """
    assert list(json_patch({"a": True}, {"a": 1})) == [{"op": "replace", "path": "/a", "value": 1}]


def test_a_new_table_is_told_by_what_is_not_default() -> None:
    """
    A table that comes is told by the members that say something.
    """
    site = {"name": "a", "hosts": ["a"], "upstream": "app"}
    for table, told in (
        ({"mode": "browsers", "status": "auto", "soak": 86400, "exempt": []}, "redirect.mode is now browsers"),
        (
            {"mode": "all", "exempt": ["/health", "10.0.0.0/8"]},
            "redirect.mode is now all, redirect.exempt is now /health, 10.0.0.0/8",
        ),
        ({"mode": "disabled"}, "redirect is now its default"),
    ):
        new = {"site": [{**site, "redirect": table}]}
        assert summarise({"site": [site]}, new, {}, {}) == (f"Site a: {told}.",)


def test_spelling_out_a_default_changes_nothing() -> None:
    """
    An entry that comes back with all its members, as the API showed it, is told by those that differ.
    """
    old = {"binding": [{"name": "https", "scheme": "https", "endpoint": "tcp:443"}]}
    new = {"binding": [{**old["binding"][0], "public_port": 0, "proxy_protocol": [], "strict_sni": True}]}
    assert summarise(old, new, {}, {}) == ("Binding https: strict_sni is now true.",)
    site = {"name": "a", "hosts": ["a"], "upstream": "app", "redirect": {"mode": "all"}}
    more = {**site, "redirect": {"mode": "all", "soak": 86400, "exempt": ["/x"]}}
    assert summarise({"site": [site]}, {"site": [more]}, {}, {}) == ("Site a: redirect.exempt is now /x.",)


def test_secrets_show_as_set() -> None:
    """
    A changed secret is told as a change, without either value.
    """
    old = {"alerts": {"webhook_secret": "old secret"}}
    new = {"alerts": {"webhook_secret": "new secret"}}
    assert shown_patch(old, new) == [{"op": "replace", "path": "/alerts/webhook_secret", "value": {"set": True}}]
    assert summarise(old, new, {}, {}) == ("Alerts: webhook_secret is now another secret.",)


def test_many_certificates_are_one_sentence() -> None:
    """
    A folder of thousands does not make thousands of sentences; a few are named one by one.
    """

    def held(count: int, key: str = "") -> dict[str, StoredCertificate]:
        made = ServerCertificate(
            name="", chain=b"", key=b"", names=(), not_before=0, not_after=0, key_type="", fingerprint=key
        )
        one = StoredCertificate(certificate=made, source="files", added_at=0)
        return {f"s{number:04}": one for number in range(count)}

    assert summarise({}, {}, {}, held(2)) == ("Certificate s0000 added.", "Certificate s0001 added.")
    assert summarise({}, {}, {}, held(3000)) == ("Certificates s0000, s0001, s0002 and 2997 others added.",)
    assert summarise({}, {}, held(3001), held(3000, "new")) == (
        "Certificates s0000, s0001, s0002 and 2997 others replaced.",
        "Certificate s3000 removed.",
    )
