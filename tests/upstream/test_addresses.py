"""
Where a server is.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest
from _upstream_bench import HandReactor, Resolver
from twisted.internet.address import IPv4Address, IPv6Address

from tlsgate.sites import Server
from tlsgate.upstream._addresses import LIFETIME, ServerAddresses

A = IPv4Address("TCP", "192.0.2.1", 80)
B = IPv6Address("TCP", "2001:db8::1", 80)


@pytest.fixture
def reactor() -> HandReactor:
    """
    With a resolver.
    """
    reactor = HandReactor()
    reactor.nameResolver = Resolver()
    return reactor


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (Server(url="", scheme="http", host="192.0.2.1", port=80), (socket.AF_INET, ("192.0.2.1", 80))),
        (Server(url="", scheme="http", host="::1", port=80), (socket.AF_INET6, ("::1", 80))),
        (Server(url="", scheme="http+unix", host="", port=0, path="/s"), (socket.AF_UNIX, "/s")),
    ],
)
def test_some_need_no_resolver(reactor: HandReactor, server: Server, expected: Any) -> None:
    """
    Literals and paths are answered at once.
    """
    answers: list[Any] = []
    ServerAddresses(reactor, server).ask(answers.append)
    assert answers == [[expected]]
    assert not reactor.nameResolver.asked


def test_names(reactor: HandReactor) -> None:
    """
    Who asks first waits, together; an old answer is used while the next is fetched; one that fails changes nothing.
    """
    addresses = ServerAddresses(reactor, Server(url="", scheme="http", host="app.test", port=80))
    answers: list[Any] = []
    addresses.ask(answers.append)
    addresses.ask(answers.append)
    resolver = reactor.nameResolver
    assert (len(resolver.asked), answers) == (1, [])
    resolver.answer(A, B)
    known = [(socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("2001:db8::1", 80))]
    assert answers == [known, known]
    reactor.advance(LIFETIME - 1)
    addresses.ask(answers.append)
    assert (len(resolver.asked), len(answers)) == (1, 3)
    reactor.advance(2)
    addresses.ask(answers.append)
    addresses.ask(answers.append)
    assert (len(resolver.asked), answers[3:]) == (2, [known, known])
    resolver.answer()
    addresses.ask(answers.append)
    assert answers[5] == known
    reactor.advance(LIFETIME)
    addresses.ask(answers.append)
    resolver.answer(B)
    addresses.ask(answers.append)
    assert answers[-1] == known[1:]


def test_a_name_that_never_resolved(reactor: HandReactor) -> None:
    """
    Is asked for each time, and answered with nothing.
    """
    addresses = ServerAddresses(reactor, Server(url="", scheme="http", host="app.test", port=80))
    answers: list[Any] = []
    for count in (1, 2):
        addresses.ask(answers.append)
        reactor.nameResolver.answer()
        assert answers == [[]] * count
