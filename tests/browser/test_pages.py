"""
Every page at both sizes: drawn, without a word on the console, without a violation of axe, no wider than the screen.
"""

from __future__ import annotations

import pytest
from _certificates import make_pair

PAGES = {
    "/": "Overview",
    "/https": "HTTPS settings",
    "/bindings": "Bindings",
    "/certificates": "Certificates",
    "/certificates/default": "default",
    "/acme": "Let’s Encrypt",  # noqa: RUF001 - as the page spells it
    "/sites": "Sites",
    "/upstreams": "Upstreams",
    "/history": "History",
    "/audit": "Audit log",
    "/tokens": "Tokens",
}


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_every_page(shared_gate, open_page, size, scheme) -> None:
    """
    An administrator looks at everything.
    """
    screen = open_page(shared_gate, size, color_scheme=scheme).sign_in()
    for path, heading in PAGES.items():
        screen.go(path, heading)
        screen.judge(f"page{path.replace('/', '-').rstrip('-')}")


def test_pages_are_locked_down(shared_gate) -> None:
    """
    Nothing but our own files may run or style, and nobody may frame the page.
    """
    answer = shared_gate.call("GET", "/", token=None)
    policy = answer.one("Content-Security-Policy")
    for part in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert part in policy
    assert "unsafe" not in policy
    assert answer.one("X-Content-Type-Options") == "nosniff"


def test_times_and_days_left(shared_gate, open_page, tmp_path) -> None:
    """
    Times stand in the reader's zone, with the exact one on hover; a certificate that ends soon says so wherever it is,
    with a bar that is nearly empty, and what to do about it leads there.
    """
    pair = make_pair(tmp_path / "pair", "soon.test", days=(-80, 9.5))
    assert shared_gate.upload(pair, method="PUT", path="/api/v1/certificates/soon", token="").status == 201
    screen = open_page(shared_gate, timezone_id="Asia/Tokyo", locale="en-US").sign_in()
    screen.judge("overview-expiring")
    screen.page.get_by_text("expires soon").first.wait_for()
    screen.page.get_by_text("9 days left").first.wait_for()
    filled = "[...document.querySelectorAll('.life.warning .bar > span')].map(one => parseInt(one.style.width))"
    [share] = screen.page.evaluate(filled)
    assert 9 <= share <= 12
    screen.page.get_by_role("link", name="Open the certificate").first.click()
    screen.sees("Download chain")
    time = screen.go("/history", "History").page.locator("time").first
    exact = time.get_attribute("datetime")
    assert exact.endswith("Z")
    assert time.get_attribute("title").endswith(f"GMT+9 ({exact})")
    assert shared_gate.call("DELETE", "/api/v1/certificates/soon").status == 200


def test_menu_on_a_phone(shared_gate, open_page) -> None:
    """
    On a phone the navigation is behind a button, and goes away once it was used.
    """
    screen = open_page(shared_gate, "phone").sign_in()
    link = screen.page.get_by_role("link", name="History", exact=True)
    assert not link.is_visible()
    screen.button("Menu").click()
    screen.judge("menu")
    link.click()
    screen.heading("History").wait_for()
    assert not link.is_visible()


def test_live_traffic(shared_gate, open_page) -> None:
    """
    Requests show in the plots within seconds, drawn as SVG.
    """
    screen = open_page(shared_gate).sign_in()
    screen.page.locator(".plot svg path.line").first.wait_for(state="attached")
    for _ in range(5):
        assert shared_gate.get("/").status == 200
    screen.page.get_by_text("TLSv1.3").or_(screen.page.get_by_text("TLS 1.3")).first.wait_for()
    screen.page.get_by_text("100 %").first.wait_for()


def test_keyboard_alone(shared_gate, open_page) -> None:
    """
    Sign in, open a dialog and leave it without a mouse; the focus comes back to where it was.
    """
    screen = open_page(shared_gate).enter()
    page = screen.page
    page.keyboard.type(shared_gate.token)
    page.keyboard.press("Enter")
    screen.heading("Overview").wait_for()
    screen.go("/certificates", "Certificates")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Create self-signed…":
            break
    page.keyboard.press("Enter")
    screen.dialog.wait_for()
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    screen.judge("self-signed-dialog")
    page.keyboard.press("Escape")
    screen.dialog.wait_for(state="detached")
    assert page.evaluate("document.activeElement.textContent") == "Create self-signed…"
