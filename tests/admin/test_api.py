"""
Each operation as a user would use it.
"""

import json

import pytest

from tlsgate.admin._script import without_secrets

CHANGE_MEMBERS = {"generation", "workers", "findings", "confirm_by", "script"}


def test_settings_can_be_sent_back(gate) -> None:
    """
    GET gives the document with an ETag; PUT takes it back and changes nothing.
    """
    shown = gate.call("GET", "/api/v1/settings")
    assert shown.fields["etag"] == '"1"'
    assert shown.json["site"][0]["name"] == "default"
    reply = gate.call("PUT", "/api/v1/settings", shown.json)
    assert (reply.status, reply.json["generation"]) == (200, 1)
    assert reply.json.keys() >= CHANGE_MEMBERS


def test_settings_as_toml_for_whoever_accepts_it(gate) -> None:
    """
    The document is TOML for whoever accepts that.
    """
    shown = gate.call("GET", "/api/v1/settings", fields={"Accept": "application/toml"})
    assert shown.fields["content-type"] == "application/toml"
    assert b"[[binding]]" in shown.body


def test_settings_merge(gate) -> None:
    """
    PATCH changes the members that it names.
    """
    reply = gate.call("PATCH", "/api/v1/settings", {"timeouts": {"idle": 30}})
    assert reply.status == 200, reply
    assert gate.changes.effective.timeouts.idle == 30


def test_redirect_and_hsts(gate) -> None:
    """
    A site's redirect and HSTS policy are set, shown with their defaults, and audited.
    """
    assert gate.call("PUT", "/api/v1/sites/default/hsts?reason=because", {"enabled": True}).status == 200
    assert gate.call("GET", "/api/v1/sites/default/hsts").json["max_age"] == 3600
    reply = gate.call("PUT", "/api/v1/sites/default/redirect", {"mode": "browsers"})
    assert reply.json["redirect"]["mode"] == "browsers"
    audit = gate.call("GET", "/api/v1/audit").json["records"]
    assert [(record["reason"], record["author"]) for record in audit] == [("", "local:root"), ("because", "local:root")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"enabled": "perhaps"}', 422),
        (b'{"enabeld": true}', 422),
        (b"[]", 422),
        (b'{"max_age": -1}', 422),
    ],
)
def test_bad_json(gate, body, status) -> None:
    """
    Malformed JSON is 400; wrong values are 422 with a pointer.
    """
    reply = gate.call("PUT", "/api/v1/sites/default/hsts", body)
    assert reply.status == status, reply
    assert reply.fields["content-type"] == "application/problem+json"
    if status == 422:
        assert "pointer" in reply.json["errors"][0]


def test_site_life(gate) -> None:
    """
    A site is added, changed, shown and removed.
    """
    body = {"name": "shop", "hosts": ["shop.test"], "upstream": "app"}
    reply = gate.call("POST", "/api/v1/sites", body)
    assert (reply.status, reply.fields["location"]) == (201, "/api/v1/sites/shop")
    assert gate.call("POST", "/api/v1/sites", body).code == "exists"
    assert gate.call("PATCH", "/api/v1/sites/shop", {"max_body": 5}).json["site"]["max_body"] == 5
    assert gate.call("PUT", "/api/v1/sites/shop", {**body, "name": "other"}).status == 422
    assert gate.call("GET", "/api/v1/sites/shop").json["hosts"] == ["shop.test"]
    assert gate.call("DELETE", "/api/v1/sites/shop").status == 200
    assert gate.call("GET", "/api/v1/sites/shop").code == "not-found"


def test_hsts_in_a_site_needs_its_permission(gate) -> None:
    """
    Who may change proxy settings may not thereby switch HSTS on.
    """
    token = gate.token("change_proxy_settings")
    more = {"peer": "127.0.0.1", "token": token}
    assert gate.call("PATCH", "/api/v1/sites/default", {"max_body": 5}, **more).status == 200
    reply = gate.call("PATCH", "/api/v1/sites/default", {"hsts": {"enabled": True}}, **more)
    assert (reply.status, reply.code) == (403, "permission-missing")


