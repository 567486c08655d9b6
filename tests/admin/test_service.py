"""
Who may ask, for what, and what everybody else is told.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlsgate.admin._attempts import ALLOWED, FailedAttempts

UPLOAD = "/app/https/settings/uploadCertificate"
FRESH = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def test_no_token(gate) -> None:
    """
    Without a token everything is 401 with a Bearer challenge, known or not.
    """
    for path in ("/api/v1/status", UPLOAD, "/api/v1/nothing", "/"):
        reply = gate.call("POST", path, {}, peer="127.0.0.1", token=None)
        assert (reply.status, reply.code) == (401, "token-missing")
        assert reply.fields["www-authenticate"] == 'Bearer realm="tlsgate"'
        assert reply.fields["cache-control"] == "no-store"


def test_wrong_token_is_audited(gate) -> None:
    """
    A wrong token is 401 and stands in the audit log, without the token.
    """
    reply = gate.call("GET", "/api/v1/status", peer="127.0.0.1", token="tlsg_wrong")
    assert (reply.status, reply.code) == (401, "token-invalid")
    text = gate.call("GET", "/api/v1/audit?code=token-invalid").body
    assert b"token-invalid" in text
    assert b"tlsg_wrong" not in text


def test_set_up_token(gate) -> None:
    """
    The set-up token makes tokens and nothing else, until there is an administrator's token.
    """
    assert ((gate.state / "setup-token").stat().st_mode & 0o777) == 0o600
    assert gate.call("GET", "/api/v1/status", peer="127.0.0.1").code == "permission-missing"
    body = {"name": "first", "permissions": ["admin"]}
    reply = gate.call("POST", "/api/v1/tokens", body, peer="127.0.0.1")
    assert reply.status == 201
    assert set(reply.json) >= {"id", "name", "permissions", "secret"}
    assert not (gate.state / "setup-token").exists()
    assert gate.call("POST", "/api/v1/tokens", body, peer="127.0.0.1").code == "token-invalid"
    secret = reply.json["secret"]
    assert gate.call("GET", "/api/v1/status", peer="127.0.0.1", token=secret).status == 200
    assert secret.encode() not in (gate.state / "tokens.json").read_bytes()
    assert ((gate.state / "tokens.json").stat().st_mode & 0o777) == 0o600


def test_set_up_token_dies_after_an_hour(gate) -> None:
    """
    An hour later the set-up token is wrong and its file is gone.
    """
    gate.now += 3601
    reply = gate.call("POST", "/api/v1/tokens", {"name": "x", "permissions": ["admin"]}, peer="127.0.0.1")
    assert reply.code == "token-invalid"
    assert not (gate.state / "setup-token").exists()


def test_permissions(gate) -> None:
    """
    A token does what it was made for; 403 names what is missing.
    """
    reader = gate.token("view_settings")
    assert gate.call("GET", "/api/v1/status", peer="127.0.0.1", token=reader).status == 200
    reply = gate.call("PUT", "/api/v1/sites/default/hsts", {}, peer="127.0.0.1", token=reader)
    assert (reply.status, reply.code, reply.json["permission"]) == (403, "permission-missing", "change_https_settings")
    assert gate.changes.current.number == 1


def test_nobody_gives_what_they_do_not_have(gate) -> None:
    """
    Who manages tokens cannot make an administrator of themselves.
    """
    keeper = gate.token("manage_tokens", "view_settings")
    more = {"peer": "127.0.0.1", "token": keeper}
    body = {"name": "more", "permissions": ["admin"]}
    assert gate.call("POST", "/api/v1/tokens", body, **more).code == "permission-missing"
    assert gate.call("POST", "/api/v1/tokens", {"name": "same", "permissions": ["view_settings"]}, **more).status == 201


def test_revoked_and_expired(gate) -> None:
    """
    A revoked token stops at once, an expired one in time; names are unique.
    """
    short = gate.token("view_settings", expires_in=1)
    gone = gate.call("POST", "/api/v1/tokens", {"name": "gone", "permissions": ["view_settings"]}).json
    assert gate.call("POST", "/api/v1/tokens", {"name": "gone", "permissions": ["view_settings"]}).code == "exists"
    assert gate.call("DELETE", f"/api/v1/tokens/{gone['id']}").status == 204
    assert gate.call("DELETE", f"/api/v1/tokens/{gone['id']}").code == "not-found"
    gate.now += 2
    for secret in (short, gone["secret"]):
        assert gate.call("GET", "/api/v1/status", peer="127.0.0.1", token=secret).code == "token-invalid"


def test_scripts_of_tokens(gate) -> None:
    """
    A dry run shows how to make or revoke a token from a shell, and does neither.
    """
    body = {"name": "deploy", "permissions": ["view_settings"], "expires_in": 60, "hosts": ["a.test"]}
    reply = gate.call("POST", "/api/v1/tokens?dry_run=true", body)
    assert reply.status == 200
    assert reply.json["script"]["cli"] == (
        "tlsgate token create --name=deploy --permission=view_settings --expires-in=60 --host=a.test"
    )
    assert '"expires_in": 60' in reply.json["script"]["curl"]
    assert "deploy" not in [token["name"] for token in gate.call("GET", "/api/v1/tokens").json["tokens"]]
    made = gate.call("POST", "/api/v1/tokens", body).json
    reply = gate.call("DELETE", f"/api/v1/tokens/{made['id']}?dry_run=true")
    assert reply.json["script"]["cli"] == f"tlsgate token revoke {made['id']}"
    assert gate.call("GET", "/api/v1/status", peer="127.0.0.1", token=made["secret"]).status == 200
    assert gate.call("DELETE", "/api/v1/tokens/nosuch?dry_run=true").code == "not-found"


def test_networks(gate) -> None:
    """
    A token for a network is wrong elsewhere.
    """
    token = gate.token("view_settings", networks=["192.0.2.0/24"])
    assert gate.call("GET", "/api/v1/status", peer="192.0.2.7", token=token).status == 200
    assert gate.call("GET", "/api/v1/status", peer="127.0.0.1", token=token).code == "token-invalid"


def test_guessing_is_slow_for_the_guesser_only(gate) -> None:
    """
    After ten wrong tokens in a minute an address waits; other addresses do not, and a minute later it is over.
    """
    token = gate.token("view_settings")
    for _ in range(10):
        assert gate.call("GET", "/api/v1/status", peer="192.0.2.1", token="tlsg_x").status == 401
    reply = gate.call("GET", "/api/v1/status", peer="192.0.2.1", token=token)
    assert (reply.status, reply.code) == (429, "too-many-attempts")
    assert 1 <= int(reply.fields["retry-after"]) <= 61
    assert gate.call("GET", "/api/v1/status", peer="192.0.2.2", token=token).status == 200
    gate.clock.advance(61)
    assert gate.call("GET", "/api/v1/status", peer="192.0.2.1", token=token).status == 200


def test_a_guesser_owns_a_whole_network(gate) -> None:
    """
    An IPv6 host may take any address of its /64: guesses from all of these count together, those of another do not.
    """
    attempts = FailedAttempts(lambda: 0.0)
    for number in range(ALLOWED):
        attempts.failed(f"2001:db8::{number:x}")
    assert attempts.wait("2001:db8::ffff") > 0
    assert attempts.wait("2001:db8:0:1::1") == 0
    assert attempts.wait("::ffff:192.0.2.1") == 0


@pytest.mark.parametrize("name", ["token", "Access_Token", "api_key"])
def test_tokens_do_not_belong_into_queries(gate, name) -> None:
    """
    A token in the query is refused in words of its own, even where it is right, and is not repeated.
    """
    secret = gate.token("admin")
    reply = gate.call("GET", f"/api/v1/status?{name}={secret}", token=secret, peer="127.0.0.1")
    assert (reply.status, reply.code) == (400, "parameter-invalid")
    assert "Authorization" in reply.json["detail"]
    assert secret.encode() not in reply.body


def test_a_key_is_its_senders(gate) -> None:
    """
    Two who choose the same Idempotency-Key do not see each other's answers.
    """
    fields = {"Idempotency-Key": "1"}
    one, other = gate.token("admin"), gate.token("admin")
    for secret, size in ((one, 1), (other, 2)):
        more = {"token": secret, "peer": "127.0.0.1", "fields": fields}
        reply = gate.call("PATCH", "/api/v1/sites/default", {"max_body": size}, **more)
        assert (reply.status, reply.json["site"]["max_body"]) == (200, size)


@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "127.0.0.1@evil.test", "", "[::2]", "a b"])
def test_foreign_host(gate, host) -> None:
    """
    A Host that is not this listener's is refused before anything else.
    """
    reply = gate.call("GET", "/api/v1/status", peer="127.0.0.1", fields={"Host": host})
    assert (reply.status, reply.code) == (403, "host-refused")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8444", "127.0.0.1:8444", "[::1]:1", "127.0.0.2"])
def test_own_host(gate, host) -> None:
    """
    Loopback names and addresses are this listener's.
    """
    assert gate.call("GET", "/healthz", peer="127.0.0.1", token=None, fields={"Host": host}).status == 200


def test_foreign_origin(gate) -> None:
    """
    A page of another site changes nothing; the listener's own may; there is no CORS.
    """
    change = {"enabled": True}
    reply = gate.call("PUT", "/api/v1/sites/default/hsts", change, fields={"Origin": "https://evil.test"})
    assert (reply.status, reply.code) == (403, "origin-refused")
    own = {"Origin": "https://localhost:8444"}
    reply = gate.call("PUT", "/api/v1/sites/default/hsts", change, fields=own)
    assert reply.status == 200
    assert not any(name.startswith("access-control") for name in reply.fields)
    assert gate.call("OPTIONS", "/api/v1/settings", fields=own).status == 405


def test_methods(gate) -> None:
    """
    A wrong method is 405 with Allow; no field overrides a method; HEAD is GET without its content.
    """
    reply = gate.call("DELETE", "/api/v1/settings")
    assert (reply.status, reply.fields["allow"]) == (405, "GET, PATCH, PUT")
    reply = gate.call("GET", "/api/v1/settings", fields={"X-HTTP-Method-Override": "PUT"})
    assert reply.status == 200
    head = gate.call("HEAD", "/api/v1/settings")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        f"/res/..{UPLOAD}", f"{UPLOAD};x=1", f"/{UPLOAD}", "/app/https/settings/%75ploadCertificate", f"{UPLOAD}/",
        f"/readyz/..{UPLOAD}", f"{UPLOAD}%00", UPLOAD.upper(), UPLOAD.replace("/", "\\"), f"/healthz/..{UPLOAD}",
        f"/.{UPLOAD}", "/api/v1/certificates/..", "/api/v1/certificates/.", "/api/v1/certificates/%2e%2e", "*",
        f"https://localhost{UPLOAD}",
    ],
)  # fmt: skip
def test_path_tricks(gate, path) -> None:
    """
    No other spelling of a path names anything, with or without a token.
    """
    assert gate.call("POST", path, {}, peer="127.0.0.1", token=None).status == 401
    assert gate.call("POST", path, {}).status == 404
    assert gate.changes.current.number == 1


@FRESH
@given(prefix=st.text("/.;%\\ae2Ff0", max_size=6), suffix=st.text("/.;%?#\\ae2Ff0", max_size=6), at=st.integers(0, 30))
def test_any_spelling(gate, prefix, suffix, at) -> None:
    """
    A path with anything put into it is either refused or, where it is spelt the same, asks for a token.
    """
    path = UPLOAD[:at] + prefix + UPLOAD[at:] + suffix
    reply = gate.call("POST", path, {}, peer="192.0.2.9", token=None)
    assert reply.status == 401
    assert gate.changes.current.number == 1


BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"[" * 10_000, b'{"a":1,"a":2}', b"NaN", b"1e400", b'"\\ud800"', b"\xff", b"null", b"{}", b""]),
)
PLACES = st.sampled_from(
    [
        ("PUT", "/api/v1/settings"), ("PATCH", "/api/v1/settings"), ("POST", "/api/v1/bindings"),
        ("PUT", "/api/v1/sites/default"), ("PATCH", "/api/v1/sites/default"), ("PUT", "/api/v1/sites/default/hsts"),
        ("POST", "/api/v1/upstreams"), ("POST", "/api/v1/certificates"), ("PUT", "/api/v1/certificates/x"),
        ("POST", "/api/v1/certificates/self-signed"), ("POST", "/api/v1/certificates/csr"), ("POST", "/api/v1/tokens"),
        ("POST", UPLOAD),
    ]
)  # fmt: skip
TYPES = st.sampled_from(
    ["application/json", "application/merge-patch+json", "multipart/form-data; boundary=b", "multipart/form-data",
     "text/plain", "", "a" * 100, "multipart/form-data; boundary=\"\""]
)  # fmt: skip


@FRESH
@given(place=PLACES, body=BODIES, kind=TYPES)
def test_any_body(gate, place, body, kind) -> None:
    """
    Any content is answered, never with 500, and a refusal is a problem document.
    """
    reply = gate.call(*place, body, content_type=kind)
    assert reply.status < 500, reply
    if reply.status >= 400:
        assert reply.fields["content-type"] == "application/problem+json"
        assert reply.json["status"] == reply.status


@FRESH
@given(
    values=st.dictionaries(
        st.sampled_from(["name", "hosts", "upstream", "redirect", "hsts", "names", "permissions", "networks", "days"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=6,
        ),
    ),
    place=PLACES,
)
def test_any_json(gate, values, place) -> None:
    """
    Any JSON object is answered, never with 500.
    """
    assert gate.call(*place, values).status < 500
