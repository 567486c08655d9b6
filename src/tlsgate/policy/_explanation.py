"""
What happens to a whole request over plain HTTP, and why, in words.

The data plane takes the same steps with what it has worked out before; that both come to the same is tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ..sites import Credentials, Site
from ._credentials import credentials_in_clear
from ._forwarded import client_address, is_secure
from ._hop_by_hop import Line
from ._loops import HandedOn
from ._redirect import Decision, PlainRequest, explain, is_browser

__all__ = ["Explanation", "explain_request"]

#: What each rule of a L{Decision} means, as a sentence with the setting that it comes from.
_WORDS: Final[Mapping[str, str]] = {
    "secure": "A trusted peer says that the client spoke HTTPS (trusted_peers), so there is nothing to redirect.",
    "acme-challenge": "It is a live ACME challenge, which the gate answers itself before anything else.",
    "exempt-path": "redirect.exempt names a prefix of its path.",
    "exempt-network": "redirect.exempt names the client's network.",
    "credentials-in-clear": "It carries credentials in clear, and plaintext_credentials is refuse.",
    "disabled": "redirect.mode is disabled.",
    "target": "Its target is no path, so no URL can be made of it.",
    "host": "Its host is missing or malformed, so no URL can be made of it.",
    "no-https-port": "There is no https binding to redirect to.",
    "loop": "The redirect is suspended for its peer, which loops; the findings in the status name the peer.",
    "not-a-browser": "redirect.mode is browsers, and this is not a browser that navigates.",
    "report": "redirect.mode is report: it is counted, and passes.",
    "browser": "redirect.mode is browsers, and this is one.",
    "all": "redirect.mode is all.",
}


@attrs.frozen(kw_only=True)
class Explanation:
    """
    What happens to a request.

    @ivar browser: see L{is_browser}.
    @ivar client_ip: the address that it counts for.
    @ivar credentials: the kind of those in it, whatever the site does about them; empty for none.
    @ivar fingerprint: of those; empty without a salt.
    @ivar handed_on: what it says of a proxy.
    """

    decision: Decision
    browser: bool
    client_ip: str
    credentials: str
    fingerprint: str
    handed_on: HandedOn

    @property
    def sentence(self) -> str:
        """
        Why, for people.
        """
        return _WORDS[self.decision.rule]


def explain_request(
    site: Site,
    *,
    method: bytes,
    target: bytes,
    host: bytes,
    fields: Sequence[Line],
    peer: str,
    https_port: int,
    now: float,
    suspended: bool = False,
    challenges: Mapping[bytes, bytes] | None = None,
    salt: bytes = b"",
) -> Explanation:
    """
    Take every step that the data plane takes.

    @param host: the request's host: lower case, without port.
    @param salt: of the fingerprint; see L{credentials_in_clear}.
    @param peer: the immediate peer's address; empty for a UNIX socket.

    Others as in L{PlainRequest}.
    """
    first: dict[bytes, bytes] = {}
    for name, value in fields:
        first.setdefault(name.lower(), value)
    client = client_address(peer, fields, site.trusted_peers)
    found = credentials_in_clear(method, target, fields, salt=salt)
    request = PlainRequest(
        method=method,
        target=target,
        host=host,
        first=first,
        client_ip=client.ip,
        https_port=https_port,
        now=now,
        secure=is_secure(False, peer, fields, site.trusted_peers),
        suspended=suspended,
        challenges=challenges,
        refuse=found is not None and site.plaintext_credentials is Credentials.REFUSE,
    )
    return Explanation(
        decision=explain(site.redirect, request),
        browser=is_browser(method, first),
        client_ip=client.ip,
        credentials="" if found is None else found.kind,
        fingerprint="" if found is None or not salt else found.fingerprint,
        handed_on=HandedOn.of(first),
    )