def test_binding_life(gate) -> None:
    """
    A binding is added, shown with its port, and removed.
    """
    body = {"name": "second", "scheme": "https", "endpoint": "tcp:9443:interface=127.0.0.1"}
    reply = gate.call("POST", "/api/v1/bindings", body)
    assert reply.status == 201, reply
    listed = {each["name"]: each["port"] for each in gate.call("GET", "/api/v1/bindings").json["bindings"]}
    assert listed["second"] == 9443
    assert gate.call("DELETE", "/api/v1/bindings/second").status == 200
    assert "second" not in gate.plane.ports()


def test_upstream_drain(gate) -> None:
    """
    A server is drained and resumed; an upstream that a site uses stays.
    """
    body = {"name": "two", "servers": [{"url": "http://127.0.0.1:1"}, {"url": "http://127.0.0.1:2"}]}
    assert gate.call("POST", "/api/v1/upstreams", body).status == 201
    drained = gate.call("POST", "/api/v1/upstreams/two/drain", {"server": "http://127.0.0.1:2"})
    assert drained.status == 200, drained
    states = [server["state"] for server in gate.call("GET", "/api/v1/upstreams/two").json["servers"]]
    assert states == ["up", "drain"]
    assert gate.call("POST", "/api/v1/upstreams/two/resume", {"server": "http://127.0.0.1:2"}).status == 200
    assert gate.call("POST", "/api/v1/upstreams/two/drain", {"server": "http://nobody"}).status in (404, 422)
    assert gate.call("DELETE", "/api/v1/upstreams/app").code == "in-use"
    assert gate.call("DELETE", "/api/v1/upstreams/two").status == 200


def test_certificate_life(gate, make_pair) -> None:
    """
    A certificate is added as JSON, shown, replaced by a form, and removed; its public part can be fetched.
    """
    certificate, key = make_pair("shop.test")
    body = {"name": "shop", "certificate": certificate.decode(), "key": key.decode()}
    assert gate.call("POST", "/api/v1/certificates", body).status == 201
    assert gate.call("POST", "/api/v1/certificates", body).code == "exists"
    shown = gate.call("GET", "/api/v1/certificates/shop").json
    assert (shown["names"], shown["source"], shown["state"]) == (["shop.test"], "upload", "valid")
    chain = gate.call("GET", "/api/v1/certificates/shop/chain.pem")
    assert chain.body == certificate
    again, key = make_pair("shop.test")
    assert gate.form("PUT", "/api/v1/certificates/shop", {"certificate": again, "key": key}).status == 200
    assert gate.call("DELETE", "/api/v1/certificates/shop").status == 200
    assert gate.call("DELETE", "/api/v1/certificates/shop").code == "not-found"
    assert gate.call("POST", "/api/v1/certificates", b"x", content_type="text/plain").code == "unsupported-media-type"


def test_removal_says_what_needs_a_certificate(gate, make_pair) -> None:
    """
    A binding's default is in use, whatever is forced; the last one that keeps a redirecting or HSTS site reachable goes
    only if it is forced by its name.
    """
    refused = gate.call("DELETE", "/api/v1/certificates/default?force=default&force=https")
    assert (refused.status, refused.code, refused.json["used_by"]) == (409, "in-use", ["https"])
    assert "give that binding another default certificate first" in refused.json["detail"]
    certificate, key = make_pair("shop.test")
    gate.form("PUT", "/api/v1/certificates/shop", {"certificate": certificate, "key": key})
    assert gate.call("PATCH", "/api/v1/sites/default", {"hosts": ["shop.test"]}).status == 200
    for path, insist in (("redirect", {"mode": "all"}), ("hsts", {"enabled": True})):
        assert gate.call("PUT", f"/api/v1/sites/default/{path}", insist).status == 200
        kept = gate.call("DELETE", "/api/v1/certificates/shop?force=default-site")
        assert (kept.status, kept.code) == (409, "would-lock-out")
        assert "force=shop" in kept.json["detail"]
    assert gate.call("DELETE", "/api/v1/certificates/shop?dry_run=true&force=shop").status == 200
    assert gate.call("DELETE", "/api/v1/certificates/shop?force=shop").status == 200


