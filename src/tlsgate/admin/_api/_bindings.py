"""
C{/api/v1/bindings}: where clients connect.
"""

from __future__ import annotations

from .._operations import Answer, Body, Call, Operations
from .._schemas import Changed
from .._tokens import Permission
from ._entries import CHANGE_CODES, create, entry_schema, find_effective, remove, replace, show_all
from ._shapes import changed_schema, list_schema, shown_schema

operations = Operations()

BINDING = entry_schema("BindingSettings")
SHOWN = shown_schema(
    "BindingSettings",
    port={"type": "integer", "minimum": 0, "maximum": 65535, "description": "It listens on this port now; 0 for none."},
)
CHANGED = changed_schema("binding", shown_schema("BindingSettings"))


@operations.operation(
    "GET",
    "/api/v1/bindings",
    permission=Permission.VIEW_SETTINGS,
    summary="List the bindings.",
    answers={200: list_schema("bindings", SHOWN)},
)
async def list_bindings(call: Call) -> Answer:
    """
    All bindings, with the port that each listens on now.
    """
    answer = show_all(call, "binding")
    ports = call.control.data_plane.ports()
    for binding in answer.document["bindings"]:
        binding["port"] = ports.get(binding["name"], 0)
    return answer


@operations.operation(
    "GET",
    "/api/v1/bindings/{name}",
    permission=Permission.VIEW_SETTINGS,
    summary="Show a binding.",
    answers={200: SHOWN},
    codes=("not-found",),
)
async def show_binding(call: Call) -> Answer:
    """
    One binding.
    """
    name = call.parameters["name"]
    shown = {**find_effective(call, "binding", name), "port": call.control.data_plane.ports().get(name, 0)}
    return Answer(document=shown, etag=call.control.changes.current.number)


@operations.operation(
    "POST",
    "/api/v1/bindings",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Add a binding; it is bound before anything is saved.",
    body=Body(json=BINDING),
    answers={201: CHANGED, 200: CHANGED},
    codes=(*CHANGE_CODES, "exists"),
    change=True,
)
async def add_binding(call: Call) -> Answer:
    """
    Add a binding.
    """
    return await create(call, "binding")


@operations.operation(
    "PUT",
    "/api/v1/bindings/{name}",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Replace or add a binding.",
    body=Body(json=BINDING),
    answers={200: CHANGED, 201: CHANGED},
    codes=CHANGE_CODES,
    change=True,
)
async def put_binding(call: Call) -> Answer:
    """
    Replace a binding wholly.
    """
    return await replace(call, "binding")


@operations.operation(
    "DELETE",
    "/api/v1/bindings/{name}",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Remove a binding; open connections end by themselves.",
    answers={200: Changed},
    codes=(*CHANGE_CODES, "not-found", "in-use"),
    change=True,
)
async def remove_binding(call: Call) -> Answer:
    """
    Remove a binding.
    """
    return await remove(call, "binding")
