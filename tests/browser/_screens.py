"""
What a person does in the UI, in words of the UI.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import axe_playwright_python

SCREENSHOTS = Path(__file__).parent.parent.parent / "build" / "screenshots"

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

#: Rules of axe that are broken or not, all of them; what it cannot decide alone is not in C{violations}.
RUN_AXE = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  const where = (node) => node.html + " " + node.failureSummary;
  return found.violations.map((one) => ({rule: one.id, impact: one.impact, nodes: one.nodes.map(where)}));
}"""


class Screen:
    """
    A page of the UI.
    """

    def __init__(self, visit: Any) -> None:
        self.visit = visit
        self.page = visit.page
        self.base = f"https://127.0.0.1:{visit.gate.admin}"

    # -- where

    def enter(self) -> Screen:
        """
        Load the UI anew.
        """
        self.page.goto(f"{self.base}/")
        self.page.locator("h1").first.wait_for()
        return self

    def sign_in(self, token: str | None = None) -> Screen:
        """
        Sign in with a token, the administrator's by default.
        """
        token = token or self.visit.gate.token
        self.enter()
        self.page.get_by_label("Token", exact=True).fill(token)
        self.button("Sign in").click()
        self.heading("Overview").wait_for()
        return self

    def go(self, path: str, heading: str) -> Screen:
        """
        Follow the navigation's address.
        """
        self.page.evaluate("path => { location.hash = path }", path)
        self.heading(heading).wait_for()
        return self

    # -- what is there

    def heading(self, text: str) -> Any:
        return self.page.get_by_role("heading", name=text, exact=True, level=1)

    def button(self, name: str, *, inside: Any = None) -> Any:
        return (inside or self.page).get_by_role("button", name=name, exact=True)

    def card(self, name: str) -> Any:
        return self.page.get_by_role("region", name=name, exact=True)

    @property
    def dialog(self) -> Any:
        """
        The dialog, or the one that was opened first.
        """
        return self.page.get_by_role("dialog").first

    def sees(self, text: str) -> Any:
        """
        Wait until a text can be seen.
        """
        found = self.page.get_by_text(text).first
        found.wait_for()
        return found

    # -- judgement

    def judge(self, name: str) -> None:
        """
        Keep a screenshot; nothing is broken for those who cannot see it, and nothing is wider than the screen.  A visit
        whose size is not what it is about looks the same on a phone in the dark.
        """
        self._judge_here(f"{name}-{self.visit.size}")
        if self.visit.one_size:
            return
        before = self.page.viewport_size
        width, height = SIZES["phone"]
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme="dark")
        try:
            self._judge_here(f"{name}-phone")
        finally:
            self.page.emulate_media(color_scheme="light")
            self.page.set_viewport_size(before)

    def _judge_here(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.evaluate("scrollTo(0, 0)")
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
        if not self.page.evaluate("typeof axe !== 'undefined'"):
            # Run as the test, not as the page: the page's own policy would refuse it, as it should.
            self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(RUN_AXE)
        assert found == [], f"{name}: {json.dumps(found, indent=1)}"
        width = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{name} is {width} pixels wider than the screen"


def token_of(gate: Any, name: str, *permissions: str) -> str:
    """
    A new token's secret.
    """
    answer = gate.call("POST", "/api/v1/tokens", {"name": name, "permissions": list(permissions)})
    assert answer.status == 201, answer
    return str(answer.json["secret"])


def seconds_in(text: str) -> int:
    """
    "1:05" in a text as seconds.
    """
    match = re.search(r"(\d+):(\d\d)", text)
    assert match, text
    return int(match[1]) * 60 + int(match[2])