def test_self_signed(gate) -> None:
    """
    A self-signed certificate is made here.
    """
    reply = gate.call("POST", "/api/v1/certificates/self-signed", {"name": "dev", "names": ["dev.test"]})
    assert (reply.status, reply.json["certificate"]["source"]) == (201, "self-signed")
    bad = gate.call("POST", "/api/v1/certificates/self-signed", {"name": "dev", "names": [], "key_type": "dsa"})
    assert {error["pointer"] for error in bad.json["errors"]} == {"/names", "/key_type"}


def test_csr(gate) -> None:
    """
    A request's key stays; a certificate that was not made from it is refused.
    """
    reply = gate.call("POST", "/api/v1/certificates/csr", {"name": "shop", "names": ["shop.test"]})
    assert reply.status == 201
    assert "BEGIN CERTIFICATE REQUEST" in reply.json["csr"]
    assert b"PRIVATE" not in reply.body
    assert gate.call("POST", "/api/v1/certificates/csr", {"name": "shop", "names": ["shop.test"]}).code == "exists"
    assert ((gate.state / "csr" / "shop.json").stat().st_mode & 0o777) == 0o600
    other = gate.changes.current.certificates["default"].certificate.chain.decode()
    answer = gate.call("PUT", "/api/v1/certificates/csr/shop/certificate", {"certificate": other})
    assert answer.code == "key-mismatch"
    assert gate.call("GET", "/api/v1/certificates/csr/shop").status == 200
    assert gate.call("DELETE", "/api/v1/certificates/csr/shop").status == 204
    assert gate.call("GET", "/api/v1/certificates/csr/shop").code == "not-found"


def test_csr_comes_back_signed(gate) -> None:
    """
    The certificate that a CA made of a request serves, with the key that never left.
    """
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    csr = gate.call("POST", "/api/v1/certificates/csr", {"name": "shop", "names": ["shop.test"]}).json["csr"]
    request = x509.load_pem_x509_csr(csr.encode())
    alternatives = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    signed = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(x509.Name.from_rfc4514_string("CN=Test CA"))
        .public_key(request.public_key())
        .serial_number(1)
        .not_valid_before(datetime.fromtimestamp(gate.now - 60, UTC))
        .not_valid_after(datetime.fromtimestamp(gate.now + 86400 * 60, UTC))
        .add_extension(alternatives, critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    reply = gate.call("PUT", "/api/v1/certificates/csr/shop/certificate", {"certificate": signed.decode()})
    assert (reply.status, reply.json["certificate"]["source"]) == (201, "csr"), reply
    assert not (gate.state / "csr" / "shop.json").exists()


def test_generations(gate) -> None:
    """
    History, one generation, a comparison, and the way back.
    """
    gate.call("PUT", "/api/v1/sites/default/hsts?reason=first", {"enabled": True})
    rows = gate.call("GET", "/api/v1/generations").json["generations"]
    assert (rows[0]["number"], rows[0]["state"], rows[0]["reason"]) == (2, "current", "first")
    assert rows[0]["time"].endswith("Z")
    assert gate.call("GET", "/api/v1/generations/1").json["document"]["site"][0]["name"] == "default"
    assert gate.call("GET", "/api/v1/generations/1/diff?with=2").json["patch"]
    assert gate.call("GET", "/api/v1/generations/9").code == "not-found"
    assert gate.call("GET", "/api/v1/generations/1/diff?with=9").code == "not-found"
    assert gate.call("POST", "/api/v1/generations/1/rollback").json["generation"] == 3
    assert gate.call("GET", "/api/v1/sites/default/hsts").json["enabled"] is False


def test_confirm(gate) -> None:
    """
    A change is confirmed over a connection that was made after it, and not over an older one.
    """
    channel, wire = gate.connect("unix")
    reply = gate.call("PUT", "/api/v1/sites/default/hsts?confirm_within=60", {"enabled": True})
    assert reply.json["confirm_by"].endswith("Z")
    assert gate.call("GET", "/api/v1/status").json["confirm_by"] == reply.json["confirm_by"]
    channel.dataReceived(b"POST /api/v1/generations/2/confirm HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"confirm-over-old-path" in wire.value()
    gate.clock.advance(1)
    assert gate.call("POST", "/api/v1/generations/2/confirm").status == 200
    assert gate.call("GET", "/api/v1/status").json["confirm_by"] is None
    assert gate.call("POST", "/api/v1/generations/2/confirm").code == "not-unconfirmed"


def test_if_match(gate) -> None:
    """
    A change for a generation that is no longer current is 412.
    """
    change = {"enabled": True}
    fields = {"If-Match": '"1"'}
    assert gate.call("PUT", "/api/v1/sites/default/hsts", change, fields=fields).status == 200
    assert gate.call("PUT", "/api/v1/sites/default/hsts", {}, fields=fields).code == "generation-moved"
    assert gate.call("PUT", "/api/v1/sites/default/hsts", {}, fields={"If-Match": 'W/"2"'}).status == 412
    assert gate.call("PUT", "/api/v1/sites/default/hsts", {}, fields={"If-Match": "2"}).code == "parameter-invalid"
    assert gate.call("PUT", "/api/v1/sites/default/hsts", {}, fields={"If-Match": '"7", "2"'}).status == 200
    assert gate.call("PUT", "/api/v1/sites/default/hsts", change, fields={"If-Match": "*"}).status == 200


def test_idempotency(gate) -> None:
    """
    The same change with the same key is made once; the key does not fit another request.
    """
    fields = {"Idempotency-Key": "k1"}
    first = gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True}, fields=fields)
    gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": False})
    again = gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True}, fields=fields)
    assert (again.status, again.json) == (200, first.json)
    assert gate.changes.current.number == 3
    other = gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": False}, fields=fields)
    assert other.code == "parameter-invalid"


