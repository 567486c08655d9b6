"""
What the ACME operations take and answer.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .._schemas import Asked, FindingShown, Script, Shown

__all__ = ["AcmeShown", "OrderList", "OrderRequested", "OrderShown", "PreflightShown", "RevocationAsked"]

KeyType = Literal["", "ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"]


class OrderRequested(Asked):
    """
    A certificate to order; what is left out comes from the settings' table C{acme}.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    names: Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=100)] = []
    challenge: Literal["", "http-01", "tls-alpn-01", "dns-01"] = ""
    key_type: KeyType = ""
    email: Annotated[str, Field(max_length=320, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""
    agree_terms: bool = False
    profile: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._-]*$")] = ""
    preferred_chain: Annotated[str, Field(max_length=128)] = ""
    staging: bool = False
    staging_first: bool = False
    manual: bool = False


class RevocationAsked(Asked):
    """
    Why a certificate is revoked.
    """

    reason: Literal["unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation"] = (
        "keyCompromise"
    )


class StepShown(Shown):
    """
    Something that happened to an order.
    """

    time: str
    state: str
    message: str


class TaskShown(Shown):
    """
    What a person does to prove a name by hand: a file at C{url}, or a TXT C{record}.
    """

    name: str
    kind: Literal["http-01", "dns-01"]
    content: str
    url: str
    path: str
    record: str


class OrderProblemShown(Shown):
    """
    Why an order does not go on; C{said} is the CA's own words.
    """

    code: str
    detail: str
    said: str
    name: str
    type: str = ""
    retry_after: float = 0.0
    parts: list[OrderProblemShown] = []


class OrderShown(Shown):
    """
    An order; C{valid}, C{invalid} and C{cancelled} are the states in which it ended.
    """

    id: str
    name: str
    names: list[str]
    challenge: str
    directory: str
    staging: bool
    manual: bool
    renewal: bool
    author: str
    state: Literal[
        "queued",
        "preflight",
        "ordering",
        "validating",
        "on-hold",
        "finalizing",
        "downloading",
        "installing",
        "revoking",
        "valid",
        "invalid",
        "cancelled",
    ]
    created: str
    updated: str
    steps: list[StepShown]
    tasks: list[TaskShown]
    problem: OrderProblemShown | None
    findings: list[FindingShown]
    fingerprint: str
    generation: int
    script: Script | None = None


class OrderList(Shown):
    """
    Orders, newest first.
    """

    orders: list[OrderShown]


class PreflightShown(Shown):
    """
    What an order would meet, and the order as a command.
    """

    findings: list[FindingShown]
    script: Script


class AccountShown(Shown):
    """
    An account at a CA, never its key.
    """

    directory: str
    url: str
    email: str


class RenewalShown(Shown):
    """
    When a certificate is to be renewed, and how that goes.
    """

    name: str
    directory: str
    renew_at: str
    window: list[str] | None
    explanation: str
    failures: int
    retry_at: str | None
    code: str
    detail: str


class AcmeShown(Shown):
    """
    Accounts, and when certificates are to be renewed.
    """

    accounts: list[AccountShown]
    renewals: list[RenewalShown]
