"""
Alerts to a webhook: one POST of JSON, signed with a shared secret.

C{X-Tlsgate-Signature: sha256=HEX} is the HMAC-SHA256, under the secret, of the value of C{X-Tlsgate-Timestamp} (Unix
time), a full stop and the content; whoever receives it compares both, so that nobody can send an old one again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["DeliveryFailed", "post", "signature"]

TIMEOUT: Final = 15.0


class DeliveryFailed(Exception):
    """
    An alert did not arrive; the message says why and holds no secret.
    """


def signature(secret: str, moment: int, content: bytes) -> str:
    """
    The value of C{X-Tlsgate-Signature}.

    @param moment: the value of C{X-Tlsgate-Timestamp}.
    """
    mac = hmac.new(secret.encode("utf-8"), b"%d." % moment + content, hashlib.sha256)
    return f"sha256={mac.hexdigest()}"


async def post(reactor: Any, url: str, secret: str, document: Mapping[str, Any], now: float) -> None:
    """
    Send a document.

    @param url: may hold a secret itself, and is therefore never shown.
    @param secret: empty to send it unsigned.
    @param now: Unix time.

    @raise DeliveryFailed: it was not taken with a 2xx.
    """
    import treq  # noqa: PLC0415 - imports the reactor
    from twisted.web.client import Agent, HTTPConnectionPool  # noqa: PLC0415 - likewise
    from twisted.web.http_headers import Headers  # noqa: PLC0415 - likewise

    content = json.dumps(document, ensure_ascii=False).encode("utf-8")
    headers = Headers({"Content-Type": ["application/json"], "User-Agent": ["tlsgate"]})
    if secret:
        headers.addRawHeader("X-Tlsgate-Timestamp", str(int(now)))
        headers.addRawHeader("X-Tlsgate-Signature", signature(secret, int(now), content))
    pool = HTTPConnectionPool(reactor, False)  # type: ignore[no-untyped-call]  # Twisted has no types here
    agent = Agent(reactor, connectTimeout=TIMEOUT, pool=pool)  # type: ignore[no-untyped-call]  # likewise
    try:
        response = await treq.client.HTTPClient(agent).post(
            url, data=content, headers=headers, timeout=TIMEOUT, allow_redirects=False
        )
        await treq.collect(response, lambda _: None)
    except Exception as error:  # what a client can raise has no common base
        raise DeliveryFailed(f"the webhook cannot be reached ({type(error).__name__})") from error
    if not 200 <= response.code < 300:
        raise DeliveryFailed(f"the webhook answers {response.code}")
