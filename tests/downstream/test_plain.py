"""
Plain HTTP at a real channel: what is redirected, refused, counted and suspended is what is explained.
"""

from __future__ import annotations

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from tlsgate.counters import Counters
from tlsgate.downstream import AccessLog, ChannelSource, Plane, Routes
from tlsgate.policy import Explanation, PlainHTTPReport, explain_request, loop_findings
from tlsgate.sites import (
    Credentials,
    Limits,
    Redirect,
    RedirectMode,
    Server,
    Site,
    Timeouts,
    Upstream,
)
from tlsgate.transport import Deadlines
from tlsgate.upstream import UpstreamGroups
from tlsgate.workers import Setup

NOW = 1_800_000_000.0
FIREFOX = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BROWSER = (b"User-Agent: %b" % FIREFOX, b"Accept: text/html")

#: What the gate answers itself when a request goes on, as no server of the upstream may be used.
PASSED = 503


class Transport(StringTransportWithDisconnection):
    """
    What a channel needs beyond bytes.
    """

    server_name = "app.test"
    tls_version = "TLSv1.3"
    cipher = "TLS_AES_128_GCM_SHA256"
    linger = 0.0


class Stage:
    """
    A plane with one site whose upstream is drained, and clients that connect to it.
    """

    def __init__(self, site: Site, https_port: int = 443, salt: bytes = b"") -> None:
        self.site = site
        self.wall = NOW
        self.https_port = https_port
        clock = Clock()
        hub = SimpleNamespace(deadlines=Deadlines(clock), reactor=clock)
        self.counters = Counters()
        server = Server(url="http://127.0.0.1:1", scheme="http", host="127.0.0.1", port=1, drain=True)
        upstreams = UpstreamGroups(hub, self.counters)
        groups = upstreams.apply(upstreams.plan([Upstream(name="app", servers=(server,))], Timeouts(), Limits()))
        self.plane = Plane(
            hub,
            counters=self.counters,
            access_log=AccessLog(None, "combined", clock, self.counters),
            routes=Routes([site], groups, https_port=https_port, now=NOW),
            wall_clock=lambda: self.wall,
            identity="tlsgate-test",
            salt=salt,
        )

    def ask(
        self,
        *lines: bytes,
        method: bytes = b"GET",
        target: bytes = b"/",
        host: bytes = b"app.test",
        peer: str = "192.0.2.1",
        secure: bool = False,
        content: bytes = b"",
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """
        The status, the fields and the content of the answer to one request on a new connection.
        """
        source = ChannelSource(self.plane, "https" if secure else "http", secure=secure, port=443 if secure else 80)
        channel = source.channel((peer, 40000))
        transport = Transport()
        transport.protocol = channel
        channel.makeConnection(transport)
        head = b"\r\n".join([b"%b %b HTTP/1.1" % (method, target), b"Host: " + host, *lines])
        length = b"\r\nContent-Length: %d" % len(content) if content else b""
        channel.dataReceived(head + length + b"\r\n\r\n" + content)
        answer, _, rest = transport.value().partition(b"\r\n\r\n")
        first, *fields = answer.split(b"\r\n")
        named = dict(line.split(b": ", 1) for line in fields)
        return int(first[9:12]), {name.lower(): value for name, value in named.items()}, rest

    def report(self) -> list[dict[str, Any]]:
        return self.plane.report.shown()


def site(mode: RedirectMode = RedirectMode.ALL, **changes: Any) -> Site:
    redirect = Redirect(mode=mode, status=308)
    return Site(name="app", hosts=("*",), upstream="app", **{"redirect": redirect, **changes})


def test_redirects_and_counts() -> None:
    """
    A plain request is redirected, counted by mode and in the report; HTTPS passes.
    """
    stage = Stage(site())
    status, fields, content = stage.ask(*BROWSER, target=b"/a%2Fb?c")
    assert (status, fields[b"location"]) == (308, b"https://app.test/a%2Fb?c")
    assert content == b"This site is at https://app.test/a%2Fb?c\n"
    assert stage.counters.redirects == {("app", "all"): 1}
    assert [row["verdict"] for row in stage.report()] == ["browser"]
    assert stage.ask(*BROWSER, secure=True)[0] == PASSED
    assert [row["verdict"] for row in stage.report()] == ["follows"]


@pytest.mark.parametrize("mode", [RedirectMode.DISABLED, RedirectMode.REPORT])
def test_every_mode_keeps_the_report(mode: RedirectMode) -> None:
    """
    Modes that redirect nothing note who uses plain HTTP; only report mode counts what would be redirected.
    """
    stage = Stage(site(mode, plaintext_credentials=Credentials.ALLOW))
    assert stage.ask(b"User-Agent: curl/8")[0] == PASSED
    assert [(row["user_agent"], row["redirected"]) for row in stage.report()] == [("curl", False)]
    assert stage.counters.redirects == ({("app", "report"): 1} if mode is RedirectMode.REPORT else {})


def test_https_costs_nothing_where_nothing_redirects() -> None:
    """
    Requests over HTTPS leave no trace in the report of a site that does not redirect.
    """
    stage = Stage(site(RedirectMode.REPORT))
    stage.ask(*BROWSER, secure=True)
    assert stage.plane.plain_http() == ()


def test_soak_is_promoted() -> None:
    """
    The redirect is 307 and not stored during the soak, and 308 from its end on.
    """
    redirect = Redirect(mode=RedirectMode.ALL, changed_at=NOW, soak=60)
    stage = Stage(site(redirect=redirect))
    for passed, expected in ((0.0, (307, b"no-store")), (59.0, (307, b"no-store")), (60.0, (308, None))):
        stage.wall = NOW + passed
        stage.plane.tick()
        status, fields, _ = stage.ask(*BROWSER)
        assert (status, fields.get(b"cache-control")) == expected


@pytest.mark.parametrize("mode", RedirectMode)
def test_credentials_are_refused(mode: RedirectMode) -> None:
    """
    Refused credentials are answered 403 with a problem, counted and shown by their fingerprint only.
    """
    stage = Stage(site(mode, plaintext_credentials=Credentials.REFUSE))
    status, fields, content = stage.ask(b"Authorization: Bearer sesame", b"Accept: application/json")
    assert (status, fields[b"content-type"]) == (403, b"application/problem+json")
    assert b'"credentials-in-clear"' in content
    assert b"sesame" not in content
    assert stage.counters.plaintext_credentials == {"app": 1}
    assert stage.counters.redirects == {}
    (row,) = stage.report()
    assert (row["credentials"], row["credentials_kind"], row["verdict"]) == (1, "authorization", "would-break")
    assert len(row["fingerprint"]) == 12
    assert "sesame" not in repr(stage.plane.plain_http())
    assert stage.ask(b"Authorization: Bearer sesame", secure=True)[0] == PASSED


def test_equal_credentials_are_told_to_be_equal_by_all_processes() -> None:
    """
    Two processes of a gate give the same credentials the same fingerprint, so that they count once; another gate gives
    another.
    """
    gate, another = Setup(identity="one"), Setup(identity="another")
    found = []
    for setup in (gate, gate, another):
        stage = Stage(site(), salt=setup.salt)
        stage.ask(b"Authorization: Bearer sesame")
        found.append(stage.report()[0]["fingerprint"])
    assert found[0] == found[1] != found[2]
    assert repr(gate.salt) not in repr(gate)


def test_credentials_are_counted_and_redirected() -> None:
    """
    By default credentials are counted and the request goes its way; with allow they are not looked at.
    """
    counting = Stage(site())
    login = {"method": b"POST", "target": b"/login", "content": b"x"}
    assert counting.ask(**login)[0] == 308
    assert counting.ask(b"Cookie: JSESSIONID=abc")[0] == 308
    assert counting.counters.plaintext_credentials == {"app": 2}
    allowing = Stage(site(plaintext_credentials=Credentials.ALLOW))
    assert allowing.ask(**login)[0] == 308
    assert allowing.counters.plaintext_credentials == {}


def test_challenge_comes_first() -> None:
    """
    A live ACME challenge is answered whatever the site does with plain HTTP; one that is not live is redirected.
    """
    stage = Stage(site(plaintext_credentials=Credentials.REFUSE))
    stage.plane.challenges = {b"token": b"token.thumbprint"}
    asked = {"target": b"/.well-known/acme-challenge/token"}
    assert stage.ask(b"Authorization: x", **asked)[::2] == (200, b"token.thumbprint")
    assert stage.ask(target=b"/.well-known/acme-challenge/other")[0] == 308


def test_loop_is_suspended() -> None:
    """
    A proxy that terminates TLS without being trusted is redirected a few times only, and named with the setting; others
    are redirected as before.
    """
    stage = Stage(site())
    looping = (*BROWSER, b"X-Forwarded-Proto: https", b"X-Forwarded-For: 198.51.100.7")
    answers = [stage.ask(*looping, peer="10.0.0.9")[0] for _ in range(6)]
    assert answers == [308, 308, PASSED, PASSED, PASSED, PASSED]
    assert stage.ask(*BROWSER, peer="10.0.0.8")[0] == 308
    (finding,) = loop_findings(stage.plane.plain_http(), {"app": "/site/0"})
    assert 'Add "10.0.0.9" to the trusted_peers' in finding.message


def test_polling_is_no_loop() -> None:
    """
    A client that asks again and again and does not follow is redirected every time.
    """
    stage = Stage(site())
    assert {stage.ask(b"User-Agent: curl/8")[0] for _ in range(40)} == {308}
    says_http = (b"X-Forwarded-Proto: http", b"X-Forwarded-For: 198.51.100.7")
    assert {stage.ask(*says_http)[0] for _ in range(40)} == {308}


def test_trusted_peer_is_believed() -> None:
    """
    X-Forwarded-Proto: https of a trusted peer counts as secure: no redirect, no refusal, no row.
    """
    trusting = site(trusted_peers=(ip_network("10.0.0.0/8"),), plaintext_credentials=Credentials.REFUSE)
    stage = Stage(trusting)
    assert stage.ask(b"X-Forwarded-Proto: https", b"Authorization: x", peer="10.0.0.9")[0] == PASSED
    assert stage.report() == []
    assert stage.ask(b"X-Forwarded-Proto: http", peer="10.0.0.9")[0] == 308


#: A morning at a build server: who, how, what, and with which further fields.
MORNING: list[tuple[str, bytes, bytes, tuple[bytes, ...]]] = [
    ("10.1.0.1", b"GET", b"/overview.html", BROWSER),
    ("10.1.0.2", b"GET", b"/app/rest/builds", (b"User-Agent: curl/8.5.0", b"Accept: */*")),
    ("10.1.0.3", b"POST", b"/app/agents/v1/register", (b"User-Agent: TeamCity Agent 2026.1",)),
    ("10.1.0.4", b"GET", b"/app/rest/server", (b"User-Agent: Java/21.0.4",)),
    ("10.1.0.5", b"GET", b"/repo.git/info/refs?service=git-upload-pack", (b"User-Agent: git/2.47.3",)),
    ("10.1.0.6", b"GET", b"/v2/", (b"User-Agent: docker/28.1 go/go1.23 git-commit/1 os/linux",)),
    ("10.1.0.7", b"GET", b"/api/x", (b"User-Agent: Go-http-client/1.1", b"X-Api-Key: sesame")),
]


def test_a_replayed_log_names_the_right_clients() -> None:
    """
    Of a mixed log that two workers share, the merged report names who breaks and who has followed, to whichever worker.
    """
    workers = [Stage(site(), salt=b"one gate"), Stage(site(), salt=b"one gate")]
    for number, (peer, method, target, fields) in enumerate(MORNING * 2):
        content = b"x" if method == b"POST" else b""
        assert workers[number % 2].ask(*fields, method=method, target=target, peer=peer, content=content)[0] == 308
    for number, (peer, _, _, fields) in enumerate(MORNING):
        if peer in ("10.1.0.1", "10.1.0.5"):
            workers[number % 2].ask(*fields, peer=peer, secure=True)
    merged = PlainHTTPReport()
    for worker in workers:
        merged.merge(worker.plane.plain_http())
    found = {row["address"]: (row["user_agent"], row["verdict"], row["count"]) for row in merged.shown()}
    assert found == {
        "10.1.0.1": ("firefox", "follows", 2),
        "10.1.0.2": ("curl", "would-break", 2),
        "10.1.0.3": ("teamcity-agent", "would-break", 2),
        "10.1.0.4": ("java", "would-break", 2),
        "10.1.0.5": ("git", "follows", 2),
        "10.1.0.6": ("docker", "would-break", 2),
        "10.1.0.7": ("go", "would-break", 2),
    }
    (credentials,) = [row for row in merged.shown() if row["credentials"]]
    assert (credentials["address"], credentials["credentials"]) == ("10.1.0.7", 2)


FIELDS = st.lists(
    st.sampled_from(
        [
            BROWSER[0],
            b"User-Agent: curl/8.5",
            BROWSER[1],
            b"Accept: application/json",
            b"Sec-Fetch-Mode: navigate",
            b"Authorization: Basic eDp5",
            b"Cookie: a=1; JSESSIONID=x",
            b"X-Api-Key: k",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Proto: http",
            b"X-Forwarded-For: 198.51.100.7",
            b"X-Forwarded-For: 203.0.113.9, 10.1.1.1",
            b"Upgrade: websocket",
        ]
    ),
    max_size=5,
)
TARGETS = st.one_of(
    st.sampled_from([b"/", b"/login", b"/api/v1/x?y=%20", b"//evil.test/a", b"/.well-known/acme-challenge/tok", b"*"]),
    st.text(alphabet="/aA0%.~:?=&", max_size=12).map(lambda text: b"/" + text.encode()),
)
SITES = st.builds(
    Site,
    name=st.just("app"),
    hosts=st.just(("*",)),
    upstream=st.just("app"),
    redirect=st.builds(
        Redirect,
        mode=st.sampled_from(RedirectMode),
        status=st.sampled_from([0, 301, 302, 307, 308]),
        changed_at=st.sampled_from([0.0, NOW]),
        exempt_paths=st.sampled_from([(), (b"/api/",)]),
        exempt_networks=st.sampled_from([(), (ip_network("198.51.100.0/24"),)]),
    ),
    trusted_peers=st.sampled_from([(), (ip_network("10.0.0.0/8"),)]),
    plaintext_credentials=st.sampled_from(Credentials),
)


TRUSTING = site(
    redirect=Redirect(mode=RedirectMode.ALL, exempt_networks=(ip_network("198.51.100.0/24"),)),
    trusted_peers=(ip_network("10.0.0.0/8"),),
    plaintext_credentials=Credentials.REFUSE,
)
USUAL: dict[str, Any] = {
    "target": b"/",
    "method": b"GET",
    "host": b"app.test",
    "peer": "10.0.0.9",
    "https_port": 443,
    "live": False,
    "looping": False,
}
CHALLENGE = {**USUAL, "target": b"/.well-known/acme-challenge/tok", "live": True}


@settings(max_examples=250, deadline=None)
@example(served=TRUSTING, fields=[b"X-Forwarded-For: 198.51.100.7", b"X-Api-Key: k"], **USUAL)
@example(served=TRUSTING, fields=[b"X-Forwarded-For: 203.0.113.9, 10.1.1.1", b"X-Forwarded-Proto: http"], **USUAL)
@example(served=TRUSTING, fields=[b"X-Forwarded-Proto: https", b"X-Api-Key: k"], **CHALLENGE)
@example(served=TRUSTING, fields=[b"X-Forwarded-Proto: http"], **{**USUAL, "looping": True})
@given(
    served=SITES,
    fields=FIELDS,
    target=TARGETS,
    method=st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS"]),
    host=st.sampled_from([b"app.test", b"App.Test:8080", b"[::1]:80", b"192.0.2.9"]),
    peer=st.sampled_from(["192.0.2.1", "10.0.0.9", "198.51.100.7", "2001:db8::1"]),
    https_port=st.sampled_from([0, 443, 8443]),
    live=st.booleans(),
    looping=st.booleans(),
)
def test_explanation_and_reality_agree(
    *,
    served: Site,
    fields: list[bytes],
    target: bytes,
    method: bytes,
    host: bytes,
    peer: str,
    https_port: int,
    live: bool,
    looping: bool,
) -> None:
    """
    For random heads, sites and peers, a channel does what is explained: status, Location, storing and rule.
    """
    if target == b"*":
        method = b"OPTIONS"
    stage = Stage(served, https_port)
    challenges = {b"tok": b"tok.key"} if live else {}
    stage.plane.challenges = challenges
    if looping:
        stage.plane.loops.suspend([{"site": "app", "peer": peer, "until": NOW + 1, "claimed": True, "trusted": False}])
    lines = [tuple(line.split(b": ", 1)) for line in fields]
    explanation: Explanation = explain_request(
        served,
        method=method,
        target=target,
        host=host.lower().rpartition(b":")[0] if host[-2:] == b"80" else host,
        fields=[(b"Host", host), *lines],
        peer=peer,
        https_port=https_port,
        now=NOW,
        suspended=looping,
        challenges=challenges,
    )
    decision = explanation.decision
    status, answered, _ = stage.ask(*fields, method=method, target=target, host=host, peer=peer)
    if decision.rule == "acme-challenge":
        assert status == 200
    else:
        assert status == (decision.status or PASSED), explanation
    assert answered.get(b"location", b"") == (decision.location if decision.redirected else b"")
    assert (answered.get(b"cache-control") == b"no-store") == (decision.no_store or status in (403, PASSED))
    assert explanation.sentence
    rows = stage.report()
    if decision.rule in ("secure", "acme-challenge"):
        assert rows == []
        return
    (row,) = rows
    assert row["redirected"] == decision.redirected
    assert row["address"] == explanation.client_ip
    assert row["verdict"] != "browser" or explanation.browser
    counted = bool(explanation.credentials) and served.plaintext_credentials is not Credentials.ALLOW
    assert row["credentials"] == int(counted)
    assert stage.counters.redirects == ({("app", served.redirect.mode.value): 1} if decision.would else {})


def test_routes_know_which_sites_redirect() -> None:
    """
    Only sites that redirect listen for those who come over HTTPS.
    """
    for mode in RedirectMode:
        (served,) = Stage(site(mode)).plane.routes.sites
        assert served.redirects is (mode in (RedirectMode.BROWSERS, RedirectMode.ALL))
