"""
Who is asking, and whether they may.

A peer of the UNIX socket is the user that the kernel says it is; everyone else shows a bearer token.  What is not
granted is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Final

import attrs

from ..problems import Problem
from ._attempts import FailedAttempts
from ._tokens import Permission, SetupToken, Token, Tokens, digest_of, in_networks

__all__ = ["ANYONE", "Authenticator", "Peer", "Principal"]


@attrs.frozen(kw_only=True)
class Peer:
    """
    The other end of a connection.

    @ivar address: its IP address; C{unix} for a peer of the UNIX socket.
    @ivar user: of a peer of the UNIX socket: the user's name, else empty.
    @ivar local_address: the address it connected to; empty for the UNIX socket.
    @ivar local_port: the port it connected to.
    @ivar connected_at: when, monotonic seconds.
    @ivar certificate: subject of the client certificate that was verified; empty for none.
    """

    address: str
    user: str = ""
    local_address: str = ""
    local_port: int = 0
    connected_at: float = 0.0
    certificate: str = ""

    @property
    def is_unix(self) -> bool:
        """
        Did it come through the UNIX socket?
        """
        return self.address == "unix"

    @property
    def is_loopback(self) -> bool:
        """
        Is it a process of this machine, over TCP?
        """
        return in_networks(self.address, LOOPBACK)


@attrs.frozen(kw_only=True)
class Principal:
    """
    Someone who may do something.

    @ivar name: as generations and the audit log name them.
    @ivar hosts: names whose certificates they may change; empty for no such limit.
    @ivar token: the token shown; C{None} for a peer of the UNIX socket.
    @ivar set_up: shown was the set-up token, which makes tokens and nothing else.
    """

    name: str
    permissions: frozenset[Permission] = frozenset()
    hosts: tuple[str, ...] = ()
    token: Token | None = None
    set_up: bool = False

    def may(self, permission: Permission) -> bool:
        """
        Was the permission granted?
        """
        return permission in self.permissions or Permission.ADMIN in self.permissions

    def require(self, permission: Permission) -> None:
        """
        @raise Problem: C{permission-missing}.
        """
        if not self.may(permission):
            raise Problem(
                "permission-missing",
                f"This needs the permission {permission.value}, which {self.name} does not have.",
                permission=permission.value,
            )

    def require_hosts(self, names: Iterable[str]) -> None:
        """
        A principal that is limited to some hosts may touch only certificates for these.

        @raise Problem: C{permission-missing}.
        """
        if not self.hosts:
            return
        for name in names:
            if not any(_covers(host, name) for host in self.hosts):
                raise Problem(
                    "permission-missing",
                    f"{self.name} may only change certificates for {', '.join(self.hosts)}; this one is for {name}.",
                    permission=Permission.CHANGE_HTTPS_SETTINGS.value,
                )


#: Whoever asks for liveness, readiness or metrics from this machine.
ANYONE: Final = Principal(name="-")

LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _covers(host: str, name: str) -> bool:
    if host == name:
        return True
    head, _, parent = name.partition(".")
    return host.startswith("*.") and bool(head) and head != "*" and parent == host[2:]


class Authenticator:
    """
    Turns the fields of a request into a principal.
    """

    def __init__(self, tokens: Tokens, setup: SetupToken, clock: Callable[[], float]) -> None:
        """
        @param clock: monotonic seconds.
        """
        self._tokens = tokens
        self._setup = setup
        self._attempts = FailedAttempts(clock)

    def principal(self, peer: Peer, authorization: tuple[str, ...]) -> Principal:
        """
        @param authorization: the values of all C{Authorization} fields.

        @raise Problem: C{token-missing}, C{token-invalid} or C{too-many-attempts}.
        """
        if peer.is_unix:
            return Principal(name=f"local:{peer.user}", permissions=frozenset({Permission.ADMIN}))
        if not authorization:
            raise Problem("token-missing", "Send a token: Authorization: Bearer tlsg_…")
        self._check_attempts(peer)
        return self._known(peer, self._of_token(peer, authorization))

    def of_secret(self, peer: Peer, secret: str) -> Principal:
        """
        Who signs in with a secret.

        @raise Problem: C{token-invalid} or C{too-many-attempts}.
        """
        self._check_attempts(peer)
        return self._known(peer, self.still(peer, digest_of(secret)))

    def _check_attempts(self, peer: Peer) -> None:
        wait = self._attempts.wait(peer.address)
        if wait:
            raise Problem(
                "too-many-attempts",
                f"Too many wrong tokens came from {peer.address}; try again in {wait} seconds.",
                retry_after=wait,
            )

    def _known(self, peer: Peer, found: Principal | None) -> Principal:
        if found is None:
            self._attempts.failed(peer.address)
            raise Problem("token-invalid", "The token is wrong, has expired, was revoked or may not be used from here.")
        return found

    def _of_token(self, peer: Peer, authorization: tuple[str, ...]) -> Principal | None:
        if len(authorization) != 1:
            return None
        scheme, _, secret = authorization[0].partition(" ")
        secret = secret.strip(" ")
        if scheme.lower() != "bearer" or not secret:
            return None
        return self.still(peer, digest_of(secret))

    def still(self, peer: Peer, digest: str) -> Principal | None:
        """
        Whom a secret stands for now, asked from a peer; C{None} for nobody.

        @param digest: of the secret, which nobody needs to keep.
        """
        token = self._tokens.find_digest(digest)
        if token is None:
            if self._setup.matches(digest):
                return Principal(name="set-up", set_up=True)
            return None
        if token.networks and not in_networks(peer.address, token.networks):
            return None
        self._tokens.used(token)
        return Principal(name=token.name, permissions=token.permissions, hosts=token.hosts, token=token)
