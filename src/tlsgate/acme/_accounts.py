"""
Accounts at CAs: one for each directory, made once and reused, each in a file with its key.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import attrs

from ..settings import write_private
from ._ca import new_account_key
from ._files import private_folder, read_json

__all__ = ["Account", "Accounts"]


@attrs.frozen(kw_only=True)
class Account:
    """
    @ivar directory: URL of the CA's directory.
    @ivar key: PKCS#8 PEM; never shown.
    @ivar url: of the account; empty while it is not registered.
    @ivar email: its contact.
    @ivar agreed: the CA's terms of service were agreed to when it was registered.
    @ivar next_key: while a change of the key is under way, the new one.
    """

    directory: str
    key: bytes = attrs.field(repr=False)
    url: str = ""
    email: str = ""
    agreed: bool = False
    next_key: bytes = attrs.field(default=b"", repr=False)

    def as_json(self) -> dict[str, str]:
        """
        The account as the admin API shows it; never its key.
        """
        return {"directory": self.directory, "url": self.url, "email": self.email}


class Accounts:
    """
    The folder of accounts.  Methods block.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, directory: str) -> Path:
        return self._folder / f"{hashlib.sha256(directory.encode()).hexdigest()[:24]}.json"

    def load(self, directory: str) -> Account:
        """
        The account at a CA; one with a new key, which is not yet registered, if there is none.

        @raise OSError: a new one cannot be saved.
        """
        found = read_json(self._path(directory))
        try:
            if found is not None:
                return _read(found)
        except (KeyError, AttributeError):
            pass  # Damaged: a new account does the same service.
        account = Account(directory=directory, key=new_account_key())
        self.save(account)
        return account

    def save(self, account: Account) -> None:
        """
        @raise OSError: what was saved before stands.
        """
        private_folder(self._folder)
        document = {
            "directory": account.directory,
            "url": account.url,
            "email": account.email,
            "agreed": account.agreed,
            "key": account.key.decode("ascii"),
            "next_key": account.next_key.decode("ascii"),
        }
        write_private(self._path(account.directory), json.dumps(document, indent=1).encode())

    def all(self) -> list[Account]:
        """
        All accounts that are registered.
        """
        found = [read_json(path) for path in sorted(self._folder.glob("*.json"))]
        accounts = []
        for document in found:
            try:
                accounts.append(_read(document or {}))
            except (KeyError, AttributeError):
                continue
        return [account for account in accounts if account.url]


def _read(document: dict[str, Any]) -> Account:
    return Account(
        directory=document["directory"],
        url=document["url"],
        email=document["email"],
        agreed=bool(document["agreed"]),
        key=document["key"].encode("ascii"),
        next_key=document.get("next_key", "").encode("ascii"),
    )
