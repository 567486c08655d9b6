"""
What is found out before an order, from a real DNS server and real requests.
"""

from __future__ import annotations

import socket
from typing import Any

from _lab import AcmeTestCase, Lab
from hypothesis import given
from hypothesis import strategies as st

from tlsgate.acme._preflight import parse_caa
from tlsgate.problems import Finding


@given(st.binary(max_size=40))
def test_caa_of_any_bytes(data: bytes) -> None:
    """
    Any bytes are a CAA record or none.
    """
    found = parse_caa(data)
    assert found is None or len(found) == 3


def test_caa() -> None:
    """
    A CAA record is flags, a tag of any case, and a value.
    """
    assert parse_caa(b"\x80\x05ISSUEca.test; policy=1") == (128, "issue", "ca.test; policy=1")
    assert parse_caa(b"\x00\x05iss") is None


class PreflightTests(AcmeTestCase):
    async def look(
        self, lab: Lab, *names: str, challenge: str = "http-01", identities: Any = ("ca.test",)
    ) -> list[Finding]:
        return await lab.acme._preflight.findings(names, challenge=challenge, identities=identities)

    async def test_all_well(self) -> None:
        """
        Nothing is said of a name that leads here.
        """
        lab = await self.started()
        assert await self.look(lab, "a.example.com") == []

    async def test_elsewhere(self) -> None:
        """
        A name that leads elsewhere is told with the address that it leads to.
        """
        lab = await self.started()
        self.pebble.control("add-a", host="away.example.com", addresses=["192.0.2.7"])
        (finding,) = await self.look(lab, "away.example.com", challenge="tls-alpn-01")
        assert finding.code == "name-elsewhere"
        assert "192.0.2.7" in finding.message

    async def test_somebody_else_answers(self) -> None:
        """
        A server that is not this gate is told apart from this gate.
        """
        with socket.create_server(("127.0.0.1", 0)) as other:
            lab = await self.started(http_01_port=other.getsockname()[1])
            lab.acme._challenges.listener.hold = lambda port: False  # type: ignore[method-assign]
            import threading

            def answer() -> None:
                connection, _ = other.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")

            thread = threading.Thread(target=answer)
            thread.start()
            (finding,) = await self.look(lab, "a.example.com")
            thread.join()
        assert finding.code == "port-80-unreachable"
        assert "status 302" in finding.message

    async def test_unknown_name(self) -> None:
        """
        A name without an address is told, and stops nothing.
        """
        lab = await self.started()
        self.pebble.control("set-default-ipv4", ip="")
        self.addCleanup(self.pebble.control, "set-default-ipv4", ip="127.0.0.1")
        (finding,) = await self.look(lab, "nowhere.example.com")
        assert (finding.code, finding.severity.value) == ("name-unknown", "warning")

    async def test_dns_silent(self) -> None:
        """
        DNS that does not answer is no reason not to order.
        """
        lab = await self.started()
        self.pebble.control("set-servfail", host="fails.example.com")
        found = await self.look(lab, "fails.example.com")
        assert {(finding.code, finding.severity.value) for finding in found} == {("dns-unanswered", "info")}

    async def test_caa_forbids(self) -> None:
        """
        CAA records of a domain above the name decide where the name has none, and an issuer not named is an error.
        """
        lab = await self.started()
        policy = [{"tag": "issue", "value": "other.test; policy=ev"}]
        self.pebble.control("add-caa", host="closed.test", policies=policy)
        (finding,) = await self.look(lab, "a.b.closed.test")
        assert (finding.code, finding.severity.value) == ("caa-forbids", "error")
        assert "other.test" in finding.message
        assert await self.look(lab, "a.b.closed.test", identities=("other.test", "ca.test")) == []
        assert await self.look(lab, "a.b.closed.test", identities=()) == []

    async def test_caa_of_wildcards(self) -> None:
        """
        A wildcard is ruled by issuewild where there is such a record.
        """
        lab = await self.started()
        policies = [{"tag": "issue", "value": "ca.test"}, {"tag": "issuewild", "value": ";"}]
        self.pebble.control("add-caa", host="wild.test", policies=policies)
        assert await self.look(lab, "wild.test") == []
        (finding,) = await self.look(lab, "*.wild.test", challenge="dns-01")
        assert finding.code == "caa-forbids"
        assert "no CA at all" in finding.message
