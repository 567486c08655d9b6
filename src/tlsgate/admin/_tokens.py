"""
Bearer tokens: made, hashed, found, revoked.

A token is C{tlsg_} and 32 random bytes in base64url.  Only its SHA-256 is kept: the secret has 256 bits of its own,
so a slow hash would add nothing but a way to make the gate busy.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from enum import Enum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import attrs

from ..problems import Problem
from ..settings import write_private
from ..sites import Network

__all__ = ["TOKEN_PREFIX", "Permission", "SetupToken", "Token", "Tokens", "in_networks"]

TOKEN_PREFIX: Final = "tlsg_"  # noqa: S105 - what every secret begins with is none

#: Seconds that a set-up token can be used.
SETUP_LIFETIME: Final = 3600.0

#: Seconds between writes of the times of last use.
FLUSH_INTERVAL: Final = 60.0

MAX_TOKENS: Final = 1000


class Permission(Enum):
    """
    What a principal may do; C{admin} holds all others.
    """

    VIEW_SETTINGS = "view_settings"
    CHANGE_HTTPS_SETTINGS = "change_https_settings"
    CHANGE_PROXY_SETTINGS = "change_proxy_settings"
    MANAGE_TOKENS = "manage_tokens"
    ADMIN = "admin"


@attrs.frozen(kw_only=True)
class Token:
    """
    A token as it is kept.

    @ivar digest: SHA-256 of the secret, lower hex.
    @ivar expires: Unix time; C{None} for never.
    @ivar networks: where it may be used from; empty for anywhere.
    @ivar hosts: names whose certificates it may change; empty for no such limit.
    @ivar created: Unix time.
    @ivar last_used: Unix time; 0 for never.
    """

    id: str
    name: str
    digest: str = attrs.field(repr=False)
    permissions: frozenset[Permission]
    expires: float | None = None
    networks: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    created: float = 0.0
    last_used: float = 0.0

    def as_stored(self) -> dict[str, Any]:
        """
        The token as C{tokens.json} holds it.
        """
        return {
            "id": self.id,
            "name": self.name,
            "digest": self.digest,
            "permissions": sorted(permission.value for permission in self.permissions),
            "expires": self.expires,
            "networks": [str(network) for network in self.networks],
            "hosts": list(self.hosts),
            "created": self.created,
            "last_used": self.last_used,
        }

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> Token:
        """
        Read what L{as_stored} wrote.

        @raise (KeyError, TypeError, ValueError): it is something else.
        """
        return cls(
            id=stored["id"],
            name=stored["name"],
            digest=stored["digest"],
            permissions=frozenset(Permission(value) for value in stored["permissions"]),
            expires=stored["expires"],
            networks=tuple(ip_network(network) for network in stored["networks"]),
            hosts=tuple(stored["hosts"]),
            created=stored["created"],
            last_used=stored["last_used"],
        )


def in_networks(address: str, networks: Iterable[Network]) -> bool:
    """
    Is an IP address, as text, in one of the networks?  An IPv4 address that arrived over an IPv6 socket counts as
    IPv4.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return any(found.version == network.version and found in network for network in networks)


