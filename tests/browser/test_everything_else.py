"""
Bindings, certificates, sites, upstreams and tokens, as they are changed in the UI.
"""

from __future__ import annotations

import pytest
from _certificates import Authority, make_pair
from _clients import free_port
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_csr


def signed_request(asked: x509.CertificateSigningRequest, authority: Authority) -> str:
    """
    What a CA sends back for a request, PEM.
    """
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    made = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.certificate.not_valid_before_utc)
        .not_valid_after(authority.certificate.not_valid_after_utc)
        .add_extension(names, critical=False)
        .sign(authority.key, SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_bindings_wizard(shared_gate, open_page, size) -> None:
    """
    A binding with a new self-signed certificate: nothing changes until it is applied, and then all of it at once.
    """
    port, kept = free_port(), f"second-{size}"
    before = shared_gate.call("GET", "/api/v1/bindings").json["bindings"]
    screen = open_page(shared_gate, size).sign_in().go("/bindings", "Bindings")
    screen.button("Add binding…").click()
    dialog = screen.dialog
    dialog.get_by_label("Port", exact=True).fill(str(port))
    dialog.get_by_label("Address").fill("127.0.0.1")
    dialog.get_by_label("Default certificate").select_option(label="Generate a self-signed certificate")
    dialog.get_by_label("Host names").fill("second.test")
    dialog.get_by_label("Certificate name").fill(kept)
    screen.judge("bindings-1-dialog")
    screen.button("Add to the list", inside=dialog).click()
    screen.sees("nothing has changed yet.")
    screen.judge("bindings-2-waiting")
    assert shared_gate.call("GET", "/api/v1/bindings").json["bindings"] == before
    screen.button("Check").click()
    screen.sees("every port is free")
    screen.button("Show script").click()
    screen.dialog.get_by_text("curl", exact=True).wait_for()
    assert f'"default_certificate": "{kept}"' in screen.dialog.inner_text()
    screen.button("Close", inside=screen.dialog).click()
    screen.button("Apply").click()
    screen.sees("Bindings applied.")
    [made] = [one for one in shared_gate.call("GET", "/api/v1/bindings").json["bindings"] if one["port"] == port]
    assert made["default_certificate"] == kept
    assert shared_gate.call("GET", f"/api/v1/certificates/{kept}").json["names"] == ["second.test"]


def test_bindings_discard_and_script(shared_gate, open_page, tmp_path) -> None:
    """
    A certificate can be brought with the binding; the script of a plan can be read before it is applied, and the plan
    be dropped.
    """
    pair = make_pair(tmp_path / "pair", "brought.test")
    screen = open_page(shared_gate).sign_in().go("/bindings", "Bindings")
    screen.page.get_by_role("button", name="Edit https", exact=True).click()
    source = screen.dialog.get_by_label("Default certificate")
    source.select_option(label="Let’s Encrypt")  # noqa: RUF001 - as the page spells it
    screen.dialog.get_by_role("link", name="Request from").wait_for()
    source.select_option(label="Upload certificate and key, or a PFX")
    screen.dialog.get_by_label("Certificate: choose a file").set_input_files([pair.certificate, pair.key])
    screen.dialog.get_by_text("Certificate and key match: brought.test").wait_for()
    screen.dialog.get_by_label("Certificate name").fill("brought")
    screen.judge("bindings-upload")
    screen.dialog.get_by_label("Public port").fill("443")
    screen.button("Update the list", inside=screen.dialog).click()
    screen.button("Show script").click()
    screen.dialog.get_by_text("curl").first.wait_for()
    script = screen.dialog.inner_text()
    assert '"public_port": 443' in script
    assert '"default_certificate": "brought"' in script
    assert "-F key=@key.pem" in script
    screen.button("Close", inside=screen.dialog).click()
    screen.button("Discard").click()
    assert screen.page.get_by_text("nothing has changed yet").count() == 0


def test_certificates(shared_gate, open_page, tmp_path) -> None:
    """
    Upload, self-signed, signing request, which one serves a name, and removal.
    """
    pair = make_pair(tmp_path / "pair", "www.example.com")
    screen = open_page(shared_gate).sign_in().go("/certificates", "Certificates")
    screen.button("Upload…").click()
    screen.dialog.get_by_label("Certificate: choose a file").set_input_files([pair.certificate, pair.key])
    screen.dialog.get_by_text("Certificate and key match").wait_for()
    screen.judge("certificates-upload")
    assert screen.dialog.get_by_label("Certificate name").input_value() == "www.example.com"
    screen.button("Show script", inside=screen.dialog).click()
    screen.page.get_by_text("-F certificate=@certificate.pem").wait_for()
    screen.button("Close").click()
    screen.button("Upload", inside=screen.dialog).click()
    screen.sees("The certificate is served for its names.")

    screen.button("Create self-signed…").click()
    screen.dialog.get_by_label("Host names").fill("intern.test, 10.1.2.3")
    screen.dialog.get_by_label("Certificate name").fill("intern")
    screen.button("Create", inside=screen.dialog).click()
    screen.sees("Self-signed certificate created.")

    screen.button("Create signing request…").click()
    screen.dialog.get_by_label("Host names").fill("csr.test")
    screen.button("Create", inside=screen.dialog).click()
    screen.dialog.get_by_text("BEGIN CERTIFICATE REQUEST").wait_for()
    screen.judge("certificates-csr")
    screen.button("Close", inside=screen.dialog).click()
    screen.sees("Open signing requests")

    screen.button("Add the certificate for csr.test").click()
    asked = load_pem_x509_csr(shared_gate.call("GET", "/api/v1/certificates/csr").json["requests"][0]["csr"].encode())
    signed = signed_request(asked, Authority.root())
    screen.dialog.get_by_label("Certificate: paste PEM").fill(make_pair(tmp_path / "other").certificate.read_text())
    screen.dialog.get_by_text("key-mismatch").wait_for()
    screen.dialog.get_by_label("Certificate: paste PEM").fill(signed)
    screen.dialog.get_by_text("It belongs to this request: csr.test").wait_for()
    screen.judge("certificates-csr-signed")
    screen.button("Add certificate", inside=screen.dialog).click()
    screen.dialog.wait_for(state="detached")
    assert shared_gate.call("GET", "/api/v1/certificates/csr.test").json["source"] == "csr"

    screen.page.get_by_label("Host name").fill("www.example.com")
    screen.button("Look up").click()
    screen.sees("it names www.example.com")
    screen.judge("certificates")

    screen.page.get_by_role("link", name="intern", exact=True).first.click()
    screen.heading("intern").wait_for()
    screen.button("Remove…").click()
    screen.button("Remove", inside=screen.dialog).click()
    screen.sees("Certificate intern removed.")
    assert shared_gate.call("GET", "/api/v1/certificates/intern").status == 404


def test_sites_and_upstreams(gate, open_page) -> None:
    """
    An upstream and a site for it, with the errors of the settings where they are, and their scripts; a site that is
    removed comes back by itself unless that is confirmed.
    """
    screen = open_page(gate).sign_in().go("/upstreams", "Upstreams")
    screen.button("Add upstream…").click()
    screen.dialog.get_by_label("Name", exact=True).fill("wiki")
    screen.dialog.get_by_label("Servers", exact=True).fill("ftp://nowhere")
    screen.button("Add upstream", inside=screen.dialog).click()
    screen.dialog.get_by_text("invalid-settings").wait_for()
    screen.judge("upstream-invalid")
    screen.dialog.get_by_label("Servers", exact=True).fill("http://127.0.0.1:9")
    screen.button("Add upstream", inside=screen.dialog).click()
    screen.dialog.wait_for(state="detached")
    screen.go("/sites", "Sites")
    screen.button("Add site…").click()
    screen.dialog.get_by_label("Name", exact=True).fill("wiki")
    screen.dialog.get_by_label("Host names").fill("wiki.test")
    screen.dialog.get_by_label("Upstream").select_option("wiki")
    screen.judge("site-dialog")
    screen.button("Show script", inside=screen.dialog).click()
    screen.page.get_by_text("tlsgate site add").wait_for()
    screen.judge("site-script")
    screen.button("Close").click()
    assert gate.call("GET", "/api/v1/sites/wiki").status == 404
    screen.button("Add site", inside=screen.dialog).click()
    screen.dialog.wait_for(state="detached")
    screen.sees("wiki.test")
    assert gate.call("GET", "/api/v1/sites/wiki").json["upstream"] == "wiki"

    screen.page.get_by_role("button", name="Remove wiki").click()
    screen.dialog.get_by_label("Undo automatically unless I confirm within").check()
    screen.judge("site-remove")
    screen.button("Remove", inside=screen.dialog).click()
    banner = screen.card("A change waits for you")
    banner.wait_for()
    assert gate.call("GET", "/api/v1/sites/wiki").status == 404
    screen.button("Undo", inside=banner).click()
    banner.wait_for(state="detached")
    screen.page.get_by_role("button", name="Remove wiki").wait_for()
    assert gate.call("GET", "/api/v1/sites/wiki").status == 200


def test_drain_and_resume(shared_gate, open_page) -> None:
    """
    A server is drained and resumed; that it is the last one is said before.
    """
    screen = open_page(shared_gate, "phone").sign_in().go("/upstreams", "Upstreams")
    for verb, state, words in (("Drain", "drain", "is draining."), ("Resume", "up", "gets requests again.")):
        screen.page.get_by_role("button", name=f"{verb} demo:").click()
        assert screen.dialog.get_by_text("This is the last server").count() == (verb == "Drain")
        screen.judge(f"upstream-{verb.lower()}")
        screen.button(verb, inside=screen.dialog).click()
        screen.sees(words)
        [upstream] = shared_gate.call("GET", "/api/v1/upstreams").json["upstreams"]
        assert [server["state"] for server in upstream["servers"]] == [state]


def test_tokens(shared_gate, open_page) -> None:
    """
    A new token is shown once, and as a script before; it works; revoked, it does not.
    """
    screen = open_page(shared_gate).sign_in().go("/tokens", "Tokens")
    screen.button("Create token…").click()
    screen.dialog.get_by_label("Name", exact=True).fill("deploy")
    screen.dialog.get_by_label("Change HTTPS settings").check()
    screen.judge("token-dialog")
    screen.button("Show script", inside=screen.dialog).click()
    screen.page.get_by_text("tlsgate token create --name=deploy").wait_for()
    screen.button("Close").click()
    screen.button("Create token", inside=screen.dialog).click()
    secret = screen.dialog.locator(".secret code")
    secret.wait_for()
    token = secret.inner_text()
    screen.judge("token-made")
    screen.button("Close", inside=screen.dialog).click()
    assert shared_gate.call("GET", "/api/v1/status", token=token).status == 200
    screen.page.get_by_role("button", name="Revoke deploy").click()
    screen.button("Revoke", inside=screen.dialog).click()
    screen.sees("Token deploy revoked.")
    assert shared_gate.call("GET", "/api/v1/status", token=token).code == "token-invalid"


def test_history_and_audit(shared_gate, open_page) -> None:
    """
    What a change changed, in words and exactly; two generations compared; what was refused, and why.
    """
    assert shared_gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True, "max_age": 300}).status == 200
    newest = shared_gate.call("GET", "/api/v1/generations").json["generations"][0]["number"]
    assert shared_gate.call("DELETE", "/api/v1/upstreams/app").code == "in-use"
    screen = open_page(shared_gate).sign_in().go("/history", "History")
    screen.button(f"What generation {newest} changed").click()
    screen.dialog.get_by_text("hsts.enabled is now true").wait_for()
    screen.dialog.get_by_text("In the settings document").click()
    screen.dialog.get_by_text("/site/0/hsts").first.wait_for()
    screen.judge("history-changes")
    screen.button("Close", inside=screen.dialog).click()
    screen.page.get_by_label("From", exact=True).select_option("1")
    screen.page.get_by_label("To", exact=True).select_option("1")
    screen.button("Compare").click()
    screen.dialog.get_by_text("They are the same.").wait_for()
    screen.button("Close", inside=screen.dialog).click()

    screen.go("/audit", "Audit log")
    screen.page.get_by_label("Error code").fill("in-use")
    screen.button("Filter").click()
    rows = screen.card("Records").get_by_role("row")
    rows.get_by_text("/api/v1/sites/default/hsts").wait_for(state="detached")
    assert rows.filter(has_text="DELETE /api/v1/upstreams/app").count() == 1
    screen.judge("audit-filtered")


def test_nothing_there_yet(empty_gate, open_page) -> None:
    """
    Where there is nothing yet, the page says what to do first.
    """
    screen = open_page(empty_gate).sign_in()
    screen.judge("empty-overview")
    for path, heading, text in (
        ("/sites", "Sites", "No sites yet"),
        ("/upstreams", "Upstreams", "No upstreams yet"),
        ("/https", "HTTPS settings", "The redirect and HSTS belong to a site"),
    ):
        screen.go(path, heading).sees(text)
        screen.judge(f"empty-{heading.split()[0].lower()}")
