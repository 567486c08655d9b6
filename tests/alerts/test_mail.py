"""
A mail server of our own on loopback.
"""

from __future__ import annotations

from email import message_from_bytes
from typing import Any

from twisted.internet import reactor  # noqa: TID253 - real servers need the real one
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.internet.tcp import Connection
from twisted.mail import smtp
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from tlsgate.alerts import Alert, DeliveryFailed, MailServer, letter, send
from tlsgate.problems import Severity


@implementer(smtp.IMessage)
class Message:
    """
    A mail that comes in line by line.
    """

    def __init__(self, box: list[bytes]) -> None:
        self.box = box
        self.lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)

    def eomReceived(self) -> Any:
        self.box.append(b"\n".join(self.lines))
        return succeed(None)

    def connectionLost(self) -> None:
        pass


@implementer(smtp.IMessageDelivery)
class Delivery:
    """
    Takes mail for b.test.
    """

    def __init__(self, box: list[bytes]) -> None:
        self.box = box

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        return b"Received: by a test"

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        return origin

    def validateTo(self, user: Any) -> Any:
        if user.dest.domain != b"b.test":
            raise smtp.SMTPBadRcpt(user)
        return lambda: Message(self.box)


async def all_closed() -> None:
    """
    Wait for the farewells of both ends, which come after the mail was taken.
    """
    for _ in range(500):
        if not any(isinstance(reader, Connection) for reader in reactor.getReaders()):  # type: ignore[attr-defined]
            return
        await deferLater(reactor, 0.01)


ALERTS = [
    Alert(subject="certificate a", code="certificate-expiring", severity=Severity.WARNING, message="a ends soon."),
    Alert(subject="certificate b", code="certificate-expired", severity=Severity.ERROR, message="b has ended."),
]


class MailTests(TestCase):
    """
    L{send}.
    """

    def setUp(self) -> None:
        self.box: list[bytes] = []
        factory = Factory.forProtocol(smtp.ESMTP)
        build = factory.buildProtocol

        def with_delivery(address: Any) -> Any:
            protocol = build(address)
            protocol.delivery = Delivery(self.box)
            return protocol

        factory.buildProtocol = with_delivery  # type: ignore[method-assign]
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        self.addCleanup(lambda: Deferred.fromCoroutine(all_closed()))
        self.server = MailServer(host="127.0.0.1", port=port.getHost().port)

    async def test_one_mail_for_all(self) -> None:
        """
        All alerts go in one mail, whose subject is the worst.
        """
        message = letter(ALERTS, sender="gate@a.test", receivers=["ops@b.test"], gate="g1", now=0.0)
        await send(reactor, self.server, "gate@a.test", ["ops@b.test"], message)
        mail = message_from_bytes(self.box[0])
        self.assertEqual(mail["Subject"], "[tlsgate g1] b has ended. (and 1 more)")
        self.assertIn("WARNING  a ends soon.", mail.get_payload())

    async def test_nobody_takes_it(self) -> None:
        """
        A mail that is taken for nobody is a failure.
        """
        with self.assertRaises(DeliveryFailed):
            await send(reactor, self.server, "gate@a.test", ["ops@c.test"], b"Subject: x\n\nx\n")
