"""
What the API takes and answers, as pydantic models: the source of the OpenAPI document's schemas.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from ._tokens import Permission

__all__ = [
    "CertificateChanged",
    "CertificateList",
    "CertificateObject",
    "Changed",
    "CsrList",
    "CsrMade",
    "CsrRequest",
    "DrainRequest",
    "ExplainAnswer",
    "ExplainRequest",
    "ObjectName",
    "PlainHTTPRows",
    "ProblemDocument",
    "SelfSignedRequest",
    "SessionMade",
    "SessionRequest",
    "SessionShown",
    "SessionsEnded",
    "SetupShown",
    "TokenList",
    "TokenMade",
    "TokenRequest",
    "TokenShown",
    "Uploaded",
]

KeyType = Literal["ec-p256", "ec-p384", "ec-p521", "rsa-2048", "rsa-3072", "rsa-4096", "ed25519"]


class Shown(BaseModel):
    """
    Something that is answered; more members may be added.
    """

    model_config = ConfigDict(extra="allow")


class Asked(BaseModel):
    """
    Something that is sent; unknown members are errors.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


class FindingShown(Shown):
    """
    Something worth saying about an object.
    """

    code: str
    severity: Literal["error", "warning", "info"]
    message: str
    pointer: str


class ProblemErrorShown(Shown):
    """
    One wrong value.
    """

    pointer: str
    code: str
    message: str


class ProblemDocument(Shown):
    """
    Why it was refused, RFC 9457.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemErrorShown]
    findings: list[FindingShown]
    allow: list[str] = Field(default=[], description="method-not-allowed: what can be used.")
    permission: str = Field(default="", description="permission-missing: which one.")
    generation: int = Field(default=0, description="generation-moved: the current one.")
    used_by: list[str] = Field(default=[], description="in-use: what uses it.")
    object: str = Field(default="", description="would-lock-out: what force is to name.")
    step: str = Field(default="", description="would-lock-out: where the way is closed.")
    hosts: list[str] = Field(default=[], description="no-valid-certificate: the names that have none.")


class Workers(Shown):
    """
    How many workers serve the generation, of how many.
    """

    serving: int
    total: int


class Script(Shown):
    """
    The same change as commands.
    """

    curl: str
    cli: str


class Changed(Shown):
    """
    What a change did, or with C{dry_run} would do.
    """

    generation: int
    workers: Workers
    findings: list[FindingShown]
    confirm_by: str | None
    script: Script


class ChainLink(Shown):
    """
    One certificate of a chain.
    """

    subject: str
    issuer: str
    not_after: str
    fingerprint: str


class CertificateObject(Shown):
    """
    What is known of a certificate, never its key.
    """

    name: str
    subject: str
    issuer: str
    names: list[str]
    not_before: str
    not_after: str
    days_left: int
    state: Literal["valid", "expiring", "expired", "not_yet_valid"]
    key_type: str
    fingerprint: str
    self_signed: bool
    trusted: bool
    chain: list[ChainLink]
    source: str
    used_by: list[str]
    findings: list[FindingShown]


class CertificateList(Shown):
    """
    All certificates.
    """

    certificates: list[CertificateObject]


class CertificateChanged(Changed):
    """
    A certificate was stored.
    """

    certificate: CertificateObject


class Uploaded(CertificateChanged):
    """
    A certificate was stored as the default of the https binding.
    """

    port: int


class CertificateDocument(Asked):
    """
    A certificate and its key as PEM texts.
    """

    certificate: StrictStr
    key: StrictStr
    chain: StrictStr = ""
    password: StrictStr | None = None
    name: StrictStr | None = None


Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(min_length=1, max_length=100)]
ObjectName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class SelfSignedRequest(Asked):
    """
    A self-signed certificate to make.
    """

    name: ObjectName
    names: Names
    days: Annotated[StrictInt, Field(ge=1, le=3650)] = 397
    key_type: KeyType = "ec-p256"
    issuer: Literal["self", "local-ca"] = "self"


class CsrRequest(Asked):
    """
    A certificate signing request to make; its key is born here and stays.
    """

    name: ObjectName
    names: Names
    key_type: KeyType = "ec-p256"
    subject: Annotated[dict[str, str], Field(max_length=10)] = {}


class CsrMade(Shown):
    """
    A certificate signing request.
    """

    name: str
    csr: str
    names: list[str]
    key_type: str


class CsrList(Shown):
    """
    The requests that wait.
    """

    requests: list[CsrMade]


class SignedDocument(Asked):
    """
    The certificate that a CA made of a request, PEM.
    """

    certificate: StrictStr
    chain: StrictStr = ""


class DrainRequest(Asked):
    """
    Which server of an upstream.
    """

    server: Annotated[str, Field(min_length=1, max_length=2000)]


class ExplainRequest(Asked):
    """
    A request over plain HTTP, made up or seen.
    """

    host: Annotated[str, Field(min_length=1, max_length=260, pattern=r"^[!-~]+$")]
    target: Annotated[str, Field(max_length=2000, pattern=r"^(/[!-~]*|\*)$")] = "/"
    method: Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")] = "GET"
    headers: Annotated[
        dict[
            Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")],
            Annotated[str, Field(max_length=2000)],
        ],
        Field(max_length=100),
    ] = {}
    client_ip: Annotated[str, Field(max_length=45)] = ""


class ExplainAnswer(Shown):
    """
    What would happen to the request.
    """

    site: str
    mode: Literal["disabled", "report", "browsers", "all"]
    browser: bool
    redirected: bool
    status: int | None
    location: str | None
    rule: str
    explanation: str
    would: bool
    refused: bool
    client_ip: str
    credentials: str | None


class PlainHTTPRow(Shown):
    """
    Requests over plain HTTP that look alike.
    """

    site: str
    address: str
    user_agent: str
    method: str
    path: str
    first_seen: str
    last_seen: str
    count: int
    verdict: Literal["follows", "would-break", "browser", "unknown"]
    redirected: bool
    credentials: int
    credentials_kind: str
    fingerprint: str


class PlainHTTPRows(Shown):
    """
    Who uses plain HTTP, last seen first.
    """

    rows: list[PlainHTTPRow]


class TokenShown(Shown):
    """
    A token, never its secret.
    """

    id: str
    name: str
    permissions: list[str]
    expires: str | None
    networks: list[str]
    hosts: list[str]
    created: str
    last_used: str | None


class TokenList(Shown):
    """
    All tokens.
    """

    tokens: list[TokenShown]


class TokenMade(TokenShown):
    """
    A new token with its secret, which is shown only now.
    """

    secret: str


class TokenRequest(Asked):
    """
    A token to make.
    """

    model_config = ConfigDict(extra="forbid", strict=False)

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@ -]*$")]
    permissions: Annotated[list[Permission], Field(min_length=1, max_length=5)]
    expires_in: Annotated[StrictInt, Field(ge=1, le=10 * 366 * 86400)] | None = None
    networks: Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=100)] = []
    hosts: Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=100)] = []


class SessionRequest(Asked):
    """
    Whoever signs in.
    """

    token: Annotated[str, Field(min_length=1, max_length=200)]


class SessionShown(Shown):
    """
    Who asks, and what they may do.
    """

    name: str
    permissions: list[str]
    hosts: list[str]
    set_up: bool
    idle_timeout: float


class SessionMade(SessionShown):
    """
    A session; its other half is the cookie.
    """

    csrf_token: str


class SessionsEnded(Shown):
    """
    How many sessions were ended.
    """

    ended: int


class SetupShown(Shown):
    """
    Whether there is no administrator's token yet.
    """

    needed: bool
