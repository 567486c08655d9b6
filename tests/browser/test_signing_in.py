"""
The first visit, signing in and out, and what somebody with few permissions sees.
"""

from __future__ import annotations

import pytest
from _screens import token_of


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_first_visit(gate, open_page, size) -> None:
    """
    The set-up token leads through making an administrator's token, which is shown once and signs in.
    """
    screen = open_page(gate, size).enter()
    screen.judge("first-1-welcome")
    screen.page.get_by_label("Set-up token").fill((gate.state / "setup-token").read_text().strip())
    screen.button("Continue").click()
    screen.page.get_by_label("Token name").fill("alice")
    screen.judge("first-2-set-up")
    screen.button("Create token").click()
    secret = screen.page.locator("#secret")
    secret.wait_for()
    screen.judge("first-3-token")
    token = secret.inner_text()
    assert token.startswith("tlsg_")
    assert screen.button("Continue").is_disabled()
    screen.page.get_by_label("I have stored it in a safe place").check()
    screen.button("Continue").click()
    screen.heading("Overview").wait_for()
    assert not (gate.state / "setup-token").exists()
    assert gate.call("GET", "/api/v1/status", token=token).status == 200
    assert gate.call("GET", "/api/v1/tokens", token=token).json["tokens"][0]["name"] == "alice"


def test_wrong_token(shared_gate, open_page) -> None:
    """
    A wrong token is told in a sentence with its code, and the page stays.
    """
    assert shared_gate.token
    screen = open_page(shared_gate).enter()
    screen.page.get_by_label("Token", exact=True).fill("tlsg_wrong")
    screen.button("Sign in").click()
    screen.sees("The token is wrong, has expired")
    screen.sees("token-invalid")
    screen.judge("sign-in-wrong")


def test_session_survives_a_reload_and_ends(shared_gate, open_page) -> None:
    """
    A reload keeps the session; signing out ends it at the gate, not only in the page.
    """
    screen = open_page(shared_gate).sign_in()
    screen.page.reload()
    screen.heading("Overview").wait_for()
    [cookie] = [one for one in screen.page.context.cookies() if one["name"] == "__Host-tlsgate-session"]
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    csrf = screen.page.evaluate("localStorage.getItem('tlsgate.csrf')")
    fields = {"Cookie": f"{cookie['name']}={cookie['value']}", "X-CSRF-Token": csrf}
    assert shared_gate.call("GET", "/api/v1/status", token=None, fields=fields).status == 200
    screen.button("Sign out").click()
    screen.heading("Sign in").wait_for()
    assert shared_gate.call("GET", "/api/v1/status", token=None, fields=fields).code == "token-invalid"


def test_nobody_at_the_page(shared_gate, open_page) -> None:
    """
    Whoever leaves the page is signed out, here and at the gate; whoever is at it is not.
    """
    screen = open_page(shared_gate)
    screen.page.clock.install()
    screen.sign_in()
    screen.page.clock.fast_forward("20:00")
    screen.page.keyboard.press("Shift")
    screen.page.clock.fast_forward("20:00")
    screen.go("/history", "History")
    cookie = screen.page.context.cookies()[0]
    csrf = screen.page.evaluate("localStorage.getItem('tlsgate.csrf')")
    fields = {"Cookie": f"{cookie['name']}={cookie['value']}", "X-CSRF-Token": csrf}
    with screen.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        screen.page.clock.fast_forward("31:00")
    screen.heading("Sign in").wait_for()
    screen.sees("You were signed out because you were inactive.")
    screen.judge("sign-in-idle")
    assert shared_gate.call("GET", "/api/v1/status", token=None, fields=fields).code == "token-invalid"


def test_sign_out_everywhere(shared_gate, open_page) -> None:
    """
    Signing out everywhere ends the session of another browser, which says so.
    """
    token = token_of(shared_gate, "twice", "admin")
    here, there = open_page(shared_gate).sign_in(token), open_page(shared_gate, "phone").sign_in(token)
    here.button("Sign out everywhere…").click()
    here.button("Sign out everywhere", inside=here.dialog).click()
    here.heading("Sign in").wait_for()
    here.sees("2 sessions ended.")
    there.page.evaluate("location.hash = '/history'")
    there.heading("Sign in").wait_for()
    there.sees("Your session has ended")


def test_permissions(shared_gate, open_page) -> None:
    """
    What a token may not do is disabled with the reason, or hidden.
    """
    screen = open_page(shared_gate).sign_in(token_of(shared_gate, "reader", "view_settings"))
    assert screen.page.get_by_role("link", name="Tokens", exact=True).count() == 0
    screen.go("/https", "HTTPS settings")
    screen.sees("Your token “reader” may not change HTTPS settings. It lacks the permission change_https_settings.")
    assert screen.button("Remove…").is_disabled()
    assert "change_https_settings" in screen.button("Remove…").get_attribute("title")
    assert screen.page.get_by_label("Only browser requests").is_disabled()
    assert screen.page.get_by_label("HTTPS port").is_disabled()
    assert screen.page.get_by_text("Replace certificate").count() == 0
    screen.judge("https-reader")
    screen.go("/bindings", "Bindings")
    assert screen.button("Add binding…").is_disabled()


def test_revoked_while_signed_in(shared_gate, open_page) -> None:
    """
    A token that is revoked ends its sessions at once.
    """
    screen = open_page(shared_gate).sign_in(token_of(shared_gate, "gone", "view_settings"))
    [token] = [one for one in shared_gate.call("GET", "/api/v1/tokens").json["tokens"] if one["name"] == "gone"]
    assert shared_gate.call("DELETE", f"/api/v1/tokens/{token['id']}").status == 204
    screen.page.evaluate("location.hash = '/sites'")
    screen.heading("Sign in").wait_for()