@pytest.mark.parametrize(
    "query",
    [
        "dry_run=yes", "dry_run=true&dry_run=true", "confirm_within=4", "confirm_within=3601", "confirm_within=1_0",
        "nothing=1", "token=tlsg_x", "reason=%00", "reason=%ff", "force=",
    ],
)  # fmt: skip
def test_bad_parameters(gate, query) -> None:
    """
    A query parameter that is unknown, doubled or of the wrong form is refused, and so is a token in the query.
    """
    reply = gate.call("PUT", f"/api/v1/sites/default/hsts?{query}", {"enabled": True})
    assert (reply.status, reply.code) == (400, "parameter-invalid")
    assert gate.changes.current.number == 1


def test_status(gate) -> None:
    """
    The status holds what is served.
    """
    status = gate.call("GET", "/api/v1/status").json
    assert status["generation"] == 1
    assert status["workers"]["serving"] == 1
    assert status["bindings"][1]["port"] == 8443
    assert status["certificates"][0]["name"] == "default"
    assert isinstance(status["findings"], list)


def test_sni(gate, make_pair) -> None:
    """
    The API tells which certificate serves a name, by which rule.
    """
    certificate, key = make_pair("*.shop.test")
    gate.form("PUT", "/api/v1/certificates/wild", {"certificate": certificate, "key": key})
    shown = gate.call("GET", "/api/v1/sni?name=a.shop.test").json["bindings"][0]
    assert (shown["certificate"], shown["rule"]) == ("wild", "wildcard")
    assert gate.call("GET", "/api/v1/sni?name=nobody.test").json["bindings"][0]["rule"] == "default"
    assert gate.call("GET", "/api/v1/sni").json["bindings"][0]["certificate"] == "default"


def test_redirect_explain(gate) -> None:
    """
    The API tells what would happen to a request over plain HTTP, and by which rule.
    """
    gate.call("PUT", "/api/v1/sites/default/redirect", {"mode": "browsers"})
    asked = {"host": "app.test:8080", "target": "/a?b", "headers": {"Sec-Fetch-Mode": "navigate"}}
    shown = gate.call("POST", "/api/v1/redirect/explain", asked).json
    assert (shown["status"], shown["location"], shown["rule"]) == (307, "https://app.test:8443/a?b", "browser")
    script = gate.call("POST", "/api/v1/redirect/explain", {"host": "app.test"}).json
    assert (script["redirected"], script["rule"]) == (False, "not-a-browser")
    for wrong in ({"host": "a b"}, {"host": "x", "client_ip": "x"}, {"host": "x", "target": "x"}, {}, {"host": "[::"}):
        assert gate.call("POST", "/api/v1/redirect/explain", wrong).status in (404, 422), wrong
    assert gate.call("GET", "/api/v1/redirect/report").json == {"rows": []}
    assert gate.changes.current.number == 2


