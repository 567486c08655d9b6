"""
What an ACME CA, or the way to it, can object to, as sentences that say what to do (RFC 8555 section 6.7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

__all__ = ["PREFIX", "REMEDIES", "OrderFailed", "OrderProblem", "problem_from_document"]

PREFIX: Final = "urn:ietf:params:acme:error:"

#: Error of the CA to what it means and what to do; C{{name}} is the name it is about.
REMEDIES: Final[Mapping[str, str]] = {
    "accountDoesNotExist": "The CA does not know the account any more; order again and it is registered anew.",
    "alreadyReplaced": "The CA has replaced this certificate already; look for the newer one, or order again.",
    "alreadyRevoked": "The certificate is revoked already; nothing is left to do.",
    "autoRenewalCanceled": "The CA no longer renews this order by itself; order again.",
    "autoRenewalExpired": "The CA's automatic renewal of this order has ended; order again.",
    "badCSR": "The CA does not accept the certificate request; choose another key type (ec-p256 and rsa-2048 are "
    "accepted by all), or fewer names.",
    "badNonce": "The CA refused one anti-replay nonce after another; it is busy or behind a broken load balancer. "
    "Try again in a few minutes.",
    "badPublicKey": "The CA does not accept the key; choose another key type (ec-p256 and rsa-2048 are accepted by "
    "all), and do not reuse a key that was revoked.",
    "badRevocationReason": "The CA does not accept this reason for a revocation; choose another one.",
    "badSignatureAlgorithm": "The CA does not accept the account's kind of key; it needs another ACME account.",
    "caa": "A CAA record of {name} or of a domain above it forbids this CA to issue; add the CA to the CAA records, "
    "or use the CA that they name.",
    "compound": "The CA has several objections; each is listed.",
    "connection": "The CA could not connect to {name}; let port 80 (for http-01) or 443 (for tls-alpn-01) be reached "
    "from the internet: firewall, router and every address in DNS, IPv6 too. Or use dns-01, or order with "
    '"manual" and put the file where it asks.',
    "dns": "The CA's query for {name} in DNS failed; check that the name exists, that its name servers answer, and "
    "that a record made a moment ago has reached them all.",
    "dnssec": "The DNSSEC signature of {name} could not be verified; repair it with whoever runs the zone.",
    "externalAccountRequired": "This CA wants an external account binding; get its key id and HMAC key from the CA "
    "and set acme.eab_key_id and acme.eab_hmac_key.",
    "incorrectResponse": "Something answered for {name}, but not with what was asked for; find out who answers there: "
    "another server, a CDN, or an old DNS record.",
    "invalidContact": "The CA does not accept the e-mail address of the account; set another one in acme.email.",
    "invalidEmail": "The CA does not accept the e-mail address of the account; set another one in acme.email.",
    "invalidProfile": "The CA does not know this profile; leave acme.profile empty or choose one that it offers.",
    "malformed": "The CA did not understand the request; the names or settings of the order may be impossible, or the "
    "CA works differently from RFC 8555.",
    "orderNotReady": "The CA was not ready to issue; try again in a few minutes.",
    "rateLimited": "The CA's rate limit is reached; wait until it lifts, and try things out with its staging "
    "directory, which has far higher limits.",
    "rejectedIdentifier": "The CA does not issue for {name}; it may be on a list of forbidden names, not public, or "
    "not under a public suffix.",
    "serverInternal": "The CA has a fault of its own; it is tried again later. Its status page may tell more.",
    "tls": "The CA could not finish a TLS handshake with {name}; let its connections on port 443 reach this gate "
    "undecrypted, or use http-01 instead of tls-alpn-01.",
    "unauthorized": "The CA found a wrong answer for {name}: another server, a proxy or a login page answers in the "
    "gate's place, or DNS points elsewhere. Make the name reach this gate, or use dns-01.",
    "unknownHost": "The CA cannot find {name} in DNS; add an A or AAAA record that points to this gate.",
    "unsupportedContact": "The CA does not accept the kind of contact of the account; set an e-mail address in "
    "acme.email.",
    "unsupportedIdentifier": "The CA does not issue for the kind of name that {name} is; leave it out, or use another "
    "CA or profile (few issue for IP addresses).",
    "userActionRequired": "The CA wants something to be done by hand, most often to agree to new terms of service; "
    "visit {instance}.",
    # Not the CA's own errors, but what stands between it and us (OUR_OWN).
    "ca-unreachable": "The CA cannot be reached; see whether this machine may connect to it, directly or by a proxy.",
    "ca-untrusted": "The CA's own HTTPS certificate cannot be verified; for a private CA name its root in "
    "acme.ca_file, and check the clock.",
    "ca-nonsense": "What answered is not an ACME CA; check acme.directory.",
    "timed-out": "The CA did not come to an end in time; it is tried again later.",
    "terms-not-agreed": "The CA's terms of service must be agreed to first: read {instance} and order with "
    '"agree_terms".',
    "challenge-not-offered": "The CA does not offer this challenge for {name}; a wildcard needs dns-01, an address "
    "needs http-01 or tls-alpn-01.",
    "challenge-impossible": "The challenge for {name} cannot be answered from here.",
    "dns-provider": "The record for {name} could not be made in DNS.",
    "cancelled": "The order was cancelled.",
    "preflight": "The order was not sent because the CA would refuse it.",
    "install": "The certificate was issued but could not be served.",
    "storage": "The gate cannot write to its state folder; see whether the disk is full or read-only.",
    "internal": "The gate has a fault of its own; its log tells more.",
}

#: Codes that are not the CA's own.
OUR_OWN: Final = frozenset({"dns-provider", "cancelled", "preflight", "install", "storage", "internal"}) | {
    code for code in REMEDIES if "-" in code
}

#: Those that another CA, or the same one later, may not have: worth a second CA.
CA_TROUBLE: Final = frozenset(
    {
        "badNonce",
        "serverInternal",
        "rateLimited",
        "externalAccountRequired",
        "ca-unreachable",
        "ca-untrusted",
        "ca-nonsense",
        "timed-out",
        "orderNotReady",
        "invalidProfile",
    }
)


@attrs.frozen(kw_only=True)
class OrderProblem:
    """
    Why an order failed.

    @ivar code: the last part of the CA's error type, or one of our own with hyphens.
    @ivar sentence: what it means and what to do.
    @ivar said: the CA's own words.
    @ivar name: the name it is about, if any.
    @ivar retry_after: seconds that the CA asked to wait.
    @ivar parts: the single objections of a compound error, or of several names.
    """

    code: str
    sentence: str
    said: str = ""
    name: str = ""
    retry_after: float = 0.0
    parts: tuple[OrderProblem, ...] = ()

    @property
    def is_ca_trouble(self) -> bool:
        """
        May another CA issue where this one did not?
        """
        return self.code in CA_TROUBLE

    def as_json(self) -> dict[str, Any]:
        """
        The problem as the admin API shows it.
        """
        shown: dict[str, Any] = {"code": self.code, "detail": self.sentence, "said": self.said, "name": self.name}
        if self.code not in OUR_OWN:
            shown["type"] = PREFIX + self.code
        if self.retry_after:
            shown["retry_after"] = self.retry_after
        if self.parts:
            shown["parts"] = [part.as_json() for part in self.parts]
        return shown

    @classmethod
    def of(
        cls, code: str, *, said: str = "", name: str = "", instance: str = "", retry_after: float = 0.0
    ) -> OrderProblem:
        """
        A problem with the sentence of its code.
        """
        sentence = REMEDIES.get(code, "The CA objects; its own words say why.")
        sentence = sentence.replace("{name}", name or "the name").replace("{instance}", instance or "the CA's website")
        return cls(code=code, sentence=sentence, said=said[:1000], name=name, retry_after=retry_after)

    @classmethod
    def together(cls, problems: tuple[OrderProblem, ...]) -> OrderProblem:
        """
        One problem for those of several names.
        """
        if len(problems) == 1:
            return problems[0]
        first = problems[0]
        sentence = f"{len(problems)} names failed; first {first.name}: {first.sentence}"
        return attrs.evolve(first, sentence=sentence, parts=problems)


class OrderFailed(Exception):
    """
    An order cannot go on.
    """

    def __init__(self, problem: OrderProblem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


def problem_from_document(document: Mapping[str, Any], *, name: str = "", retry_after: float = 0.0) -> OrderProblem:
    """
    The CA's problem document (RFC 9457 with RFC 8555 section 6.7.1) in our words.

    @param name: what was asked about, if the document does not say.
    """
    kind = str(document.get("type") or "")
    code = kind.removeprefix(PREFIX) if kind.startswith(PREFIX) else "malformed"
    identifier = document.get("identifier")
    if isinstance(identifier, Mapping):
        name = str(identifier.get("value") or name)
    subproblems = document.get("subproblems")
    parts = tuple(
        problem_from_document(part, name=name)
        for part in (subproblems if isinstance(subproblems, (list, tuple)) else ())
        if isinstance(part, Mapping)
    )
    problem = OrderProblem.of(
        code,
        said=str(document.get("detail") or document.get("title") or ""),
        name=name,
        instance=str(document.get("instance") or ""),
        retry_after=retry_after,
    )
    return attrs.evolve(problem, parts=parts)
