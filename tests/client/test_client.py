"""
The client against the real admin API.
"""

from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock

from tlsgate.certificates import self_signed
from tlsgate.client import AdminClient, Change, Refused, Unreachable
from tlsgate.problems import Problem

NOW = 1_790_000_000.0


def test_reads(gate) -> None:
    """
    Everything that can be listed is a list of documents.
    """

    async def work(client):
        lists = [await getattr(client, name)() for name in ("certificates", "bindings", "sites", "upstreams")]
        assert all(isinstance(each, list) and each for each in lists)
        assert (await client.certificate("default"))["names"]
        assert (await client.chain("default")).startswith(b"-----BEGIN CERTIFICATE-----")
        assert (await client.generations())[0]["state"] == "current"
        assert (await client.settings())["site"][0]["name"] == "default"
        return await client.status()

    assert gate.perform(work)["generation"] == 1


def test_upload_and_confirm(gate) -> None:
    """
    A certificate is uploaded with conditions, and the change confirmed over a connection of its own.
    """
    made = self_signed("x", ["app.test"], now=NOW)
    parts = {"certificate": made.chain, "key": made.key}

    async def work(client):
        return await client.upload(parts, Change(confirm_within=60, reason="grün & gut", if_match=1))

    answer = gate.perform(work)
    assert answer["certificate"]["fingerprint"] == made.fingerprint
    assert answer["confirm_by"] is not None
    gate.harness.clock.advance(1)
    gate.perform(lambda client: client.confirm(answer["generation"]))
    current = gate.harness.changes.current
    assert (current.number, current.reason, gate.harness.changes.confirm_by()) == (2, "grün & gut", None)


def test_other_changes(gate) -> None:
    """
    Put, patch, remove, roll back: each answers as any change does.
    """
    made = self_signed("x", ["b.test"], now=NOW)

    async def work(client):
        await client.put_certificate("b", {"certificate": made.chain, "key": made.key})
        await client.patch_site("default", {"max_body": 3})
        await client.remove("certificates", "b")
        await client.put_settings({**await client.settings(), "timeouts": {"idle": 31.0}})
        token = await client.make_token({"name": "t", "permissions": ["view_settings"]})
        assert [each["name"] for each in await client.tokens()] == ["t"]
        await client.revoke_token(token["id"])
        assert await client.tokens() == []
        return await client.rollback(1, Change(force=("default",)))

    assert gate.perform(work).keys() >= {"generation", "workers", "findings", "confirm_by", "script"}


def test_refusals_are_problems(gate) -> None:
    """
    A refusal has its code, detail, status and errors, and is a L{Problem}.
    """
    with pytest.raises(Problem, match="max_body") as caught:
        gate.perform(lambda client: client.patch_site("default", {"max_body": -1}))
    problem = caught.value
    assert isinstance(problem, Refused)
    assert (problem.code, problem.status) == ("invalid-settings", 422)
    assert problem.errors[0].pointer == "/site/0/max_body"
    assert problem.document["code"] == "invalid-settings"


def test_token(gate) -> None:
    """
    Over TCP the token is sent, and a wrong one refused.
    """
    secret = gate.harness.token("view_settings")
    assert gate.perform(lambda client: client.status(), token=secret)["generation"] == 1
    with pytest.raises(Refused) as caught:
        gate.perform(lambda client: client.status(), token="tlsg_wrong")
    assert (caught.value.code, caught.value.status) == ("token-invalid", 401)
    assert secret not in repr(vars(caught.value))


def test_no_socket(tmp_path: Path) -> None:
    """
    Only https is spoken to a URL, and trust needs certificates.
    """
    reactor = MemoryReactorClock()
    with pytest.raises(ValueError, match="https://"):
        AdminClient.over_https(reactor, "http://localhost")
    with pytest.raises(ValueError, match="no PEM"):
        AdminClient.over_https(reactor, "https://localhost", trusted=b"")
    client = AdminClient.over_socket(reactor, tmp_path / "admin.sock")
    assert client.base == "http://localhost"
    assert issubclass(Unreachable, Exception)


def test_silence(gate) -> None:
    """
    A gate that says nothing is not waited for without end.
    """
    gate.harness.admin.site.service.answer = lambda received: never()

    async def never():
        from twisted.internet.defer import Deferred

        await Deferred()

    with pytest.raises(Unreachable, match="no answer within"):
        gate.perform(lambda client: client.status())
