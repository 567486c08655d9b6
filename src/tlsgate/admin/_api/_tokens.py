"""
C{/api/v1/tokens}: who may use the API.
"""

from __future__ import annotations

import shlex
from ipaddress import ip_network
from typing import Any, Final

from ...problems import Problem, ProblemError
from ...sites import Network
from .._bodies import model_content
from .._operations import Answer, Body, Call, Operations, Parameter
from .._schemas import Script, Shown, TokenList, TokenMade, TokenRequest
from .._script import script_of
from .._tokens import Permission
from ._shown import shown_token

operations = Operations()

DRY_RUN: Final = Parameter(
    name="dry_run", description="Only show the script.", schema={"type": "boolean", "default": False}
)


class TokenPlanned(Shown):
    """
    What would be done with a token, as commands.
    """

    script: Script


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
    parameters=(DRY_RUN,),
    answers={201: TokenMade, 200: TokenPlanned},
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
    if call.query.get("dry_run"):
        return _planned(call, ["create", *_options(asked)], asked.model_dump(mode="json", exclude_defaults=True))
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
    parameters=(DRY_RUN,),
    answers={204: None, 200: TokenPlanned},
    codes=("not-found", "storage-failed"),
    audited=True,
)
async def revoke_token(call: Call) -> Answer:
    """
    Revoke a token.
    """
    token_id = call.parameters["id"]
    if call.query.get("dry_run"):
        if all(token.id != token_id for token in call.control.tokens.list()):
            raise Problem("not-found", f"There is no token {token_id!r}.")
        return _planned(call, ["revoke", token_id])
    call.control.tokens.revoke(token_id)
    return Answer(status=204)


def _planned(call: Call, command: list[str], document: Any = None) -> Answer:
    # The command has no dry run.
    cli = shlex.join(["tlsgate", "token", *command])
    return Answer(document={"script": {**script_of(call, command, document=document), "cli": cli}})


def _options(asked: TokenRequest) -> list[str]:
    options = [f"--name={asked.name}", *(f"--permission={permission.value}" for permission in asked.permissions)]
    if asked.expires_in is not None:
        options.append(f"--expires-in={asked.expires_in}")
    return [
        *options,
        *(f"--network={network}" for network in asked.networks),
        *(f"--host={host}" for host in asked.hosts),
    ]


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
