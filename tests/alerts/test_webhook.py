"""
A webhook of our own on loopback.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor  # noqa: TID253 - real servers need the real one
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from tlsgate.alerts import DeliveryFailed, post, signature


class Receiver(Resource):
    """
    Keeps what it is sent.
    """

    isLeaf = True

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status
        self.seen: list[tuple[Any, bytes]] = []

    def render_POST(self, request: Any) -> bytes:
        self.seen.append((request.requestHeaders, request.content.read()))
        request.setResponseCode(self.status)
        return b"taken"


class WebhookTests(TestCase):
    """
    L{post}.
    """

    def send(self, status: int, secret: str = "shared") -> tuple[Receiver, Deferred[None]]:
        receiver = Receiver(status)
        port = reactor.listenTCP(0, Site(receiver), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        url = f"http://127.0.0.1:{port.getHost().port}/hook"
        return receiver, Deferred.fromCoroutine(post(reactor, url, secret, {"gate": "g"}, 1234.5))

    async def test_signs_what_it_sends(self) -> None:
        """
        The content is JSON, and its signature covers it and the time.
        """
        receiver, sent = self.send(204)
        await sent
        [(fields, content)] = receiver.seen
        self.assertEqual(json.loads(content), {"gate": "g"})
        self.assertEqual(fields.getRawHeaders("X-Tlsgate-Timestamp"), ["1234"])
        self.assertEqual(fields.getRawHeaders("X-Tlsgate-Signature"), [signature("shared", 1234, content)])
        self.assertNotEqual(signature("shared", 1234, content), signature("other", 1234, content))

    async def test_a_refusal_is_a_failure(self) -> None:
        """
        Any answer but 2xx is a failure, without the URL in its words.
        """
        _, sent = self.send(500, secret="")
        with self.assertRaisesRegex(DeliveryFailed, "^the webhook answers 500$"):
            await sent

    async def test_nobody_there_is_a_failure(self) -> None:
        """
        A webhook that cannot be reached is a failure.
        """
        with self.assertRaisesRegex(DeliveryFailed, "cannot be reached"):
            await post(reactor, "http://127.0.0.1:1/secret-path", "", {}, 0.0)
