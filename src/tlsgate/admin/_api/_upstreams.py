"""
C{/api/v1/upstreams}: the servers behind the gate.
"""

from __future__ import annotations

from typing import Any

from ...problems import Problem
from ...settings import Draft
from .._bodies import model_content
from .._changing import changed, make_change
from .._operations import Answer, Body, Call, Operations
from .._schemas import Changed, DrainRequest
from .._tokens import Permission
from .._upstream_feed import merged_states
from ._entries import (
    CHANGE_CODES,
    create,
    editable,
    effective,
    entry_schema,
    find_effective,
    merge,
    remove,
    replace,
)
from ._shapes import MERGE_PATCH, changed_schema, list_schema, shown_schema

operations = Operations()

UPSTREAM = entry_schema("UpstreamSettings")
SERVER = shown_schema("ServerSettings", state={"enum": ["up", "down", "drain"]})
SHOWN = shown_schema(
    "UpstreamSettings",
    servers={"type": "array", "items": {name: member for name, member in SERVER.items() if name != "$defs"}},
)
CHANGED = changed_schema("upstream", shown_schema("UpstreamSettings"))


async def _with_states(call: Call, upstreams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Add to each server whether it is C{up}, C{down} or in C{drain}: down if any worker thinks so.
    """
    states = merged_states(await call.control.data_plane.report())
    for upstream in upstreams:
        for server in upstream["servers"]:
            is_down = states.get((upstream["name"], server["url"])) == "down"
            server["state"] = "drain" if server["drain"] else "down" if is_down else "up"
    return upstreams


@operations.operation(
    "GET",
    "/api/v1/upstreams",
    permission=Permission.VIEW_SETTINGS,
    summary="List the upstreams, with the state of each server.",
    answers={200: list_schema("upstreams", SHOWN)},
)
async def list_upstreams(call: Call) -> Answer:
    """
    All upstreams.
    """
    found = await _with_states(call, effective(call, "upstream"))
    return Answer(document={"upstreams": found}, etag=call.control.changes.current.number)


@operations.operation(
    "GET",
    "/api/v1/upstreams/{name}",
    permission=Permission.VIEW_SETTINGS,
    summary="Show an upstream, with the state of each server.",
    answers={200: SHOWN},
    codes=("not-found",),
)
async def show_upstream(call: Call) -> Answer:
    """
    One upstream.
    """
    found = await _with_states(call, [find_effective(call, "upstream", call.parameters["name"])])
    return Answer(document=found[0], etag=call.control.changes.current.number)


@operations.operation(
    "POST",
    "/api/v1/upstreams",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Add an upstream.",
    body=Body(json=UPSTREAM),
    answers={201: CHANGED, 200: CHANGED},
    codes=(*CHANGE_CODES, "exists"),
    change=True,
)
async def add_upstream(call: Call) -> Answer:
    """
    Add an upstream.
    """
    return await create(call, "upstream")


@operations.operation(
    "PUT",
    "/api/v1/upstreams/{name}",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Replace or add an upstream.",
    body=Body(json=UPSTREAM),
    answers={200: CHANGED, 201: CHANGED},
    codes=CHANGE_CODES,
    change=True,
)
async def put_upstream(call: Call) -> Answer:
    """
    Replace an upstream wholly.
    """
    return await replace(call, "upstream")


@operations.operation(
    "PATCH",
    "/api/v1/upstreams/{name}",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Change members of an upstream (RFC 7396).",
    body=Body(json=MERGE_PATCH, media=("application/merge-patch+json", "application/json")),
    answers={200: CHANGED},
    codes=(*CHANGE_CODES, "not-found"),
    change=True,
)
async def patch_upstream(call: Call) -> Answer:
    """
    Change members of an upstream.
    """
    return await merge(call, "upstream")


@operations.operation(
    "DELETE",
    "/api/v1/upstreams/{name}",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Remove an upstream that no site uses.",
    answers={200: Changed},
    codes=(*CHANGE_CODES, "not-found", "in-use"),
    change=True,
)
async def remove_upstream(call: Call) -> Answer:
    """
    Remove an upstream.
    """
    name = call.parameters["name"]
    users = [site["name"] for site in effective(call, "site") if site["upstream"] == name]
    if users:
        raise Problem("in-use", f"The site {users[0]!r} uses this upstream; change it first.", used_by=users)
    return await remove(call, "upstream")


async def _set_drain(call: Call, drain: bool) -> Answer:
    name = call.parameters["name"]
    asked = model_content(call, DrainRequest)

    def edit(draft: Draft) -> None:
        upstream = editable(draft, "upstream", name)
        servers = [server for server in upstream.get("servers", []) if server.get("url") == asked.server]
        if not servers:
            raise Problem("not-found", f"The upstream {name!r} has no server {asked.server!r}.")
        for server in servers:
            server["drain"] = drain

    outcome = await make_change(call, edit)
    command = ["upstream", "drain" if drain else "resume", name, asked.server]
    return changed(
        call,
        outcome,
        command,
        document={"server": asked.server},
        shown={"upstream": find_effective(call, "upstream", name)},
    )


@operations.operation(
    "POST",
    "/api/v1/upstreams/{name}/drain",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Let a server finish what runs and start nothing new.",
    body=Body(json=DrainRequest),
    answers={200: CHANGED},
    codes=(*CHANGE_CODES, "not-found"),
    change=True,
)
async def drain_server(call: Call) -> Answer:
    """
    Drain a server.
    """
    return await _set_drain(call, True)


@operations.operation(
    "POST",
    "/api/v1/upstreams/{name}/resume",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Let a drained server work again.",
    body=Body(json=DrainRequest),
    answers={200: CHANGED},
    codes=(*CHANGE_CODES, "not-found"),
    change=True,
)
async def resume_server(call: Call) -> Answer:
    """
    End the drain of a server.
    """
    return await _set_drain(call, False)
