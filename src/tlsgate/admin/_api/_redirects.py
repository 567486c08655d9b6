"""
C{/api/v1/redirect}: who still uses plain HTTP, and what would happen to a request.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from ...policy import challenge_answer, explain_request
from ...problems import Problem, ProblemError
from ...sites import Scheme, Site
from ...tls import normalise, wildcard_for
from .._bodies import model_content
from .._operations import Answer, Body, Call, Operations
from .._plain_http_feed import merged_rows
from .._schemas import ExplainAnswer, ExplainRequest, PlainHTTPRows
from .._tokens import Permission

operations = Operations()


@operations.operation(
    "GET",
    "/api/v1/redirect/report",
    permission=Permission.VIEW_SETTINGS,
    summary="Who still uses plain HTTP, and whether a redirect would break them.",
    answers={200: PlainHTTPRows},
)
async def report_plain_http(call: Call) -> Answer:
    """
    The tables of all workers together, last seen first.
    """
    rows = merged_rows(await call.control.data_plane.report())
    return Answer(document={"rows": rows}, etag=call.control.changes.current.number)


@operations.operation(
    "POST",
    "/api/v1/redirect/explain",
    permission=Permission.VIEW_SETTINGS,
    summary="What would happen to this request over plain HTTP, and by which rule.",
    body=Body(json=ExplainRequest),
    answers={200: ExplainAnswer},
    codes=("invalid-settings", "not-found"),
)
async def explain_redirect(call: Call) -> Answer:
    """
    The policy's own explanation, on what is served now.  C{client_ip} is the address of the connection; what trusted
    peers say in the fields is believed as usual.
    """
    asked = model_content(call, ExplainRequest)
    control = call.control
    snapshot = control.changes.snapshot
    peer = _address(asked.client_ip)
    host = re.sub(r":[0-9]*$", "", asked.host) if not asked.host.endswith("]") else asked.host
    name = normalise(host.strip("[]"))
    if not name:
        raise _wrong("/host", "This is not a host name or an address.")
    target = asked.target.encode("ascii")
    challenges = control.data_plane.challenges()
    site = _site(snapshot.sites, name)
    if site is None:
        if challenge_answer(target, challenges) is None:
            raise Problem("not-found", f"No site serves {name}.")
        # A challenge is answered for every host.
        site = Site(name="-", hosts=(), upstream="")
    fields = [(field.encode("utf-8"), value.encode("utf-8")) for field, value in asked.headers.items()]
    ports = control.data_plane.ports()
    https = next((binding for binding in snapshot.bindings if binding.scheme is Scheme.HTTPS), None)
    suspended = {
        (row["site"], row["peer"])
        for worker in await control.data_plane.report()
        for row in worker.plain_http
        if row.get("kind") == "loop"
    }
    explanation = explain_request(
        site,
        method=asked.method.encode("ascii"),
        target=target,
        host=f"[{name}]".encode("ascii") if ":" in name else name.encode("ascii"),
        fields=fields,
        peer=peer,
        https_port=0 if https is None else https.public_port or ports.get(https.name, 0),
        now=control.wall(),
        suspended=(site.name, peer) in suspended,
        challenges=challenges,
    )
    decision = explanation.decision
    document = {
        "site": site.name,
        "mode": site.redirect.mode.value,
        "browser": explanation.browser,
        "client_ip": explanation.client_ip,
        "credentials": explanation.credentials or None,
        "redirected": decision.redirected,
        "refused": bool(decision.status) and not decision.redirected,
        "status": decision.status or None,
        "location": decision.location.decode("ascii") or None,
        "rule": decision.rule,
        "explanation": explanation.sentence,
        "would": decision.would,
    }
    return Answer(document=document, etag=snapshot.generation)


def _wrong(pointer: str, message: str) -> Problem:
    return Problem(
        "invalid-settings", f"{pointer}: {message}", errors=[ProblemError(pointer, "invalid-value", message)]
    )


def _address(text: str) -> str:
    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        raise _wrong("/client_ip", "This is not an IP address.") from None


def _site(sites: tuple[Site, ...], name: str) -> Site | None:
    """
    Exact before wildcard before the site of all others, as the data plane routes.
    """
    for wanted in (name, wildcard_for(name), "*"):
        for site in sites:
            if wanted and wanted in site.hosts:
                return site
    return None
