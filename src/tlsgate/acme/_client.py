"""
Conversations with CAs for code that must not wait: each call runs in a thread, and short troubles are sat out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ._accounts import Account, Accounts
from ._ca import CA, new_account_key
from ._problems import OrderFailed, OrderProblem
from ._values import DirectoryEntry

__all__ = ["Client", "Clients", "InThread", "Terms"]

T = TypeVar("T")

#: Runs what blocks.
InThread = Callable[..., Awaitable[Any]]

#: Troubles that may be over in a moment.
PASSING: Final = frozenset({"ca-unreachable", "serverInternal", "badNonce"})


class Terms(Protocol):
    """
    What the settings, or whoever orders, say to a CA that does not know us yet.
    """

    @property
    def email(self) -> str:
        """
        Contact of the account; empty for none.
        """
        ...

    @property
    def agreed(self) -> bool:
        """
        Does somebody agree to the CA's terms of service?
        """
        ...

    @property
    def binding(self) -> tuple[str, str] | None:
        """
        Key identifier and HMAC key of an external account binding.
        """
        ...


class Client:
    """
    A conversation with one CA as one account.  One call at a time.

    @ivar entry: what the CA says of itself.
    @ivar account: registered.
    """

    _log = Logger()

    entry: DirectoryEntry
    account: Account

    def __init__(self, ca: CA, clock: IReactorTime, in_thread: InThread, patience: float) -> None:
        self._ca = ca
        self._clock = clock
        self._in_thread = in_thread
        self._patience = patience

    async def call(self, method: Callable[..., T], *args: Any) -> T:
        """
        Call a method of L{CA}; one that fails for a passing reason is called again for C{patience} seconds.

        @param method: of the class, unbound.

        @raise OrderFailed: (from the method)
        """
        give_up = self._clock.seconds() + self._patience
        pause = 0.5
        while True:
            try:
                found: T = await self._in_thread(method, self._ca, *args)
                return found
            except OrderFailed as failed:
                if failed.problem.code not in PASSING:
                    raise
                pause = max(pause, min(failed.problem.retry_after, 60.0))
                if self._clock.seconds() + pause > give_up:
                    raise
                self._log.info("the CA did not answer well, again in {pause} s: {said}", pause=pause, said=str(failed))
            await self.sleep(pause)
            pause = min(pause * 2, 30.0)

    def sleep(self, seconds: float) -> Deferred[None]:
        """
        Fires after so many seconds.
        """
        return deferLater(self._clock, seconds, lambda: None)


@attrs.define
class Clients:
    """
    Opens conversations, with an account that is registered when it is first needed.

    @ivar patience: seconds for which a CA that does not answer is asked again within one conversation.
    """

    _accounts: Accounts
    _clock: IReactorTime
    _in_thread: InThread
    patience: float = 120.0
    _lock: DeferredLock = attrs.field(factory=DeferredLock)

    @asynccontextmanager
    async def open(
        self, directory: str, terms: Terms, *, ca_file: str, register: bool = True, patience: float | None = None
    ) -> AsyncIterator[Client]:
        """
        Converse with a CA.

        @param register: register the account if that has not been done, and keep its contact in step.
        @param patience: in place of the usual one.

        @raise OrderFailed: it cannot be reached, or does not take the account.
        """
        # Under the lock, so that orders that begin together make one key.
        await self._lock.acquire()
        try:
            account = await self._load(directory)
            if account.next_key:
                account = await self._settle(account, ca_file)
        finally:
            self._lock.release()
        ca = CA(directory, key=account.key, account=account.url, ca_file=ca_file)
        try:
            client = Client(ca, self._clock, self._in_thread, self.patience if patience is None else patience)
            client.entry = await client.call(CA.directory)
            client.account = account
            if not register:
                pass
            elif not account.url:
                await self._register(client, terms)
            elif terms.email and terms.email != account.email:
                await client.call(CA.change_contact, account.url, terms.email)
                client.account = attrs.evolve(account, email=terms.email)
                await self._save(client.account)
            yield client
        finally:
            ca.close()

    async def _load(self, directory: str) -> Account:
        try:
            account: Account = await self._in_thread(self._accounts.load, directory)
        except OSError as error:
            raise OrderFailed(OrderProblem.of("storage", said=str(error))) from error
        return account

    async def _save(self, account: Account) -> None:
        try:
            await self._in_thread(self._accounts.save, account)
        except OSError as error:
            raise OrderFailed(OrderProblem.of("storage", said=str(error))) from error

    async def _settle(self, account: Account, ca_file: str) -> Account:
        """
        A change of the account's key was interrupted: ask the CA which key it knows.
        """
        ca = CA(account.directory, key=account.next_key, ca_file=ca_file)
        try:
            url = await Client(ca, self._clock, self._in_thread, self.patience).call(CA.find_account)
        finally:
            ca.close()
        if url:
            account = attrs.evolve(account, key=account.next_key, url=url)
        account = attrs.evolve(account, next_key=b"")
        await self._save(account)
        return account

    async def _register(self, client: Client, terms: Terms) -> None:
        """
        Register the account, once however many orders want it.
        """
        if not (terms.agreed or client.account.agreed):
            raise OrderFailed(OrderProblem.of("terms-not-agreed", instance=client.entry.terms))
        if client.entry.binding_required and terms.binding is None:
            raise OrderFailed(OrderProblem.of("externalAccountRequired"))
        await self._lock.acquire()
        try:
            account = await self._load(client.account.directory)
            url = await client.call(CA.register, terms.email, terms.binding)
            client.account = attrs.evolve(account, url=url, email=terms.email, agreed=True)
            await self._save(client.account)
        finally:
            self._lock.release()

    async def forget(self, account: Account) -> None:
        """
        The CA does not know this account any more: it is registered again, with its key, when it is next needed.
        """
        await self._save(attrs.evolve(account, url=""))

    async def roll_over(self, directory: str, terms: Terms, *, ca_file: str) -> Account:
        """
        Give an account a new key.  The new one is on the disk before the CA hears of it.

        @raise OrderFailed: the old key is still in use, as far as is known.
        """
        async with self.open(directory, terms, ca_file=ca_file) as client:
            account = client.account
            key: bytes = account.next_key or await self._in_thread(new_account_key)
            await self._save(attrs.evolve(account, next_key=key))
            await client.call(CA.roll_over, account.url, key)
            account = attrs.evolve(account, key=key, next_key=b"")
            await self._save(account)
            return account
