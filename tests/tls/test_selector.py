"""
Which certificate serves a name, and why.
"""

from __future__ import annotations

import time
import tracemalloc

import attrs
import pytest

from tlsgate.tls import CertificateRefused, CertificateSelector, by_name

DAY = 86400.0


def selector(*certificates, **arguments) -> CertificateSelector:
    return CertificateSelector({one.name: one for one in certificates}, **arguments)


def chosen(made: CertificateSelector, name) -> tuple[tuple[str, ...], str]:
    choice = made.explain(name)
    assert choice.why.endswith(".")
    return choice.names, choice.rule


def test_exact_then_wildcard_then_default(certificate) -> None:
    """
    An exact name comes before a wildcard, which stands for one label, and the default serves the rest.
    """
    made = selector(
        certificate("e", ["app.x.test"]), certificate("w", ["*.x.test"]), certificate("d", ["d.test"]), default="d"
    )
    assert chosen(made, "app.x.test") == (("e",), "exact")
    assert chosen(made, b"APP.X.test.") == (("e",), "exact")
    assert chosen(made, "other.x.test") == (("w",), "wildcard")
    for name in ("a.b.x.test", "x.test", "nobody.test", "*.x.test", b"\xff", None):
        assert chosen(made, name) == (("d",), "default")


def test_strict_refuses_unknown_names_only(certificate) -> None:
    """
    A strict selector refuses names that no certificate covers; a client that names nothing gets the default.
    """
    made = selector(certificate("d", ["d.test"]), default="d", strict=True)
    assert chosen(made, "x.test") == ((), "refused")
    assert made.select("x.test") is None
    assert chosen(made, None) == (("d",), "default")
    assert (made.covers("d.test"), made.covers(b"x.test"), made.covers("*.d.test")) == (True, False, False)


def test_no_default_refuses(certificate) -> None:
    """
    Without a default certificate unknown names are refused.
    """
    assert chosen(selector(certificate("d", ["d.test"])), "x.test") == ((), "refused")


def test_kinds_of_keys_serve_side_by_side(certificate) -> None:
    """
    An RSA, an ECDSA and an Ed25519 certificate for one name are chosen together.
    """
    made = selector(
        certificate("r", kind="rsa-2048"), certificate("e"), certificate("old", begin=-9 * DAY), certificate("d", kind="ed25519")
    )  # fmt: skip
    assert chosen(made, "a.test") == (("e", "d", "r"), "exact")


def test_valid_before_expired_and_the_newest_first(certificate) -> None:
    """
    Certificates within their dates come first, whatever their name's rule; of these the most recently issued.
    """
    old = certificate("old", begin=-30 * DAY, end=900 * DAY)
    new = certificate("new", begin=-1 * DAY, end=40 * DAY)
    expired = certificate("expired", begin=-90 * DAY, end=-DAY)
    future = certificate("future", begin=DAY, end=90 * DAY)
    assert chosen(selector(old, new, expired, future), "a.test") == (("new",), "exact")
    wild = certificate("wild", ["*.test"])
    assert chosen(selector(expired, wild), "a.test") == (("wild",), "wildcard")
    assert chosen(selector(expired, default="wild"), "a.test") == (("expired",), "exact")
    assert "not within its dates" in selector(expired).explain("a.test").why


def test_a_certificate_begins_to_serve_by_itself(certificate) -> None:
    """
    A certificate of the future serves from its first second on, without a new selector.
    """
    now = [time.time()]
    made = selector(certificate("now"), certificate("soon", begin=100, end=90 * DAY), clock=lambda: now[0])
    assert chosen(made, "a.test")[0] == ("now",)
    now[0] += 101
    assert chosen(made, "a.test")[0] == ("soon",)


