"""
C{/api/v1/tokens}: who may use the API.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from ...problems import Problem, ProblemError
from ...sites import Network
from .._bodies import model_content
from .._operations import Answer, Body, Call, Operations
from .._schemas import TokenList, TokenMade, TokenRequest
from .._tokens import Permission
from ._shown import shown_token

operations = Operations()


@operations.operation(
    "GET",
    "/api/v1/tokens",
    permission=Permission.MANAGE_TOKENS,
    summary="List the tokens, without their secrets.",
    answers={200: TokenList},
)
async def list_tokens(call: Call) -> Answer:
    """
    All tokens.
    """
    return Answer(document={"tokens": [shown_token(token) for token in call.control.tokens.list()]})


@operations.operation(
    "POST",
    "/api/v1/tokens",
    permission=Permission.MANAGE_TOKENS,
    summary="Make a token; its secret is shown only in this answer.",
    body=Body(json=TokenRequest),
    answers={201: TokenMade},
    codes=("invalid-settings", "exists", "in-use", "storage-failed"),
    audited=True,
    set_up=True,
)
async def make_token(call: Call) -> Answer:
    """
    Make a token.  Nobody can give what they do not have; the set-up token can give everything.
    """
    asked = model_content(call, TokenRequest)
    networks = _networks(asked.networks)
    hosts = tuple(host.lower().rstrip(".") for host in asked.hosts)
    principal = call.principal
    if not principal.set_up:
        for permission in asked.permissions:
            principal.require(permission)
        mine = principal.token.networks if principal.token is not None else ()
        if mine and not (networks and all(any(_within(new, old) for old in mine) for new in networks)):
            raise Problem(
                "permission-missing", f"{principal.name} may only make tokens for its own networks or parts of these."
            )
    control = call.control
    token, secret = control.tokens.make(
        asked.name, asked.permissions, expires_in=asked.expires_in, networks=networks, hosts=hosts
    )
    if Permission.ADMIN in token.permissions:
        control.setup.remove()
    document: dict[str, Any] = {**shown_token(token), "secret": secret}
    return Answer(status=201, document=document, fields={"Location": f"/api/v1/tokens/{token.id}"})


@operations.operation(
    "DELETE",
    "/api/v1/tokens/{id}",
    permission=Permission.MANAGE_TOKENS,
    summary="Revoke a token; it stops working at once.",
    answers={204: None},
    codes=("not-found", "storage-failed"),
    audited=True,
)
async def revoke_token(call: Call) -> Answer:
    """
    Revoke a token.
    """
    call.control.tokens.revoke(call.parameters["id"])
    return Answer(status=204)


def _networks(texts: list[str]) -> tuple[Network, ...]:
    found: list[Network] = []
    for index, text in enumerate(texts):
        try:
            found.append(ip_network(text))
        except ValueError:
            error = ProblemError(f"/networks/{index}", "invalid-value", "must be a network such as 10.0.0.0/8")
            raise Problem("invalid-settings", f"networks/{index} is not a network.", errors=[error]) from None
    return tuple(found)


def _within(new: Network, old: Network) -> bool:
    return (
        new.version == old.version
        and int(new.network_address) >= int(old.network_address)
        and int(new.broadcast_address) <= int(old.broadcast_address)
    )
