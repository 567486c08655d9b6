"""
The command C{twistd tlsgate}: its options, and the service that they describe.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Sequence
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from .application_log import ApplicationLog
from .settings import GateOptions, OptionRefused, read_options

__all__ = ["Options", "makeService"]


class Options(usage.Options):
    """
    What can be asked of C{twistd tlsgate}.

    @ivar gate: the options, parsed and checked; there after L{parseOptions}.
    """

    synopsis = "[options]"
    longdesc = (
        "Put HTTPS in front of an HTTP server that has none. "
        "Options and --config pin what they set: the admin API refuses to change it."
    )
    optParameters = [
        ["admin", None, "tcp:8444:interface=127.0.0.1", "Where the admin API listens over HTTPS, or 'none'."],
        ["config", None, None, "A TOML document; what it names is pinned."],
        ["initial", None, None, "A TOML document that becomes generation 1 of an empty state folder, not pinned."],
        ["state", None, None, "The state folder. [default: $STATE_DIRECTORY, else tlsgate-state]"],
        ["store", None, None, "Reserved for settings that nodes share; refused as yet."],
        ["workers", None, "auto", "Processes that serve: 'auto' is one per core, 0 serves in this one."],
        ["access-log", None, None, "A file, '-' or 'none'. [default: standard output with -n]"],
        ["access-log-format", None, "combined", "combined or json."],
        ["drain-timeout", None, None, "Seconds that SIGTERM waits for running exchanges. [default: 30]"],
    ]

    gate: GateOptions

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Twisted's usage is not typed
        self._upstream: list[str] = []
        self._http: list[str] = []
        self._https: list[str] = []

    def opt_upstream(self, url: str) -> None:
        """
        http://host:port, https://host[:port] (verified) or http+unix:/path; several are balanced. [default: a demo].
        """
        self._upstream.append(url)

    def opt_http(self, endpoint: str) -> None:
        """
        A port, a server endpoint (tcp:, unix:, systemd:) or 'none'; may be given several times. [default: tcp:8080].
        """
        self._http.append(endpoint)

    def opt_https(self, endpoint: str) -> None:
        """
        The same, TLS terminated by the gate. [default: tcp:8443].
        """
        self._https.append(endpoint)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Parse and check; what is wrong goes to standard error, and the exit status is 2 (twistd's own would be 1, with
        the whole usage text).
        """
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call] # Twisted's usage is not typed
        except usage.UsageError as error:
            for line in str(error).splitlines() or ["unusable options"]:
                sys.stderr.write(f"tlsgate: {line}\n")
            raise SystemExit(2) from None

    def parseArgs(self, *arguments: str) -> None:
        """
        There are none.
        """
        if arguments:
            raise usage.UsageError(f"{arguments[0]!r} is not an option")

    def postOptions(self) -> None:
        """
        Check everything together.
        """
        parent: Any = getattr(self, "parent", None) or {}
        try:
            self.gate = read_options(
                upstream=self._upstream,
                http=self._http,
                https=self._https,
                admin=self["admin"],
                config=self["config"],
                initial=self["initial"],
                state=self["state"],
                store=self["store"],
                workers=self["workers"],
                access_log=self["access-log"],
                access_log_format=self["access-log-format"],
                drain_timeout=self["drain-timeout"],
                environ=os.environ,
                foreground=bool(parent.get("nodaemon")),
            )
        except OptionRefused as error:
            raise usage.UsageError(str(error)) from None


def makeService(options: Options) -> IService:
    """
    The service that C{twistd} runs.
    """
    # Imported here so that `twistd tlsgate --help` and a bad option answer at once.
    from .service import make_service  # noqa: PLC0415

    twistd: Any = getattr(options, "parent", None) or {}
    return make_service(options.gate, ApplicationLog(twistd), _owner(twistd))


def _owner(twistd: Any) -> tuple[int, int] | None:
    """
    Whom C{twistd --uid --gid} makes of the process.
    """
    user, group = twistd.get("uid"), twistd.get("gid")
    if user is None and group is None:
        return None
    if group is None:
        # As twistd does it.
        group = pwd.getpwuid(user).pw_gid
    return (os.geteuid() if user is None else user), group
