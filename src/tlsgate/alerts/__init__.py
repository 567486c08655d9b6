"""
Tell people when what is served is wrong, or soon will be: by webhook and by mail.

L{_alert} decides what is worth an alert and when, L{_webhook} and L{_mail} carry it, L{_alerts} remembers what each
way was told and tries again.
"""

from ._alert import Alert, Told, alerts_of, due
from ._alerts import Alerts, make_alerts
from ._mail import MailServer, letter, send
from ._webhook import DeliveryFailed, post, signature

__all__ = [
    "Alert",
    "Alerts",
    "DeliveryFailed",
    "MailServer",
    "Told",
    "alerts_of",
    "due",
    "letter",
    "make_alerts",
    "post",
    "send",
    "signature",
]
