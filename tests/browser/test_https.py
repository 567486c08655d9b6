"""
HTTPS settings, as somebody does them who was never here before.
"""

from __future__ import annotations

import pytest
from _certificates import Authority, make_pair
from _clients import free_port
from _screens import seconds_in
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_upload_redirect_and_back(gate, open_page, tmp_path, size) -> None:
    """
    Upload a certificate, send browsers to HTTPS, roll it back: without reading anything else.
    """
    pair = make_pair(tmp_path / "pair", "127.0.0.1", "localhost", authority=Authority.root().intermediate())
    screen = open_page(gate, size).sign_in()
    page = screen.page
    screen.go("/https", "HTTPS settings")
    card = screen.card("Certificate")
    card.get_by_label("Certificate: choose a file").set_input_files(pair.certificate)
    screen.sees("Add the private key.")
    card.get_by_label("Private key: choose a file").set_input_files(pair.key)
    screen.sees("Certificate and key match. This will be served:")
    screen.judge("walk-1-checked")
    assert gate.call("GET", "/api/v1/certificates/default").json["source"] == "self-signed"
    screen.button("Replace certificate").click()
    screen.sees("The new certificate is served.")
    screen.judge("walk-2-saved")
    assert gate.call("GET", "/api/v1/certificates/default").json["fingerprint"] == pair.fingerprint

    page.get_by_label("Only browser requests").check()
    screen.sees("which browsers do not trust")
    screen.judge("walk-3-redirect")
    screen.button("Save redirect", inside=screen.card("Redirect")).click()
    screen.sees("Redirect saved.")
    browser = {"User-Agent": "Mozilla/5.0", "Accept": "text/html"}
    assert gate.get("/x?y", secure=False, fields=browser).status == 307
    assert gate.get("/x?y", secure=False).status == 200
    screen.judge("walk-4-redirecting")

    if size == "phone":
        # From where it is told that it was done.
        screen.button("Undo generation 3").click()
    else:
        screen.go("/history", "History")
        screen.sees("Site default: redirect.mode is now browsers.")
        screen.judge("walk-5-history")
        page.get_by_role("button", name="Roll back to generation 2").click()
    screen.dialog.get_by_text("What changes").wait_for()
    screen.judge("walk-6-roll-back")
    screen.button("Roll back", inside=screen.dialog).click()
    screen.sees("Rolled back to generation 2.")
    if size == "phone":
        screen.card("Redirect").get_by_label("Disabled").and_(page.locator(":checked")).wait_for()
    assert gate.get("/x?y", secure=False, fields=browser).status == 200


def test_refusals_before_saving(shared_gate, open_page, tmp_path) -> None:
    """
    A key of another certificate is told at once, and there is nothing to save.
    """
    one, other = make_pair(tmp_path / "one"), make_pair(tmp_path / "other")
    screen = open_page(shared_gate).sign_in().go("/https", "HTTPS settings")
    card = screen.card("Certificate")
    # Dropped at the wrong place, they are known by what they are.
    dropped = """files => {
        const all = new DataTransfer();
        for (const text of files) all.items.add(new File([text], "dropped.pem"));
        return all;
    }"""
    files = screen.page.evaluate_handle(dropped, [one.certificate.read_text(), other.key.read_text()])
    card.get_by_role("group", name="Private key").dispatch_event("drop", {"dataTransfer": files})
    screen.sees("key-mismatch")
    assert not screen.button("Replace certificate").is_visible()
    screen.judge("https-mismatch")


def test_paste_with_an_encrypted_key(shared_gate, open_page, tmp_path) -> None:
    """
    PEM may be pasted; an encrypted key asks for its password, a wrong one is told.
    """
    pair = make_pair(tmp_path / "pair", password=b"open sesame")
    screen = open_page(shared_gate).sign_in().go("/https", "HTTPS settings")
    card = screen.card("Certificate")
    card.get_by_label("Certificate: paste PEM").fill(pair.certificate.read_text())
    card.get_by_label("Private key: paste PEM").fill(pair.key.read_text())
    screen.sees("Enter the password of the key.")
    card.get_by_label("Password").fill("wrong")
    screen.sees("wrong-password")
    card.get_by_label("Password").fill("open sesame")
    screen.sees("Certificate and key match.")
    screen.button("Replace certificate").click()
    screen.sees("The new certificate is served.")
    assert shared_gate.call("GET", "/api/v1/certificates/default").json["fingerprint"] == pair.fingerprint