def digest_of(secret: str) -> str:
    """
    What is kept of a secret.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """
    All tokens, in memory and in one file.
    """

    def __init__(self, path: Path, *, wall: Callable[[], float], random: Callable[[int], bytes] = os.urandom) -> None:
        """
        @param wall: the time of day, Unix time.
        @param random: bytes that nobody can guess.

        @raise Problem: C{storage-failed}: the file is damaged or cannot be read.
        """
        self._path = path
        self._wall = wall
        self._random = random
        self._by_id: dict[str, Token] = {}
        self._flushed_at = wall()
        self._load()

    def __repr__(self) -> str:
        return f"<Tokens: {len(self._by_id)}>"

    def _load(self) -> None:
        try:
            stored = json.loads(self._path.read_bytes())
            self._by_id = {entry["id"]: Token.from_stored(entry) for entry in stored["tokens"]}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Problem("storage-failed", f"{self._path} cannot be read as a list of tokens.") from error

    def _save(self, tokens: dict[str, Token]) -> None:
        content = json.dumps({"tokens": [token.as_stored() for token in tokens.values()]}, indent=1)
        try:
            write_private(self._path, content.encode())
        except OSError as error:
            raise Problem("storage-failed", f"The tokens cannot be saved: {error.strerror}.") from error
        self._by_id = tokens
        self._flushed_at = self._wall()

    def list(self) -> tuple[Token, ...]:
        """
        All tokens, oldest first.
        """
        return tuple(self._by_id.values())

    @property
    def has_administrator(self) -> bool:
        """
        Is there a token with C{admin} that has not expired?
        """
        now = self._wall()
        return any(
            Permission.ADMIN in token.permissions and (token.expires is None or token.expires > now)
            for token in self._by_id.values()
        )

    def make(
        self,
        name: str,
        permissions: Iterable[Permission],
        *,
        expires_in: float | None = None,
        networks: Iterable[Network] = (),
        hosts: Iterable[str] = (),
    ) -> tuple[Token, str]:
        """
        Make a token.

        @return: the token and its secret, which is not kept.

        @raise Problem: C{exists}: a token has this name; C{storage-failed}.
        """
        now = self._wall()
        # Expired tokens go when new ones come: the file stays as small as what is used.
        tokens = {t.id: t for t in self._by_id.values() if t.expires is None or t.expires > now}
        if any(token.name == name for token in tokens.values()):
            raise Problem("exists", f"There is a token named {name!r}; revoke it first or choose another name.")
        if len(tokens) >= MAX_TOKENS:
            raise Problem("in-use", f"There are {MAX_TOKENS} tokens; revoke some first.")
        secret = TOKEN_PREFIX + urlsafe_b64encode(self._random(32)).rstrip(b"=").decode("ascii")
        token = Token(
            id=self._random(8).hex(),
            name=name,
            digest=digest_of(secret),
            permissions=frozenset(permissions),
            expires=None if expires_in is None else now + expires_in,
            networks=tuple(networks),
            hosts=tuple(hosts),
            created=now,
        )
        tokens[token.id] = token
        self._save(tokens)
        return token, secret

    def restore(self, stored: bytes) -> int:
        """
        Add the tokens of a backup that are not there and have not expired; those that are there stay as they are.

        @param stored: the content of another node's C{tokens.json}.

        @return: how many were added.

        @raise Problem: C{backup-unreadable}, C{storage-failed}.
        """
        now = self._wall()
        tokens = dict(self._by_id)
        names = {token.name for token in tokens.values()}
        try:
            for entry in json.loads(stored)["tokens"]:
                token = Token.from_stored(entry)
                if token.id in tokens or token.name in names or (token.expires is not None and token.expires <= now):
                    continue
                tokens[token.id] = token
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Problem("backup-unreadable", "The backup's list of tokens cannot be read.") from error
        added = len(tokens) - len(self._by_id)
        if added:
            self._save(tokens)
        return added

    def get(self, ident: str) -> Token | None:
        """
        The token with an id.
        """
        return self._by_id.get(ident)

    def revoke(self, ident: str) -> Token:
        """
        Forget a token; it stops working at once.

        @raise Problem: C{not-found}; C{storage-failed}.
        """
        tokens = dict(self._by_id)
        token = tokens.pop(ident, None)
        if token is None:
            raise Problem("not-found", f"There is no token with the id {ident!r}.")
        self._save(tokens)
        return token

    def find(self, secret: str) -> Token | None:
        """
        The token with a secret, unless it has expired.
        """
        return self.find_digest(digest_of(secret))

    def find_digest(self, digest: str) -> Token | None:
        """
        The token with the digest of its secret, unless it has expired.  The time taken does not tell which token came
        close.
        """
        found = None
        for token in self._by_id.values():
            if hmac.compare_digest(token.digest, digest):
                found = token
        if found is None or (found.expires is not None and found.expires <= self._wall()):
            return None
        return found

    def used(self, token: Token) -> None:
        """
        Remember that a token was used; written to disk at most once a minute.
        """
        now = self._wall()
        self._by_id[token.id] = attrs.evolve(token, last_used=now)
        if abs(now - self._flushed_at) >= FLUSH_INTERVAL:
            self.flush()

    def flush(self) -> None:
        """
        Write the times of last use.  That they cannot be written (a full disk) is no reason to refuse an answer.
        """
        try:
            self._save(self._by_id)
        except Problem:
            self._flushed_at = self._wall()


class SetupToken:
    """
    The secret that makes the first token: a file that lives for an hour, or until there is an administrator's token.
    """

    def __init__(self, path: Path, *, wall: Callable[[], float], random: Callable[[int], bytes] = os.urandom) -> None:
        self._path = path
        self._wall = wall
        self._random = random

    def offer(self, tokens: Tokens) -> str | None:
        """
        Make the set-up token if there is no administrator's token; to be called at each start.

        @return: the secret, for the log; C{None} where none is needed.

        @raise OSError: the file cannot be written.
        """
        secret = self._read()
        if secret is not None:
            # Also beside an administrator's token: then it was asked for, see renew.
            return secret
        if tokens.has_administrator:
            self.remove()
            return None
        return self.renew()

    def renew(self) -> str:
        """
        Make a new set-up token, whatever tokens there are: whoever may write into the state folder owns the gate.

        @return: the secret.

        @raise OSError: the file cannot be written.
        """
        secret = TOKEN_PREFIX + urlsafe_b64encode(self._random(32)).rstrip(b"=").decode("ascii")
        write_private(self._path, secret.encode() + b"\n")
        os.utime(self._path, (self._wall(), self._wall()))
        return secret

    def _read(self) -> str | None:
        try:
            age = self._wall() - self._path.stat().st_mtime
            # A clock set back must not make it live for longer: a file from the future is as dead as an old one.
            if not -60.0 <= age < SETUP_LIFETIME:
                self.remove()
                return None
            return self._path.read_text("ascii").strip() or None
        except (OSError, ValueError):
            return None

    def matches(self, digest: str) -> bool:
        """
        Is this the digest of the set-up token, and does it still live?
        """
        mine = self._read()
        return mine is not None and hmac.compare_digest(digest_of(mine), digest)

    def remove(self) -> None:
        """
        It has done its work.
        """
        self._path.unlink(missing_ok=True)
