"""
The admin API as its users meet it: every promise of the API's contract on a real gate.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import uuid
from typing import Any

import pytest
from _clients import connect_tls, unverified
from _gate import Answer, GateProcess

#: An upstream that nobody asks anything of.
NOWHERE = "http://127.0.0.1:9"


def raw(gate: GateProcess, data: bytes, timeout: float = 10.0) -> bytes:
    """
    What comes back for these bytes on the admin's port, up to its end or the timeout.
    """
    received = b""
    with (
        socket.create_connection(("127.0.0.1", gate.admin), timeout=timeout) as plain,
        unverified().wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        stream.sendall(data)
        try:
            while chunk := stream.recv(65536):
                received += chunk
        except (TimeoutError, ssl.SSLError, ConnectionResetError):
            pass
    return received


def head(gate: GateProcess, line: str, **fields: str) -> bytes:
    """
    A request's head with an administrator's token, on a connection that closes.
    """
    lines = {"Host": "localhost", "Authorization": f"Bearer {gate.token}", "Connection": "close", **fields}
    return (line + " HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode("latin-1")


def code(received: bytes) -> tuple[int, str]:
    """
    The status and the problem's code.
    """
    top, _, content = received.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(content)["code"]


def number_of(gate: GateProcess) -> int:
    """
    The current generation.
    """
    return int(gate.call("GET", "/api/v1/status").json["generation"])


def make_token(gate: GateProcess, *permissions: str, **more: Any) -> Answer:
    """
    A new token.
    """
    name = uuid.uuid4().hex
    return gate.call("POST", "/api/v1/tokens", {"name": name, "permissions": list(permissions), **more})


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/certificates",
        "/api/v1/certificates/default",
        "/api/v1/settings",
        "/api/v1/settings/schema.json",
        "/api/v1/bindings",
        "/api/v1/bindings/https",
        "/api/v1/sites",
        "/api/v1/sites/default",
        "/api/v1/sites/default/redirect",
        "/api/v1/sites/default/hsts",
        "/api/v1/redirect/report",
        "/api/v1/upstreams",
        "/api/v1/upstreams/app",
        "/api/v1/generations",
        "/api/v1/generations/1",
        "/api/v1/generations/1/diff",
        "/api/v1/tokens",
        "/api/v1/audit",
        "/api/v1/status",
        "/api/v1/sni?name=localhost",
        "/api/v1/openapi.json",
        "/healthz",
        "/readyz",
    ],
)
def test_everything_can_be_looked_at(gate: GateProcess, path: str) -> None:
    """
    What the contract lists answers JSON to its reader, is never cached, and never holds a key.
    """
    answer = gate.call("GET", path)
    assert answer.status == 200
    assert answer.one("cache-control") == "no-store"
    assert answer.one("content-type") == "application/json"
    assert isinstance(answer.json, dict)
    assert b"PRIVATE KEY" not in answer.content
    assert gate.call("HEAD", path).content == b""


def test_if_match(start_gate) -> None:
    """
    A change made for a generation that is no longer current is 412 and changes nothing.
    """
    gate = start_gate(NOWHERE)
    tag = gate.call("GET", "/api/v1/settings").one("etag")
    assert tag == '"1"'
    first = gate.call("PATCH", "/api/v1/sites/default", {"max_body": 1}, fields={"If-Match": tag})
    assert (first.status, first.one("etag")) == (200, '"2"')
    second = gate.call("PATCH", "/api/v1/sites/default", {"max_body": 2}, fields={"If-Match": tag})
    assert (second.status, second.code) == (412, "generation-moved")
    assert gate.call("GET", "/api/v1/sites/default").json["max_body"] == 1
    assert gate.call("PATCH", "/api/v1/sites/default", {}, fields={"If-Match": "2"}).code == "parameter-invalid"


def test_change_parameters(start_gate) -> None:
    """
    A dry run changes nothing, a key makes a change once, a reason is kept, and none of them is guessed from nonsense.
    """
    gate = start_gate(NOWHERE)
    site = "/api/v1/sites/default"
    dry = gate.call("PATCH", f"{site}?dry_run=true", {"max_body": 9})
    assert (dry.status, dry.json["generation"], number_of(gate)) == (200, 1, 1)
    key = {"Idempotency-Key": "once"}
    answers = [gate.call("PATCH", f"{site}?reason=because", {"max_body": 9}, fields=key) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert number_of(gate) == 2
    assert gate.call("PATCH", site, {"max_body": 10}, fields=key).code == "parameter-invalid"
    row = gate.call("GET", "/api/v1/generations").json["generations"][0]
    assert (row["number"], row["reason"], row["author"], row["state"]) == (2, "because", "tests", "current")
    for query in (
        "dry_run=yes",
        "confirm_within=4",
        "confirm_within=3601",
        "confirm_within=%2B7",
        "nothing=1",
        "reason=%ff",
    ):
        assert gate.call("PATCH", f"{site}?{query}", {"max_body": 11}).code == "parameter-invalid", query
    assert number_of(gate) == 2


def test_unconfirmed_changes_come_undone(start_gate) -> None:
    """
    A change that must be confirmed shows its countdown, cannot be confirmed over a connection from before it, and stays
    once it is confirmed over a new one.
    """
    gate = start_gate(NOWHERE)
    gate.token  # noqa: B018 - made before the connection that is to be old
    old = http.client.HTTPSConnection("127.0.0.1", gate.admin, timeout=10, context=unverified())
    fields = {"Authorization": f"Bearer {gate.token}", "Content-Type": "application/json"}
    old.request("GET", "/api/v1/status", headers=fields)
    old.getresponse().read()
    change = gate.call("PATCH", "/api/v1/sites/default?confirm_within=600", {"max_body": 5})
    assert change.json["confirm_by"].endswith("Z")
    assert gate.call("GET", "/api/v1/generations").json["generations"][0]["state"] == "unconfirmed"
    old.request("POST", "/api/v1/generations/2/confirm", headers=fields)
    refused = old.getresponse()
    assert (refused.status, json.loads(refused.read())["code"]) == (409, "confirm-over-old-path")
    old.close()
    assert gate.call("POST", "/api/v1/generations/2/confirm").json["confirmed"] is True
    assert gate.call("POST", "/api/v1/generations/2/confirm").code == "not-unconfirmed"
    back = gate.call("POST", "/api/v1/generations/1/rollback")
    assert (back.status, back.json["generation"]) == (200, 3)
    diff = gate.call("GET", "/api/v1/generations/1/diff?with=3").json
    assert (diff["patch"], diff["certificates"]) == ([], [])


def test_force_and_its_trace(start_gate) -> None:
    """
    A redirect without a fitting certificate is refused, force overrides it for the site that it names, and the audit
    log says who did.
    """
    gate = start_gate(NOWHERE)
    assert gate.call("PATCH", "/api/v1/sites/default", {"hosts": ["shop.example"]}).status == 200
    path = "/api/v1/sites/default/redirect"
    assert gate.call("PUT", path, {"mode": "all"}).code == "no-valid-certificate"
    assert gate.call("PUT", f"{path}?force=another", {"mode": "all"}).code == "no-valid-certificate"
    forced = gate.call("PUT", f"{path}?force=default&reason=at+night", {"mode": "all"})
    assert forced.status == 200, forced
    records = gate.call("GET", "/api/v1/audit?author=tests&limit=3").json["records"]
    assert [(each["status"], each["code"], each["reason"], each["force"]) for each in records] == [
        (200, "", "at night", ["default"]),
        (409, "no-valid-certificate", "", ["another"]),
        (409, "no-valid-certificate", "", []),
    ]
    refused = gate.call("GET", "/api/v1/audit?code=no-valid-certificate").json["records"]
    assert len(refused) == 2
    assert gate.call("GET", "/api/v1/audit?since=2099-01-01T00:00:00Z").json["records"] == []
    assert gate.call("GET", "/api/v1/audit?since=yesterday").code == "parameter-invalid"


def test_events_resume(start_gate) -> None:
    """
    Events come with numbers, and a client that comes back gets what it missed.
    """
    gate = start_gate(NOWHERE)

    def follow(last: str | None, wanted: bytes) -> bytes:
        fields = {"Authorization": f"Bearer {gate.token}", **({"Last-Event-ID": last} if last is not None else {})}
        connection = http.client.HTTPSConnection("127.0.0.1", gate.admin, timeout=10, context=unverified())
        connection.request("GET", "/api/v1/events", headers=fields)
        response = connection.getresponse()
        assert response.headers["content-type"] == "text/event-stream"
        if last is None:
            gate.call("PATCH", "/api/v1/sites/default", {"max_body": 1})
        seen = b""
        while wanted not in seen:
            seen += response.readline()
        connection.close()
        return seen

    seen = follow(None, b"event: generation")
    number = [line for line in seen.splitlines() if line.startswith(b"id: ")][-1][4:].decode()
    gate.call("PATCH", "/api/v1/sites/default", {"max_body": 2})
    assert f"id: {int(number) + 1}\n".encode() in follow(number, b'"number": 3')
    assert gate.call("GET", "/api/v1/events", fields={"Last-Event-ID": "x"}).code == "parameter-invalid"


def test_tokens_end_where_they_should(start_gate) -> None:
    """
    A token works from its networks, for its hosts, for what it was made for, and until it is revoked.
    """
    gate = start_gate(NOWHERE)
    elsewhere = make_token(gate, "admin", networks=["10.0.0.0/8"]).json["secret"]
    assert gate.call("GET", "/api/v1/status", token=elsewhere).code == "token-invalid"
    hosts = make_token(gate, "change_https_settings", hosts=["shop.example"]).json["secret"]
    path = "/api/v1/certificates/self-signed"
    assert gate.call("POST", path, {"name": "shop", "names": ["shop.example"]}, token=hosts).status == 201
    assert gate.call("POST", path, {"name": "x", "names": ["bank.example"]}, token=hosts).code == "permission-missing"
    assert gate.call("DELETE", "/api/v1/certificates/default", token=hosts).code == "permission-missing"
    assert gate.call("PUT", "/api/v1/sites/default/hsts", {}, token=hosts).code == "permission-missing"
    reader = make_token(gate, "view_settings")
    assert gate.call("GET", "/api/v1/settings", token=reader.json["secret"]).status == 200
    assert gate.call("PUT", "/api/v1/sites/default/hsts", {}, token=reader.json["secret"]).code == "permission-missing"
    assert gate.call("DELETE", f"/api/v1/tokens/{reader.json['id']}").status == 204
    assert gate.call("GET", "/api/v1/settings", token=reader.json["secret"]).code == "token-invalid"
    stored = (gate.state / "tokens.json").read_text()
    assert reader.json["secret"] not in stored
    assert gate.token not in stored


def test_guesses_are_slowed_by_address(start_gate) -> None:
    """
    Wrong tokens end in 429 with a time to wait for their address; the UNIX socket and other addresses go on.
    """
    gate = start_gate(NOWHERE)
    gate.token  # noqa: B018 - made before the guesses
    statuses = {gate.call("GET", "/api/v1/status", token=f"tlsg_{number}").status for number in range(12)}
    assert statuses == {401, 429}
    refused = gate.call("GET", "/api/v1/status", token="tlsg_more")
    assert (refused.code, int(refused.one("retry-after") or 0) > 0) == ("too-many-attempts", True)
    curl = ["curl", "-sS", "--unix-socket", str(gate.state / "admin.sock"), "http://localhost/api/v1/status"]
    assert json.loads(subprocess.run(curl, capture_output=True, check=True, timeout=20).stdout)["generation"] == 1
    other = ["curl", "-sSk", "--interface", "127.0.0.2", "-H", f"Authorization: Bearer {gate.token}"]
    done = subprocess.run(
        [*other, f"https://127.0.0.1:{gate.admin}/api/v1/status"], capture_output=True, check=True, timeout=20
    )
    assert json.loads(done.stdout)["generation"] == 1


def test_web_pages_are_kept_away(gate: GateProcess) -> None:
    """
    A Host or an Origin of another site is refused, and nothing allows other origins to read.
    """
    status = head(gate, "GET /api/v1/status", Host="evil.example")
    assert code(raw(gate, status)) == (403, "host-refused")
    change = head(gate, "PATCH /api/v1/sites/default", Origin="https://evil.example")
    assert code(raw(gate, change)) == (403, "origin-refused")
    answer = gate.call("GET", "/api/v1/status", fields={"Origin": "https://evil.example"})
    assert not any(name.lower().startswith("access-control") for name, _ in answer.fields)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/../v1/status",
        "/api/v1//status",
        "/api/v1/status/",
        "/api/v1/%73tatus",
        "/API/v1/status",
        "/api/v1/status;x",
        "/api/v1/status%00",
        "/api/v1/certificates/..%2fstatus",
        "/api/v1/certificates/.hidden",
    ],
)
def test_no_second_spelling_of_a_path(gate: GateProcess, path: str) -> None:
    """
    A path matches byte for byte or not at all, with and without a token.
    """
    assert code(raw(gate, head(gate, f"GET {path}"))) == (404, "not-found")
    assert gate.call("GET", path, token=None).status == 401


def test_tokens_do_not_belong_into_queries(gate: GateProcess) -> None:
    """
    A token in the query is refused, even a right one.
    """
    answer = gate.call("GET", f"/api/v1/status?token={gate.token}")
    assert answer.code == "parameter-invalid"
    assert gate.token.encode() not in answer.content


@pytest.mark.parametrize(
    "content",
    [
        b'{"max_body": 1, "max_body": 2}',
        b'{"max_body": NaN}',
        b'{"max_body": 1e999}',
        b'{"a": "\\ud800"}',
        b"[" * 40 + b"]" * 40,
        b'{"max_body": 1',
        b'\xff{"max_body": 1}',
        b"",
    ],
)
def test_odd_json(gate: GateProcess, content: bytes) -> None:
    """
    JSON that two programs could read differently is refused as a whole.
    """
    answer = gate.call(
        "PATCH", "/api/v1/sites/default", content=content, fields={"Content-Type": "application/merge-patch+json"}
    )
    assert (answer.status, answer.code) == (400, "malformed-json")


def test_other_contents(gate: GateProcess) -> None:
    """
    Contents that are too large, of another type, or compressed are refused; a client that asks first is told first.
    """
    site = "/api/v1/sites/default"
    large = b'{"x": "' + b"x" * (1024 * 1024) + b'"}'
    assert gate.call("PATCH", site, content=large, fields={"Content-Type": "application/json"}).code == "too-large"
    asked = head(gate, f"PATCH {site}", Expect="100-continue", **{"Content-Length": "9999999"})
    assert code(raw(gate, asked)) == (413, "too-large")
    assert (
        gate.call("PATCH", site, content=b"a=b", fields={"Content-Type": "text/plain"}).code == "unsupported-media-type"
    )
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert gate.call("PATCH", site, content=b"{}", fields=packed).code == "unsupported-media-type"


def test_only_the_declared_methods(gate: GateProcess) -> None:
    """
    405 names what can be used.
    """
    answer = gate.call("DELETE", "/api/v1/status")
    assert (answer.status, answer.code, answer.one("allow")) == (405, "method-not-allowed", "GET")


def test_the_data_plane_has_no_admin(gate: GateProcess) -> None:
    """
    The API cannot be reached through the gate: its paths go to the upstream like any other.
    """
    for secure in (True, False):
        answer = gate.request("GET", "/api/v1/status", secure=secure, fields={"Authorization": f"Bearer {gate.token}"})
        assert answer.code is None
        assert b'"generation"' not in answer.content


def test_history_never_shows_a_secret(start_gate) -> None:
    """
    A literal secret stands in no answer: not in settings, diffs, generations, scripts, the audit log or errors.
    """
    gate = start_gate(NOWHERE)
    answers = [
        gate.call("PATCH", "/api/v1/settings", {"alerts": {"webhook_secret": "hunter2-one"}}),
        gate.call("PATCH", "/api/v1/settings?reason=x", {"alerts": {"webhook_secret": "hunter2-two"}}),
        gate.call("PATCH", "/api/v1/settings", {"alerts": {"webhook_secret": ["hunter2-bad"]}}),
        *(
            gate.call("GET", path)
            for path in (
                "/api/v1/settings",
                "/api/v1/generations",
                "/api/v1/generations/2",
                "/api/v1/generations/3",
                "/api/v1/generations/2/diff?with=3",
                "/api/v1/generations/1/diff?with=2",
                "/api/v1/audit",
                "/api/v1/status",
            )
        ),
        gate.call("GET", "/api/v1/settings", fields={"Accept": "application/toml"}),
    ]
    assert [answer.status for answer in answers] == [200, 200, 422, *[200] * 9]
    for answer in answers:
        assert b"hunter2" not in answer.content
    [step] = answers[7].json["patch"]
    assert step == {"op": "replace", "path": "/alerts/webhook_secret", "value": {"set": True}}
    # What was read can be sent back, and the secret stays.
    assert gate.call("PUT", "/api/v1/settings", gate.call("GET", "/api/v1/settings").json).status == 200
    assert "hunter2-two" in (gate.state / "current" / "generation.json").read_text()
    assert "hunter2" not in gate.log()


def test_history_is_kept_as_long_as_asked(start_gate) -> None:
    """
    Of the generations as many are kept as the settings say, and the current one always.
    """
    gate = start_gate(NOWHERE)
    assert gate.call("PATCH", "/api/v1/settings", {"generations": {"keep": 3}}).status == 200
    for size in range(1, 6):
        assert gate.call("PATCH", "/api/v1/sites/default", {"max_body": size}).status == 200
    numbers = [row["number"] for row in gate.call("GET", "/api/v1/generations").json["generations"]]
    assert numbers == [7, 6, 5]
    assert sorted(path.name for path in (gate.state / "generations").iterdir()) == ["000005", "000006", "000007"]
    assert gate.call("POST", "/api/v1/generations/2/rollback").code == "not-found"


def test_a_line_too_long_is_a_problem(gate: GateProcess) -> None:
    """
    A request line that no head may have is answered, not dropped.
    """
    with connect_tls(gate.admin) as connection:
        connection.sendall(b"GET /api/v1/status?x=%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"a" * 20_000))
        answer = b""
        while not answer.endswith(b"}\n") and (piece := connection.recv(65_536)):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