def test_contexts_are_lazy_shared_and_bounded(certificate) -> None:
    """
    A context is built when it is first asked for, is the same for every name with the same certificates, outlives
    its selector, and the least recently used goes.
    """
    one, two, three = (certificate(name, [f"{name}.test", f"www.{name}.test"]) for name in ("one", "two", "three"))
    made = selector(one, two, three, contexts=2)
    assert "0 contexts" in repr(made)
    first = made.select("one.test")
    assert made.select("www.one.test") is first
    swapped = CertificateSelector(
        {"renamed": attrs.evolve(one, name="renamed"), "two": two}, contexts=2, replacing=made
    )
    assert swapped.select("one.test") is first
    second = swapped.select("two.test")
    made.select("three.test")
    assert "2 contexts" in repr(made)
    assert made.select("two.test") is second
    assert made.select("one.test") is not first


def test_a_new_profile_has_new_contexts(certificate) -> None:
    """
    Contexts are not used again under another profile.
    """
    made = selector(certificate("one"))
    context = made.select("a.test")
    assert CertificateSelector(made.certificates, profile="modern", replacing=made).select("a.test") is not context


def test_a_broken_certificate_is_refused_each_time(certificate) -> None:
    """
    A certificate that OpenSSL does not take is refused, also from the stock.
    """
    made = selector(attrs.evolve(certificate("one"), chain=b"nonsense"))
    for _ in range(2):
        with pytest.raises(CertificateRefused, match="one"):
            made.select("a.test")


def test_ten_thousand_certificates(certificate) -> None:
    """
    10,000 certificates are ready in a fraction of a second, again after a swap, in bounded memory.
    """
    model = certificate("model")
    many = {
        str(n): attrs.evolve(model, name=str(n), names=(f"h{n}.test", f"*.h{n}.test"), chain=model.chain + b"\n")
        for n in range(10_000)
    }
    tracemalloc.start()
    begun = time.process_time()
    made = CertificateSelector(many)
    took = time.process_time() - begun
    changed = CertificateSelector({**many, "7": attrs.evolve(model, name="7")}, replacing=made)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert changed.explain("h9999.test").names == ("9999",)
    assert took < 1
    assert held < 30e6


def test_gives_up_the_contexts_of_replaced_certificates(certificate) -> None:
    """
    A thousand swaps of one certificate hold no more contexts than one.
    """
    made = selector(certificate("a.test"))
    for _ in range(3):
        assert made.select("a.test") is not None
        assert "1 contexts" in repr(made)
        one = certificate("a.test")
        made = CertificateSelector({one.name: one}, replacing=made)
    assert "0 contexts" in repr(made)


def test_gives_up_contexts_that_are_made_again_before_the_swap(certificate) -> None:
    """
    The selector that is to be replaced serves on until the swap; what it makes meanwhile goes with the next change.
    """
    made = selector(certificate("a.test"))
    for _ in range(4):
        one = certificate("a.test")
        following = CertificateSelector({one.name: one}, replacing=made)
        assert made.select("a.test") is not None
        assert "1 contexts" in repr(made)
        made = following
        assert made.select("a.test") is not None
        assert "2 contexts" in repr(made)


def test_a_certificate_that_comes_back(certificate) -> None:
    """
    Keeps the context that it has at that moment.
    """
    one, other = certificate("a.test"), certificate("a.test")
    made = selector(one)
    away = CertificateSelector({other.name: other}, replacing=made)
    context = made.select("a.test")
    back = CertificateSelector({one.name: one}, replacing=away)
    assert back.select("a.test") is context


def test_an_index_of_few_changes(certificate) -> None:
    """
    However certificates are added, replaced and removed, every name is served by those that are there.
    """
    held = {f"s{n}": attrs.evolve(certificate(f"s{n}"), names=(f"s{n}.test", "all.test")) for n in range(20)}
    changes = [
        {"s3": attrs.evolve(held["s3"], names=("other.test", "all.test"))},
        {"s4": None},
        {"s4": held["s4"], "s5": None},
        {f"s{n}": None for n in range(3, 20)},
        {},
    ]
    before = held
    for change in changes:
        after = {name: one for name, one in {**before, **change}.items() if one is not None}
        expected: dict[str, set[str]] = {}
        for one in after.values():
            for name in one.names:
                expected.setdefault(name, set()).add(one.name)
        shown = {name: {one.name for one in found} for name, found in by_name(after).items()}
        assert shown == expected
        assert by_name(after) is by_name(after)
        before = after
