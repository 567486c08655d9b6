"""
Alerts by mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from ipaddress import ip_address
from typing import Any, Final

import attrs
from twisted.internet.defer import TimeoutError as DeferredTimeout

from ..problems import Severity
from ._alert import Alert
from ._webhook import DeliveryFailed

__all__ = ["MailServer", "letter", "send"]

TIMEOUT: Final = 30.0


@attrs.frozen(kw_only=True)
class MailServer:
    """
    Who takes mail.

    @ivar user: to log in with; empty for none.  A password goes over TLS only, or to this machine.
    """

    host: str
    port: int
    user: str = ""
    password: str = attrs.field(default="", repr=False)


def letter(alerts: Sequence[Alert], *, sender: str, receivers: Sequence[str], gate: str, now: float) -> bytes:
    """
    One mail with all alerts, the worst first.

    @param gate: the name of this gate.
    @param now: Unix time.
    """
    ordered = sorted(alerts, key=lambda alert: (alert.severity is not Severity.ERROR, -alert.level, alert.subject))
    more = f" (and {len(ordered) - 1} more)" if len(ordered) > 1 else ""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(receivers)
    message["Date"] = formatdate(now)
    message["Message-ID"] = make_msgid(domain="tlsgate.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message["Subject"] = f"[tlsgate {gate}] {ordered[0].message}{more}".replace("\n", " ")[:250]
    lines = [f"{alert.severity.value.upper()}  {alert.message}" for alert in ordered]
    message.set_content("\n".join([*lines, "", f"Sent by tlsgate on {gate}.", ""]))
    return message.as_bytes()


async def send(reactor: Any, server: MailServer, sender: str, receivers: Sequence[str], message: bytes) -> None:
    """
    Hand a mail to a mail server; STARTTLS is used where the server has it.

    @raise DeliveryFailed: it was taken for nobody.
    """
    from twisted.mail.smtp import sendmail  # noqa: PLC0415 - imports the reactor

    waiting = sendmail(  # type: ignore[no-untyped-call]  # Twisted has no types here
        server.host,
        sender,
        list(receivers),
        message,
        port=server.port,
        reactor=reactor,
        username=server.user or None,
        password=server.password or None,
        requireAuthentication=bool(server.user),
        requireTransportSecurity=bool(server.user) and not _is_here(server.host),
    )
    waiting.addTimeout(TIMEOUT, reactor)
    try:
        await waiting
    except DeferredTimeout as error:
        raise DeliveryFailed(f"the mail server does not answer within {TIMEOUT:g} s") from error
    except Exception as error:  # what a mail server can cause has no common base
        raise DeliveryFailed(f"the mail server does not take it ({type(error).__name__})") from error


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