def test_pfx(shared_gate, open_page, tmp_path) -> None:
    """
    A PFX with its password; dropped at the wrong place it is recognised all the same.
    """
    pair = make_pair(tmp_path / "pair")
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pair.key.read_bytes(), None)
    pfx = tmp_path / "server.pfx"
    pfx.write_bytes(
        pkcs12.serialize_key_and_certificates(b"x", key, pair.leaf, None, BestAvailableEncryption(b"secret"))
    )
    screen = open_page(shared_gate).sign_in().go("/https", "HTTPS settings")
    card = screen.card("Certificate")
    card.get_by_label("Certificate: choose a file").set_input_files(pfx)
    screen.sees("Enter the password of the PFX file.")
    card.get_by_label("Password").fill("secret")
    screen.sees("Certificate and key match.")
    screen.judge("https-pfx")
    screen.button("Replace certificate").click()
    screen.sees("The new certificate is served.")
    assert shared_gate.call("GET", "/api/v1/certificates/default").json["fingerprint"] == pair.fingerprint


def test_port(shared_gate, open_page) -> None:
    """
    A port that is taken is refused by the check; a free one moves the binding.
    """
    before = shared_gate.call("GET", "/api/v1/bindings").json
    screen = open_page(shared_gate).sign_in().go("/https", "HTTPS settings")
    card = screen.card("Port")
    card.get_by_label("HTTPS port").fill(str(shared_gate.http))
    card.locator(".notice.error").wait_for()
    assert shared_gate.call("GET", "/api/v1/bindings").json == before
    screen.judge("https-port-taken")
    port = free_port()
    card.get_by_label("HTTPS port").fill(str(port))
    card.get_by_text("The port is free").wait_for()
    screen.button("Save port", inside=card).click()
    screen.sees("HTTPS is served on the new port.")
    shared_gate.https = port
    assert shared_gate.get("/").status == 200


def test_lock_out_guard(shared_gate, open_page) -> None:
    """
    A redirect to a name without a certificate is refused with the guard's words, before and at saving; it takes a second
    word to do it all the same.
    """
    site = {"hosts": ["wiki.test"], "upstream": "app"}
    assert shared_gate.call("PUT", "/api/v1/sites/wiki", site).status == 201
    screen = open_page(shared_gate).sign_in().go("/https", "HTTPS settings")
    screen.page.get_by_label("Redirect and HSTS of site").select_option("wiki")
    card = screen.card("Redirect")
    card.get_by_label("Enable for all requests").check()
    card.get_by_text("no-valid-certificate").wait_for()
    screen.button("Save redirect", inside=card).click()
    screen.dialog.get_by_text("This may lock people out").wait_for()
    screen.judge("https-lock-out")
    screen.button("Cancel", inside=screen.dialog).click()
    assert shared_gate.call("GET", "/api/v1/sites/wiki/redirect").json["mode"] == "disabled"
    screen.button("Save redirect", inside=card).click()
    screen.button("Do it anyway", inside=screen.dialog).click()
    screen.sees("Redirect saved.")
    assert shared_gate.call("GET", "/api/v1/sites/wiki/redirect").json["mode"] == "all"
    assert shared_gate.call("DELETE", "/api/v1/sites/wiki").status == 200


