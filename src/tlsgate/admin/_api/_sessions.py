"""
C{/api/v1/session}: sign in to the web UI and out of it.
"""

from __future__ import annotations

from typing import Any, Final

from .._auth import Principal
from .._bodies import model_content
from .._operations import Answer, Body, Call, Operations
from .._schemas import SessionMade, SessionRequest, SessionsEnded, SessionShown, SetupShown
from .._session import COOKIE, IDLE_TIMEOUT, cookie_in
from .._tokens import Permission

operations = Operations()

COOKIE_ATTRIBUTES: Final = "Path=/; Secure; HttpOnly; SameSite=Strict"


def _shown(principal: Principal) -> dict[str, Any]:
    """
    Who is signed in, and what they may do; C{admin} is spelled out.
    """
    permissions = [permission.value for permission in Permission if not principal.set_up and principal.may(permission)]
    return {
        "name": principal.name,
        "permissions": permissions,
        "hosts": list(principal.hosts),
        "set_up": principal.set_up,
        "idle_timeout": IDLE_TIMEOUT,
    }


@operations.operation(
    "POST",
    "/api/v1/session",
    permission=None,
    summary="Sign in with a token: a cookie, and a CSRF token for the field X-CSRF-Token of every request.",
    body=Body(json=SessionRequest),
    answers={201: SessionMade},
    audited=True,
    open=True,
)
async def sign_in(call: Call) -> Answer:
    """
    Sign in.
    """
    asked = model_content(call, SessionRequest)
    session, value, principal = call.control.sessions.open(call.peer, asked.token.strip())
    return Answer(
        status=201,
        document={**_shown(principal), "csrf_token": session.csrf},
        fields={"Set-Cookie": f"{COOKIE}={value}; {COOKIE_ATTRIBUTES}"},
        author=principal.name,
    )


@operations.operation(
    "GET",
    "/api/v1/session",
    permission=None,
    summary="Who asks, and what they may do.",
    answers={200: SessionShown},
    set_up=True,
)
async def show_session(call: Call) -> Answer:
    """
    Who is signed in; answers for a bearer token as well.
    """
    return Answer(document=_shown(call.principal))


@operations.operation(
    "DELETE",
    "/api/v1/session",
    permission=None,
    summary="Sign out.",
    answers={204: None},
    audited=True,
    set_up=True,
    scoped=True,
)
async def sign_out(call: Call) -> Answer:
    """
    End the session of the cookie, if there is one.
    """
    session = call.control.sessions.find(cookie_in(call.fields.get("cookie", ())))
    if session is not None:
        call.control.sessions.close(session)
    return Answer(status=204, fields={"Set-Cookie": f"{COOKIE}=; Max-Age=0; {COOKIE_ATTRIBUTES}"})


@operations.operation(
    "DELETE",
    "/api/v1/sessions",
    permission=None,
    summary="Sign out everywhere: end all sessions of the token that asks.",
    answers={200: SessionsEnded},
    audited=True,
    set_up=True,
    scoped=True,
)
async def sign_out_everywhere(call: Call) -> Answer:
    """
    End all sessions of a token.
    """
    token = call.principal.token
    ended = call.control.sessions.close_all("" if token is None else token.id)
    return Answer(document={"ended": ended}, fields={"Set-Cookie": f"{COOKIE}=; Max-Age=0; {COOKIE_ATTRIBUTES}"})


@operations.operation(
    "GET",
    "/api/v1/setup",
    permission=None,
    summary="Does this gate wait for its first administrator?",
    answers={200: SetupShown},
    open=True,
)
async def show_setup(call: Call) -> Answer:
    """
    What the sign-in page says to somebody new.
    """
    return Answer(document={"needed": not call.control.tokens.has_administrator})
