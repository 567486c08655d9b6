"""
The life of a handshake in a binding, over real OpenSSL in memory.
"""

from __future__ import annotations

import gc

import attrs
import pytest
from OpenSSL import SSL
from twisted.logger import capturedLogs

from tlsgate.tls import UNRECOGNIZED_NAME_ALERT, CertificateSelector, ClientHello, Terminator, read_client_hello

VERSIONS = [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]


@pytest.fixture
def pair(certificate):
    """
    Two certificates and the terminator that serves them, the first by default.
    """
    both = {"one": certificate("one", ["one.test"]), "two": certificate("two", ["two.test"])}
    return both, Terminator(CertificateSelector(both, default="one"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("asked", "name"), [(b"two.test", "two"), (b"TWO.Test", "two"), (b"else.test", "one"), (None, "one")]
)
def test_serves_by_name(pair, handshake, client, version, asked, name) -> None:  # noqa: PLR0917 - fixtures
    """
    A handshake gets the certificate of the name that it asks for, and the default otherwise.
    """
    both, terminator = pair
    shaken = handshake(terminator.context, client(version=version), asked).run()
    assert shaken.served == both[name].fingerprint


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_survive_a_swap(pair, certificate, handshake, client, version) -> None:
    """
    A session from before a change of certificates is resumed after it, and a fresh handshake sees the new one.
    """
    both, terminator = pair
    context = client(version=version)
    first = handshake(terminator.context, context, b"two.test").run()
    session = first.client.get_session()
    changed = {**both, "two": certificate("two", ["two.test"], kind="rsa-2048")}
    terminator.selector = CertificateSelector(changed, default="one", replacing=terminator.selector)
    again = handshake(terminator.context, context, b"two.test", session=session).run()
    # A resumed handshake sends no certificate: the client still shows the one of its session.
    assert (again.error, again.served) == (None, both["two"].fingerprint)
    fresh = handshake(terminator.context, client(version=version), b"two.test").run()
    assert fresh.served == changed["two"].fingerprint


@pytest.mark.parametrize("version", VERSIONS)
def test_no_certificate_is_an_alert(handshake, client, version) -> None:
    """
    Without any certificate a handshake fails with an alert, not with silence or a traceback.
    """
    terminator = Terminator(CertificateSelector({}))
    shaken = handshake(terminator.context, client(version=version), b"a.test").run()
    assert shaken.error is not None
    assert shaken.client_error is not None
    assert "alert" in str(shaken.client_error)


def test_refuses_only_unknown_names_when_strict(pair) -> None:
    """
    The listener sends the alert for a name that no certificate covers, in a strict binding only.
    """
    both, terminator = pair
    unknown, known, unnamed = ClientHello(b"x.test"), ClientHello(b"TWO.test"), ClientHello()
    assert not terminator.refuses(unknown)
    terminator.selector = CertificateSelector(both, default="one", strict=True, replacing=terminator.selector)
    assert [terminator.refuses(hello) for hello in (unknown, known, unnamed)] == [True, False, False]


def test_the_alert_is_understood(pair, handshake, client) -> None:
    """
    A client takes the alert as unrecognized_name.
    """
    shaken = handshake(pair[1].context, client(), b"x.test")
    shaken.first_bytes()
    shaken.client.bio_write(UNRECOGNIZED_NAME_ALERT)
    with pytest.raises(SSL.Error, match="unrecognized name"):
        shaken.client.do_handshake()


def test_answers_challenges_only_while_they_live(pair, certificate, handshake, client) -> None:
    """
    A CA that validates a live name gets its proof, also in a strict binding; everybody else gets the usual context.
    """
    both, terminator = pair
    terminator.selector = CertificateSelector(both, default="one", strict=True)
    proof = certificate("proof", ["new.test"])
    terminator.challenges = {"new.test": proof}
    asking = client(alpn=[b"acme-tls/1"])
    peeked = handshake(terminator.context, asking, b"New.test").first_bytes()
    hello = read_client_hello(peeked)
    assert isinstance(hello, ClientHello)
    assert not terminator.refuses(hello)
    shaken = handshake(terminator.context_for(hello), asking, b"New.test").run()
    assert (shaken.served, shaken.client.get_alpn_proto_negotiated()) == (proof.fingerprint, b"acme-tls/1")
    assert terminator.context_for(hello) is terminator.context_for(hello)
    others = [ClientHello(b"two.test", (b"acme-tls/1",)), ClientHello(b"new.test", (b"acme-tls/1", b"h2")), None]
    assert [terminator.context_for(other) for other in others] == [terminator.context] * 3
    terminator.challenges = {}
    assert terminator.context_for(hello) is terminator.context
    assert terminator.refuses(hello)


def test_a_broken_certificate_falls_back_to_the_default(pair, handshake, client) -> None:
    """
    A certificate that OpenSSL does not take leaves its name to the default, with a line in the log.
    """
    both, terminator = pair
    broken = {**both, "two": attrs.evolve(both["two"], chain=b"nonsense")}
    terminator.selector = CertificateSelector(broken, default="one")
    with capturedLogs() as said:
        for _ in range(3):
            assert handshake(terminator.context, client(), b"two.test").run().served == both["one"].fingerprint
    assert len([event for event in said if "two" in str(event.get("what"))]) == 1
    terminator.selector = CertificateSelector({"two": broken["two"]}, default="two")
    assert handshake(terminator.context, client(), b"two.test").run().error is not None


def test_a_retried_hello_does_not_need_the_binding(pair, handshake) -> None:
    """
    A handshake that is asked for another key share ends well although its binding went away in between.
    """
    both, _ = pair
    terminator = Terminator(CertificateSelector(both, default="one"))
    retried = SSL.Context(SSL.TLS_CLIENT_METHOD)
    shaken = handshake(terminator.context, retried, b"two.test")
    del terminator
    gc.collect()
    assert shaken.run().served == both["two"].fingerprint


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_not_resumed_under_another_name(pair, handshake, client, version) -> None:
    """
    A session of one server name is none for another: the client is shown the certificate of the name that it asks for.
    """
    both, terminator = pair
    context = client(version=version)
    session = handshake(terminator.context, context, b"two.test").run().client.get_session()
    again = handshake(terminator.context, context, b"one.test", session=session).run()
    assert (again.error, again.served) == (None, both["one"].fingerprint)


@pytest.mark.parametrize("name", [b"a" * 255, b"\xff\xfe", b"a..b", b".", b"127.0.0.1", b"x.test."])
def test_odd_names_are_served_by_default(pair, handshake, client, name) -> None:
    """
    Whatever a client sends for a name, it gets an answer.
    """
    both, terminator = pair
    shaken = handshake(terminator.context, client(), name).run()
    assert shaken.error is not None or shaken.served == both["one"].fingerprint