def test_report_and_explanation(gate, open_page) -> None:
    """
    Who would break shows beside the redirect while they come, and a made-up request says which rule decides it.
    """
    assert gate.call("PUT", "/api/v1/sites/default/redirect", {"mode": "report"}).status == 200
    assert gate.request("POST", "/hook", secure=False, fields={"User-Agent": "agent/1.0"}, content=b"{}").status == 200
    screen = open_page(gate).sign_in().go("/https", "HTTPS settings")
    screen.sees("This client would break:")
    assert gate.request("PUT", "/x", secure=False, fields={"User-Agent": "robot/2.0"}, content=b"{}").status == 200
    screen.sees("These 2 clients would break:")
    card = screen.card("Redirect")
    card.get_by_text("Test a request").click()
    card.get_by_label("Address", exact=True).fill("http://www.example.com/path?query")
    decide = screen.button("Which rule decides?", inside=card)
    decide.click()
    card.get_by_text("Passed to the upstream over plain HTTP.").wait_for()
    screen.judge("https-report")
    for mode, client, told in (
        ("browsers", "A browser that opens the page", "Redirected with 307 to https://www.example.com"),
        ("browsers", "A script, such as curl", "this is not a browser that navigates"),
        ("all", "A script, such as curl", "redirect.mode is all."),
    ):
        gate.call("PUT", "/api/v1/sites/default/redirect?force=default", {"mode": mode})
        card.get_by_label("Sent by").select_option(label=client)
        decide.click()
        card.get_by_text(told).wait_for()
    screen.judge("https-explained")


def test_confirmed_change_survives_a_reload(shared_gate, open_page) -> None:
    """
    A change that must be kept shows a countdown that is there again after a reload; Keep keeps it, Undo undoes it.
    """
    screen = open_page(shared_gate).sign_in().go("/https", "HTTPS settings")
    for answer, mode in (("Undo", "disabled"), ("Keep", "report")):
        card = screen.card("Redirect")
        card.get_by_label("Report only").check()
        card.get_by_label("Undo automatically unless I confirm within").check()
        screen.button("Save redirect", inside=card).click()
        banner = screen.card("A change waits for you")
        banner.wait_for()
        screen.page.reload()
        banner.wait_for()
        assert 60 < seconds_in(banner.inner_text()) <= 120
        screen.judge(f"countdown-{answer.lower()}")
        screen.button(answer, inside=banner).click()
        banner.wait_for(state="detached")
        assert shared_gate.call("GET", "/api/v1/sites/default/redirect").json["mode"] == mode
        rows = shared_gate.call("GET", "/api/v1/generations").json["generations"]
        assert "unconfirmed" not in [row["state"] for row in rows]
        screen.heading("HTTPS settings").wait_for()


def test_hsts_findings_and_script(shared_gate, open_page) -> None:
    """
    Turning HSTS on says what speaks against it first; the script is shown without changing anything.
    """
    screen = open_page(shared_gate).sign_in().go("/https", "HTTPS settings")
    card = screen.card("HSTS")
    card.get_by_label("Tell browsers to use HTTPS only").check()
    card.get_by_text("hsts-untrusted-certificate").wait_for()
    screen.judge("https-hsts")
    screen.button("Show script", inside=card).click()
    screen.dialog.get_by_text("tlsgate configure --hsts-enabled=true").wait_for()
    assert "dry" not in screen.dialog.inner_text()
    screen.judge("script")
    screen.button("Close", inside=screen.dialog).click()
    assert shared_gate.call("GET", "/api/v1/sites/default/hsts").json["enabled"] is False
    screen.button("Save HSTS", inside=card).click()
    screen.sees("HSTS saved.")
    # The keyboard stays where it was.
    screen.page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'HSTS'")
    assert shared_gate.get("/").one("Strict-Transport-Security") == "max-age=3600"


def test_remove(gate, open_page, tmp_path) -> None:
    """
    Removing the certificate warns, and something else serves instead; the old key is gone.
    """
    pair = make_pair(tmp_path / "pair")
    assert gate.upload(pair).status == 200
    assert gate.call("PUT", "/api/v1/sites/default/redirect", {"mode": "browsers"}).status == 200
    screen = open_page(gate).sign_in().go("/https", "HTTPS settings")
    screen.button("Remove…").click()
    screen.dialog.get_by_text("This may make the server unreachable.").wait_for()
    screen.judge("https-remove")
    screen.button("Remove", inside=screen.dialog).click()
    screen.sees("Certificate default removed.")
    assert gate.call("GET", "/api/v1/certificates/default").json["fingerprint"] != pair.fingerprint
