"""
What a site's redirect and HSTS have come to: the settings say what is wanted, the state what clients are told now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...changes import HSTSState
from ...sites import Redirect, RedirectMode
from .._audit import rfc3339
from .._operations import Call
from ._entries import effective

__all__ = ["HSTS_STATE", "REDIRECT_STATE", "shown_hsts", "shown_redirect", "shown_sites"]

_TIME: Final = {"type": ["string", "null"], "format": "date-time"}

#: JSON Schema of C{state} of a site's HSTS.
HSTS_STATE: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "What browsers are told now, and what comes next.",
    "properties": {
        "sends": {"type": "string", "description": "The value of Strict-Transport-Security; empty for none."},
        "largest_sent": {"type": "integer", "description": "The largest max-age that a browser may still hold."},
        "off_until": {**_TIME, "description": "While HSTS is off, max-age=0 is sent until then."},
        "steps": {"type": "array", "items": {"type": "integer"}, "description": "Of the ramp; empty without one."},
        "step": {"type": ["integer", "null"], "description": "Index of the present step."},
        "since": {**_TIME, "description": "When the present step began."},
        "next": {
            "type": ["object", "null"],
            "properties": {
                "max_age": {"type": "integer"},
                "due": {"type": "string", "format": "date-time"},
                "held_by": {"type": ["string", "null"], "description": "What would keep it from being taken."},
            },
            "required": ["max_age", "due", "held_by"],
        },
        "preload_missing": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["sends", "largest_sent", "off_until", "steps", "step", "since", "next", "preload_missing"],
}

#: JSON Schema of C{state} of a site's redirect.
REDIRECT_STATE: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "What a redirected client is told now.",
    "properties": {
        "status": {"type": ["integer", "null"], "description": "Of a redirect; null if nothing is redirected."},
        "changed_at": {**_TIME, "description": "When the redirect last changed; the soak counts from here."},
        "permanent_at": {
            **_TIME,
            "description": "When the soak ends and 307 becomes 308; null if it has, or will not.",
        },
    },
    "required": ["status", "changed_at", "permanent_at"],
}


def shown_hsts(call: Call, site: Mapping[str, Any]) -> dict[str, Any]:
    """
    A site's HSTS as it is answered.

    @param site: in force, with all defaults.
    """
    return {**site["hsts"], "state": _hsts_state(call.control.changes.hsts(site["name"]))}


def _hsts_state(state: HSTSState) -> dict[str, Any]:
    following = state.next_step
    return {
        "sends": state.sends,
        "largest_sent": state.largest,
        "off_until": _time(state.off_until),
        "steps": list(state.steps),
        "step": state.step if state.steps else None,
        "since": _time(state.since),
        "next": None
        if following is None
        else {"max_age": following.max_age, "due": rfc3339(following.due), "held_by": following.held_by or None},
        "preload_missing": list(state.preload_missing),
    }


def shown_redirect(call: Call, site: Mapping[str, Any]) -> dict[str, Any]:
    """
    A site's redirect as it is answered.

    @param site: in force, with all defaults.
    """
    snapshot = call.control.changes.snapshot
    served = next(served.redirect for served in snapshot.sites if served.name == site["name"])
    return {**site["redirect"], "state": _redirect_state(served, call.control.wall())}


def _redirect_state(redirect: Redirect, now: float) -> dict[str, Any]:
    redirects = redirect.mode in (RedirectMode.BROWSERS, RedirectMode.ALL)
    permanent_at = redirect.changed_at + redirect.soak
    soaking = redirects and not redirect.status and now < permanent_at
    return {
        "status": (redirect.status or (307 if soaking else 308)) if redirects else None,
        "changed_at": _time(redirect.changed_at),
        "permanent_at": _time(permanent_at) if soaking else None,
    }


def shown_sites(call: Call) -> list[dict[str, Any]]:
    """
    All sites in force, each with the state of its redirect and HSTS.
    """
    return [
        {**site, "redirect": shown_redirect(call, site), "hsts": shown_hsts(call, site)}
        for site in effective(call, "site")
    ]


def _time(instant: float) -> str | None:
    return rfc3339(instant) if instant else None