def test_health_and_readiness(gate) -> None:
    """
    Liveness and readiness need no token on loopback, and one elsewhere.
    """
    assert gate.call("GET", "/healthz", peer="127.0.0.1", token=None).status == 200
    assert gate.call("GET", "/readyz", peer="127.0.0.1", token=None).status == 200
    gate.is_ready = False
    assert gate.call("GET", "/readyz", peer="127.0.0.1", token=None).code == "not-ready"
    assert gate.call("GET", "/readyz", peer="192.0.2.1", token=None).status == 401


def test_script_holds_no_secret(gate) -> None:
    """
    The script names the token's variable and quotes what a shell would read.
    """
    reply = gate.call("PUT", "/api/v1/sites/default/hsts?reason=it%27s%20time", {"enabled": True})
    script = reply.json["script"]
    assert '"Authorization: Bearer $TLSGATE_TOKEN"' in script["curl"]
    assert script["cli"] == "tlsgate configure --hsts-enabled=true '--reason=it'\"'\"'s time'"
    assert json.loads(json.dumps(script)) == script


def test_script_leaves_secrets_out(gate) -> None:
    """
    A secret that was sent in a document stands in neither command; what is to be put there is said.
    """
    secrets = {"smtp_password": "hunter2-a", "webhook_secret": "hunter2-b"}
    reply = gate.call("PATCH", "/api/v1/settings?dry_run=true", {"alerts": secrets})
    assert reply.status == 200, reply.body
    assert b"hunter2" not in reply.body
    # Whatever the name of an operation's member is: these are never shown.
    assert without_secrets({"a": [{"password": "x", "token": {"env": "T"}, "key": ""}]}) == {
        "a": [{"password": "REMOVED", "token": {"env": "T"}, "key": ""}]
    }


def test_events(gate) -> None:
    """
    A change is told to who listens; Last-Event-ID takes up where a connection broke.
    """
    channel, wire = gate.connect("unix")
    channel.dataReceived(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True})
    assert b"event: generation" in wire.value()
    gate.clock.advance(1.0)
    assert b"event: traffic" in wire.value()
    later, again = gate.connect("unix")
    later.dataReceived(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1\r\n\r\n")
    assert b"event: traffic" in again.value()
    assert b"event: generation" not in again.value()
    for each in (channel, later):
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        each.connectionLost(Failure(ConnectionDone()))
    assert not gate.admin.events.is_heard


def test_settings_as_toml(gate) -> None:
    """
    The document comes as TOML if that is accepted, and goes back as TOML: what was read can be sent back changed.
    """
    text = gate.call("GET", "/api/v1/settings", fields={"Accept": "application/toml"})
    assert text.fields["content-type"] == "application/toml"
    changed = text.body.replace(b'name = "default"', b'name = "default"\nmax_body = 77', 1)
    reply = gate.call("PUT", "/api/v1/settings", changed, content_type="application/toml")
    assert reply.status == 200, reply
    assert gate.call("GET", "/api/v1/sites/default").json["max_body"] == 77
    assert "max_body = 77" in reply.json["script"]["curl"]
    assert "Content-Type: application/toml" in reply.json["script"]["curl"]
    for wrong in (b"max_body = ", b'site = "\xff"', b"[[site]]\nname = 1979-05-27"):
        reply = gate.call("PUT", "/api/v1/settings", wrong, content_type="application/toml")
        assert (reply.status, reply.code) == (422, "invalid-settings")


def test_settings_schema_is_published(gate) -> None:
    """
    The JSON Schema of the document can be had by editors, and knows every table.
    """
    schema = gate.call("GET", "/api/v1/settings/schema.json").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"binding", "site", "upstream", "certificate", "acme", "alerts"} <= set(schema["properties"])


def test_unknown_keys_are_told_with_a_suggestion(gate) -> None:
    """
    A mistyped key is refused with its path and with what was meant.
    """
    reply = gate.call("PATCH", "/api/v1/settings", {"timeouts": {"handshaek": 3}})
    assert (reply.status, reply.code) == (422, "invalid-settings")
    [error] = reply.json["errors"]
    assert error["pointer"] == "/timeouts/handshaek"
    assert error["code"] == "unknown-key"
    assert "'handshake'" in error["message"]
