"""
TXT records for dns-01, made by a hook program or by dns-lexicon.  Everything here blocks and runs in a thread.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ._problems import OrderFailed, OrderProblem

__all__ = ["HOOK_TIMEOUT", "Records", "record_name", "record_value", "server_of"]

#: Seconds that a hook may take.
HOOK_TIMEOUT: Final = 300


def server_of(text: str) -> tuple[str, int] | None:
    """
    Address and port of a DNS server as the settings have it; C{None} for the machine's.
    """
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if host else None


def record_name(name: str) -> str:
    """
    Where the CA looks (RFC 8555 section 8.4).

    @param name: without a wildcard.
    """
    return f"_acme-challenge.{name}"


def record_value(key_authorization: str) -> str:
    """
    What the CA looks for.
    """
    digest = hashlib.sha256(key_authorization.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


class Records:
    """
    Makes and removes records in the way that the settings say.
    """

    def __init__(
        self,
        hooks: Path,
        *,
        hook: str = "",
        provider: str = "",
        resolver: tuple[str, int] | None = None,
        timeout: float = HOOK_TIMEOUT,
    ) -> None:
        """
        @param hooks: the folder of hooks: the settings name one, so that whoever may change settings over the API
            cannot have the gate run whatever they like.
        @param resolver: address and port of the DNS server that knows in which zone of the provider a name is; C{None}
            for the machine's.
        """
        self._hooks = hooks
        self._hook = hook
        self._provider = provider
        self._resolver = resolver
        self._timeout = timeout

    def present(self, name: str, value: str) -> None:
        """
        Add a record; others of the same name stay.

        @raise OrderFailed: C{dns-provider} or C{challenge-impossible}.
        """
        self._do("present", name, value)

    def cleanup(self, name: str, value: str) -> None:
        """
        Remove exactly this record.

        @raise OrderFailed: C{dns-provider}.
        """
        self._do("cleanup", name, value)

    def _do(self, verb: str, name: str, value: str) -> None:
        if self._hook:
            self._run(verb, name, value)
        elif self._provider:
            self._ask_provider(verb, name, value)
        else:
            raise OrderFailed(
                OrderProblem.of(
                    "challenge-impossible",
                    name=name,
                    said='dns-01 needs acme.dns_provider or acme.dns_hook, or an order with "manual".',
                )
            )

    def _run(self, verb: str, name: str, value: str) -> None:
        program = self._hooks / self._hook
        try:
            found = program.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o022 or found.st_uid not in (0, os.geteuid()):
                raise _failed(name, f"{program} must be a program that nobody but the gate's user can write to.")
            # The hook is the administrator's own program, from a folder that only they can write to.
            done = subprocess.run(  # noqa: S603
                [str(program), verb, name, value],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _failed(name, f"{program} {verb} took more than {self._timeout:.0f} seconds.") from None
        except OSError as error:
            raise _failed(name, f"{program} cannot be run: {error.strerror}.") from error
        if done.returncode:
            last = (done.stderr or done.stdout).decode("utf-8", "replace").strip()[-300:]
            raise _failed(name, f"{program} {verb} ended with status {done.returncode}: {last}")

    def _ask_provider(self, verb: str, name: str, value: str) -> None:
        try:
            lexicon_client: Any = import_module("lexicon.client")
            lexicon_config: Any = import_module("lexicon.config")
        except ImportError:
            raise _failed(name, "dns-lexicon is not installed; install tlsgate[dns].") from None
        if self._resolver is not None:
            # What dns-lexicon asks; nothing else here uses it.
            dns_resolver: Any = import_module("dns.resolver")
            dns_resolver.default_resolver = found = dns_resolver.Resolver(configure=False)
            found.nameservers, found.port = [self._resolver[0]], self._resolver[1]
        parent = name.removeprefix("_acme-challenge.")
        asked = {
            "provider_name": self._provider,
            "domain": parent,
            # The zone is found by asking DNS, not from a list that would be downloaded.
            "resolve_zone_name": True,
            "ttl": 60,
        }
        config = lexicon_config.ConfigResolver().with_env().with_dict(asked)
        try:
            with lexicon_client.Client(config) as operations:
                change: Callable[..., Any] = operations.create_record if verb == "present" else operations.delete_record
                change(rtype="TXT", name=name, content=value)
        except Exception as error:  # providers raise whatever their HTTP library does: this is their edge
            raise _failed(name, f"{self._provider}: {type(error).__name__}: {error}"[:500]) from error


def _failed(name: str, said: str) -> OrderFailed:
    return OrderFailed(OrderProblem.of("dns-provider", name=name, said=said))
