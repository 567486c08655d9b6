"""
C{/api/v1/sites}: what host names serve, with their redirect and HSTS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs

from ...settings import Draft
from .._bodies import json_object
from .._changing import changed, make_change
from .._operations import CHANGE_PARAMETERS, Answer, Body, Call, Operation, Operations
from .._schemas import Changed
from .._script import settings_options
from .._tokens import Permission
from ._entries import (
    CHANGE_CODES,
    create,
    editable,
    entry_schema,
    find_effective,
    merge,
    remove,
    replace,
    show_all,
    show_one,
)
from ._shapes import MERGE_PATCH, changed_schema, list_schema, shown_schema
from ._site_state import HSTS_STATE, REDIRECT_STATE, shown_hsts, shown_redirect

operations = Operations()

SITE = entry_schema("SiteSettings")
SHOWN = shown_schema("SiteSettings")
CHANGED = changed_schema("site", SHOWN)


def _check(call: Call) -> Any:
    """
    Redirect and HSTS under a site need the permission for HTTPS settings.
    """

    def check(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        if any((old.get(part) or None) != (new.get(part) or None) for part in ("redirect", "hsts")):
            call.principal.require(Permission.CHANGE_HTTPS_SETTINGS)

    return check


@operations.operation(
    "GET",
    "/api/v1/sites",
    permission=Permission.VIEW_SETTINGS,
    summary="List the sites.",
    answers={200: list_schema("sites", SHOWN)},
)
async def list_sites(call: Call) -> Answer:
    """
    All sites.
    """
    return show_all(call, "site")


@operations.operation(
    "GET",
    "/api/v1/sites/{name}",
    permission=Permission.VIEW_SETTINGS,
    summary="Show a site.",
    answers={200: SHOWN},
    codes=("not-found",),
)
async def show_site(call: Call) -> Answer:
    """
    One site.
    """
    return show_one(call, "site")


@operations.operation(
    "POST",
    "/api/v1/sites",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Add a site; redirect and hsts in it need change_https_settings.",
    body=Body(json=SITE),
    answers={201: CHANGED, 200: CHANGED},
    codes=(*CHANGE_CODES, "exists"),
    change=True,
)
async def add_site(call: Call) -> Answer:
    """
    Add a site.
    """
    return await create(call, "site", _check(call))


@operations.operation(
    "PUT",
    "/api/v1/sites/{name}",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Replace or add a site; a change of redirect or hsts needs change_https_settings.",
    body=Body(json=SITE),
    answers={200: CHANGED, 201: CHANGED},
    codes=CHANGE_CODES,
    change=True,
)
async def put_site(call: Call) -> Answer:
    """
    Replace a site wholly.
    """
    return await replace(call, "site", _check(call))


@operations.operation(
    "PATCH",
    "/api/v1/sites/{name}",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Change members of a site (RFC 7396); a change of redirect or hsts needs change_https_settings.",
    body=Body(json=MERGE_PATCH, media=("application/merge-patch+json", "application/json")),
    answers={200: CHANGED},
    codes=(*CHANGE_CODES, "not-found"),
    change=True,
)
async def patch_site(call: Call) -> Answer:
    """
    Change members of a site.
    """
    return await merge(call, "site", _check(call))


@operations.operation(
    "DELETE",
    "/api/v1/sites/{name}",
    permission=Permission.CHANGE_PROXY_SETTINGS,
    summary="Remove a site.",
    answers={200: Changed},
    codes=(*CHANGE_CODES, "not-found", "in-use"),
    change=True,
)
async def remove_site(call: Call) -> Answer:
    """
    Remove a site.
    """
    return await remove(call, "site")


@attrs.frozen(kw_only=True)
class _Part:
    """
    A part of a site that is a resource of its own.

    @ivar schema: of its settings.
    @ivar state: JSON Schema of what it has come to.
    @ivar shown: a site's part as it is answered, from the call and the site in force.
    """

    name: str
    title: str
    schema: str
    state: Mapping[str, Any]
    shown: Callable[[Call, Mapping[str, Any]], dict[str, Any]]

    def show(self, call: Call) -> dict[str, Any]:
        """
        As it is answered.
        """
        return self.shown(call, find_effective(call, "site", call.parameters["name"]))


async def _show_part(part: _Part, call: Call) -> Answer:
    return Answer(document=part.show(call), etag=call.control.changes.current.number)


async def _put_part(part: _Part, call: Call) -> Answer:
    name = call.parameters["name"]
    body = json_object(call)
    # What GET answers may be changed and put back; the state in it is nobody's to set.
    body.pop("state", None)
    old = find_effective(call, "site", name)[part.name]
    defaults = SITE["$defs"]["SiteSettings"]["properties"][part.name]["default"]

    def edit(draft: Draft) -> None:
        editable(draft, "site", name)[part.name] = body

    outcome = await make_change(call, edit)
    shown = body if call.query.get("dry_run") else part.show(call)
    # PUT puts what is not named back to its default; options change only what they name.
    back = {key: None for key, value in old.items() if key not in body and value != defaults.get(key)}
    options = settings_options({part.name: {**body, **back}})
    # Octopus's and our own spelling: --redirect=all rather than --redirect-mode=all.
    options = [option.replace("--redirect-mode=", "--redirect=") for option in options]
    command = ["configure", *([] if name == "default" else [f"--site={name}"]), *options]
    return changed(call, outcome, command, document=body, shown={part.name: shown})


def _offer(part: _Part) -> None:
    """
    Declare how a part is shown and set.
    """
    template = f"/api/v1/sites/{{name}}/{part.name}"
    operations.add(
        Operation(
            name=f"show_{part.name}",
            method="GET",
            template=template,
            permission=Permission.VIEW_SETTINGS,
            summary=f"Show a site's {part.title}.",
            answers={200: shown_schema(part.schema, state=part.state)},
            codes=("not-found",),
            run=partial(_show_part, part),
        )
    )
    operations.add(
        Operation(
            name=f"put_{part.name}",
            method="PUT",
            template=template,
            permission=Permission.CHANGE_HTTPS_SETTINGS,
            summary=f"Set a site's {part.title}; what is not named gets its default.",
            parameters=CHANGE_PARAMETERS,
            body=Body(json=entry_schema(part.schema)),
            answers={200: changed_schema(part.name, shown_schema(part.schema, state=part.state))},
            codes=(*CHANGE_CODES, "not-found"),
            change=True,
            run=partial(_put_part, part),
        )
    )


for _part in (
    _Part(
        name="redirect",
        title="redirect to HTTPS",
        schema="RedirectSettings",
        state=REDIRECT_STATE,
        shown=shown_redirect,
    ),
    _Part(
        name="hsts",
        title="HTTP Strict Transport Security policy",
        schema="HSTSSettings",
        state=HSTS_STATE,
        shown=shown_hsts,
    ),
):
    _offer(_part)
