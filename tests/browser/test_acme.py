"""
The Let's Encrypt wizard against a real CA: Pebble, which looks for its answers at the gate that the browser uses.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _gate import GateProcess

sys.path.insert(0, str(Path(__file__).parent.parent / "acme"))

from _pebble import MISSING, Front, Pebble

pytestmark = [pytest.mark.pebble, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

PAGE = ("/acme", "Let’s Encrypt")  # noqa: RUF001 - as the page spells it


def with_identity(path: str, status: int, content: bytes) -> bytes:
    """
    The CA says what CAA records call it, which Pebble leaves out.
    """
    if path != "/dir":
        return content
    document = json.loads(content)
    document["meta"]["caaIdentities"] = ["pebble.test"]
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def ca_and_gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pebble, GateProcess]]:
    """
    A CA, and a gate that has it in its settings.
    """
    gate = GateProcess(tmp_path_factory.mktemp("gate"), "demo:")
    pebble = Pebble(tmp_path_factory.mktemp("ca"), http_port=gate.http, tls_port=gate.https)
    front = Front(pebble)
    front.amend = with_identity
    table = {
        "directory": front.directory,
        "ca_file": str(pebble.ca_file),
        "dns_resolver": pebble.dns,
        "http_01_port": gate.http,
    }
    gate.initial = "[acme]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    try:
        pebble.start()
        gate.start()
        yield pebble, gate
    finally:
        if gate.process is not None:
            gate.stop(timeout=15)
        front.stop()
        pebble.stop()


def test_from_a_name_to_a_certificate(ca_and_gate, open_page) -> None:
    """
    Name, e-mail, terms, the checks, the progress, the certificate: and a name that the CA may not issue for is told
    before it is ordered.
    """
    pebble, gate = ca_and_gate
    pebble.control("add-caa", host="forbidden.example.com", policies=[{"tag": "issue", "value": "other.test"}])
    screen = open_page(gate).sign_in().go(*PAGE)
    following = screen.button("Next: check the names")
    following.click()
    screen.sees("Enter at least one host name.")
    screen.page.get_by_label("Host names").fill("forbidden.example.com")
    screen.page.get_by_label("E-mail").fill("admin@example.com")
    following.click()
    screen.sees("Agree to the CA’s terms of service to continue.")  # noqa: RUF001 - as the page spells it
    screen.page.get_by_label("I agree to").check()
    screen.judge("acme-1-names")
    following.click()
    screen.sees("caa-forbids")
    screen.sees("The CA would refuse this order.")
    screen.judge("acme-2-refused")
    screen.button("Back").click()

    screen.page.get_by_label("Host names").fill("www.example.com, example.com")
    following.click()
    screen.sees("Everything looks right")
    screen.judge("acme-2-checks")
    screen.button("Show script").click()
    assert "tlsgate certificate acme --names=www.example.com --names=example.com" in screen.dialog.inner_text()
    screen.button("Close", inside=screen.dialog).click()
    assert gate.call("GET", "/api/v1/orders").json["orders"] == []
    screen.button("Request the certificate").click()
    screen.sees("The certificate for www.example.com, example.com is issued and in service.")
    screen.judge("acme-3-issued")
    made = gate.call("GET", "/api/v1/certificates/www.example.com").json
    assert (made["source"], made["names"]) == ("acme", ["www.example.com", "example.com"])

    screen.page.get_by_role("link", name="View the certificate").first.click()
    screen.heading("www.example.com").wait_for()
    screen.judge("acme-4-certificate")
    screen.button("Renew now").click()
    screen.heading(PAGE[1]).wait_for()
    screen.sees("in service")
    screen.page.locator(".stages .done").nth(4).wait_for()
    again = gate.call("GET", "/api/v1/certificates/www.example.com").json
    assert again["fingerprint"] != made["fingerprint"]


def test_by_hand(ca_and_gate, open_page) -> None:
    """
    An order by hand says what to publish and waits, over a reload too; it can be cancelled, and goes on when told.
    """
    _, gate = ca_and_gate
    screen = open_page(gate, "phone", color_scheme="dark").sign_in().go(*PAGE)
    for ending in ("Cancel", "Proceed"):
        screen.page.get_by_label("Host names").fill("hand.example.com")
        screen.page.get_by_label("I agree to").check()
        screen.page.get_by_text("More options").click()
        screen.page.get_by_label("Prove the names manually").check()
        screen.button("Next: check the names").click()
        screen.button("Request the certificate").click()
        card = screen.card("Request a certificate")
        card.get_by_text("Publish a file on hand.example.com").wait_for()
        screen.page.reload()
        card.get_by_text("Publish a file on hand.example.com").wait_for()
        [order] = [one for one in gate.call("GET", "/api/v1/orders").json["orders"] if one["state"] == "on-hold"]
        assert order["tasks"][0]["content"] in card.inner_text()
        screen.judge(f"acme-manual-{ending.lower()}")
        if ending == "Cancel":
            screen.button("Cancel the order for hand.example.com", inside=card).click()
            card.get_by_text("The order was cancelled.").wait_for()
            screen.judge("acme-cancelled")
            assert gate.call("GET", "/api/v1/certificates/hand.example.com").status == 404
            screen.button("Try again", inside=card).click()
        else:
            screen.button("Proceed", inside=card).click()
            card.get_by_text("is issued and in service").wait_for()
            assert gate.call("GET", "/api/v1/certificates/hand.example.com").json["source"] == "acme"


def test_plain_words_on_failure(ca_and_gate, open_page) -> None:
    """
    What the CA refuses is told in plain words with what it said, and can be tried again.
    """
    pebble, gate = ca_and_gate
    pebble.control("set-servfail", host="lost.example.com")
    screen = open_page(gate).sign_in().go(*PAGE)
    screen.page.get_by_label("Host names").fill("lost.example.com")
    screen.page.get_by_label("I agree to").check()
    screen.button("Next: check the names").click()
    screen.sees("dns-unanswered")
    screen.button("Request the certificate").click()
    card = screen.card("Request a certificate")
    card.get_by_text("The CA said:").wait_for()
    card.locator(".stages .failed").wait_for()
    screen.judge("acme-failed")
    screen.button("Try again", inside=card).click()
    assert screen.page.get_by_label("Host names").input_value() == "lost.example.com"
