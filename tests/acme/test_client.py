"""
Accounts: made once, reused, bound, moved to new keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs
import pytest
from _lab import AcmeTestCase, asked
from _pebble import Front
from twisted.internet.defer import Deferred

from tlsgate.acme import OrderFailed
from tlsgate.acme._accounts import Accounts
from tlsgate.acme._ca import CA, new_account_key


class AccountTests(AcmeTestCase):
    async def test_reused(self) -> None:
        """
        One account is made however many orders begin together, and is found again after a restart.
        """
        lab = self.lab()
        await lab.start()
        orders = [
            await lab.acme.order(asked(f"a{index}.example.com", name=f"a{index}"), author="t") for index in range(4)
        ]
        for order in orders:
            await lab.end(order)
        (account,) = await lab.acme.accounts()
        await lab.stop()
        await lab.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(lab.stop()))
        await lab.end(await lab.acme.order(asked("later.example.com", agree_terms=False), author="t"))
        assert await lab.acme.accounts() == [account]
        assert "PRIVATE" not in repr(account) + json.dumps(account.as_json())

    async def test_contact_follows(self) -> None:
        """
        Another address in the settings becomes the account's contact with the next order.
        """
        lab = await self.started(email="first@example.com")
        await lab.end(await lab.acme.order(asked("c.example.com"), author="t"))
        await lab.end(await lab.acme.order(asked("c.example.com", email="second@example.com"), author="t"))
        (account,) = await lab.acme.accounts()
        assert account.email == "second@example.com"

    async def test_new_key(self) -> None:
        """
        After the key was changed, orders go on under the same account; the old key is worth nothing.
        """
        lab = await self.started()
        await lab.end(await lab.acme.order(asked("k.example.com"), author="t"))
        (old,) = await lab.acme.accounts()
        new = await lab.acme.roll_over()
        assert (new.url, new.next_key) == (old.url, b"")
        assert new.key != old.key
        await lab.end(await lab.acme.order(asked("k2.example.com"), author="t"))
        ca = CA(self.pebble.directory, key=old.key, account=old.url, ca_file=str(self.pebble.ca_file))
        self.addCleanup(ca.close)
        with pytest.raises(OrderFailed):
            ca.new_order(["k.example.com"])

    async def test_change_of_key_interrupted(self) -> None:
        """
        If the gate ended after the CA took the new key, and before it was noted, the new key is used.
        """
        lab = await self.started()
        await lab.end(await lab.acme.order(asked("k.example.com"), author="t"))
        accounts = Accounts(lab.folder / "acme" / "accounts")
        old = accounts.load(self.pebble.directory)
        new = await lab.acme.roll_over()
        for next_key in (new.key, new_account_key()):
            # As it is on the disk in the middle of a change: once after the CA took the new key, once before.
            key = old.key if next_key == new.key else new.key
            accounts.save(attrs.evolve(old, key=key, next_key=next_key))
            await lab.end(await lab.acme.order(asked("k.example.com"), author="t"))
            assert accounts.load(self.pebble.directory).key == new.key

    async def test_not_the_ca(self) -> None:
        """
        A server that is no ACME CA, one that nobody trusts, and one that is not there are told apart.
        """
        front = Front(self.pebble)
        self.addCleanup(front.stop)
        for spoil, code in (
            ((200, {"Content-Type": "text/html"}, b"<html>"), "ca-nonsense"),
            ((200, {"Content-Type": "application/json"}, b"[1]"), "ca-nonsense"),
            ((200, {"Content-Type": "application/json"}, b'{"newNonce": 1}'), "ca-nonsense"),
            ((404, {}, b"no"), "ca-nonsense"),
            ((500, {}, b"no"), "serverInternal"),
        ):
            front.spoil = lambda method, path, content, spoil=spoil: spoil  # type: ignore[misc]
            assert self.code_of(front.directory) == code, spoil
        assert self.code_of(self.pebble.directory, ca_file="") == "ca-untrusted"
        assert self.code_of("https://localhost:1/dir") == "ca-unreachable"
        assert self.code_of(self.pebble.directory, ca_file="/nonexistent") == "ca-unreachable"

    def code_of(self, directory: str, ca_file: str | None = None) -> str:
        trust = str(self.pebble.ca_file) if ca_file is None else ca_file
        ca = CA(directory, key=new_account_key(), ca_file=trust)
        self.addCleanup(ca.close)
        with pytest.raises(OrderFailed) as caught:
            ca.directory()
        return caught.value.problem.code


class BindingTests(AcmeTestCase):
    binding_keys: ClassVar[Mapping[str, str]] = {
        "kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    }

    async def test_bound(self) -> None:
        """
        A CA that wants an external account binding gets it from the settings.
        """
        lab = await self.started(eab_key_id="kid-1", eab_hmac_key=self.binding_keys["kid-1"])
        await lab.end(await lab.acme.order(asked("eab.example.com"), author="t"))

    async def test_missing(self) -> None:
        """
        Without it, the order says which settings it needs; a wrong one is the CA's refusal.
        """
        lab = await self.started()
        order = await lab.acme.order(asked("eab.example.com"), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert "acme.eab_key_id" in order.problem.sentence

    async def test_unreadable(self) -> None:
        """
        An HMAC key that cannot be read is told without showing anything of it.
        """
        settings: dict[str, Any] = {"eab_key_id": "kid-1", "eab_hmac_key": {"env": "NO_SUCH_VARIABLE"}}
        lab = await self.started(**settings)
        order = await lab.acme.order(asked("eab.example.com"), author="t")
        await lab.end(order, state="invalid")
        assert order.problem is not None
        assert "NO_SUCH_VARIABLE" in order.problem.said
