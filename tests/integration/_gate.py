"""
A gate started as a user starts it: C{twistd tlsgate} in a process of its own, with every port on loopback.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _certificates import Pair
from _clients import free_port, unverified

__all__ = ["Answer", "GateProcess"]


@dataclass(frozen=True)
class Answer:
    """
    A complete response.

    @ivar fields: in the order received.
    """

    status: int
    fields: list[tuple[str, str]]
    content: bytes

    def all(self, name: str) -> list[str]:
        """
        Every value of a field.
        """
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        """
        The value of a field that must not come twice; L{None} if it is absent.
        """
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str | None:
        """
        The stable code of a problem document; L{None} if this is none.
        """
        with contextlib.suppress(ValueError, AttributeError):
            found: str | None = self.json.get("code")
            return found
        return None


class GateProcess:
    """
    One gate and its state folder.  It can be stopped and started again over the same state.

    @ivar http: port of the plain binding.
    @ivar https: port of the TLS binding.
    @ivar admin: port of the admin API.
    """

    def __init__(
        self,
        folder: Path,
        upstream: str | None,
        *,
        workers: int = 0,
        options: Sequence[str] = (),
        initial: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """
        @param upstream: the URL to front; L{None} for the built-in demo application.
        @param options: further words for the command line.
        @param initial: TOML that follows the bindings of generation 1; with C{[[site]]} in it, the usual site and
            upstream are left out.
        """
        self.folder = folder
        self.state = folder / "state"
        self.log_file = folder / "twistd.log"
        self.access_log = folder / "access.log"
        self.upstream = upstream
        self.workers = workers
        self.options = list(options)
        self.initial = initial
        self.environment = dict(environment or {})
        self.http, self.https, self.admin = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._token = ""

    # -- its life

    def command(self) -> list[str]:
        """
        The words that start it.
        """
        twistd = Path(sys.executable).with_name("twistd")
        return [
            *(str(twistd), "-n", "--pidfile=", "tlsgate", "--state", str(self.state)),
            *("--admin", f"tcp:{self.admin}:interface=127.0.0.1", "--workers", str(self.workers)),
            *("--initial", str(self._write_initial()), "--access-log", str(self.access_log), *self.options),
        ]

    def start(self, timeout: float = 30.0) -> GateProcess:
        """
        Start it and return when C{/readyz} says that it serves.
        """
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            status = self.process.poll()
            assert status is None, f"twistd ended with {status}:\n{self.log()[-3000:]}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.call("GET", "/readyz", token=None).status == 200:
                    return self
            time.sleep(0.05)
        self.stop(signal.SIGKILL)
        raise AssertionError(f"not ready within {timeout:.0f} s:\n{self.log()[-3000:]}")

    def stop(self, number: int = signal.SIGTERM, timeout: float = 40.0) -> int:
        """
        Send a signal, wait for the end, return the exit status; what is left of its process group is killed.
        """
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def log(self) -> str:
        """
        All that twistd has logged.
        """
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def _write_initial(self) -> Path:
        binding = '[[binding]]\nname = "{0}"\nscheme = "{0}"\nendpoint = "tcp:{1}:interface=127.0.0.1"\n'.format
        document = binding("http", self.http) + binding("https", self.https) + self.initial
        if self.upstream is not None and "[[site]]" not in self.initial:
            document += f'[[upstream]]\nname = "app"\nservers = [{{ url = "{self.upstream}" }}]\n'
            document += '[[site]]\nname = "default"\nhosts = ["*"]\nupstream = "app"\n'
        path = self.folder / "initial.toml"
        path.write_text(document)
        return path

    # -- its administrator

    @property
    def token(self) -> str:
        """
        An administrator's token, made with the set-up token when it is first wanted.
        """
        if not self._token:
            setup = (self.state / "setup-token").read_text().strip()
            answer = self.call("POST", "/api/v1/tokens", {"name": "tests", "permissions": ["admin"]}, token=setup)
            assert answer.status in (200, 201), answer
            self._token = str(answer.json["secret"])
        return self._token

    def call(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        token: str | None = "",
        fields: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """
        One call of the admin API.

        @param document: sent as JSON.
        @param token: the empty string for the administrator's, L{None} for none.
        @param content: sent instead of a document, as C{fields} describe it.
        """
        head = {"Accept": "application/json", **(fields or {})}
        if token is not None:
            head["Authorization"] = f"Bearer {token or self.token}"
        if document is not None:
            content = json.dumps(document).encode()
            head.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPSConnection("127.0.0.1", self.admin, timeout=30, context=unverified())
        with contextlib.closing(connection):
            return _exchange(connection, method, path, head, content)

    def upload(
        self,
        pair: Pair | None = None,
        *,
        method: str = "POST",
        path: str = "/app/https/settings/uploadCertificate",
        token: str | None = "",
        **parts: bytes | str | Path,
    ) -> Answer:
        """
        Upload a certificate and its key as C{multipart/form-data}; further or other parts by keyword.
        """
        if pair is not None:
            parts = {"certificate": pair.certificate, "key": pair.key, **parts}
        kind, content = multipart(parts)
        return self.call(method, path, token=token, content=content, fields={"Content-Type": kind})

    # -- its clients

    def get(self, target: str = "/echo", **options: Any) -> Answer:
        """
        A GET over HTTPS; see L{request}.
        """
        return self.request("GET", target, **options)

    def request(
        self,
        method: str,
        target: str,
        *,
        secure: bool = True,
        host: str = "localhost",
        fields: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """
        One exchange on a connection of its own.
        """
        with self.connection(secure) as connection:
            return _exchange(connection, method, target, {"Host": host, **(fields or {})}, content)

    @contextlib.contextmanager
    def connection(self, secure: bool = True) -> Iterator[http.client.HTTPConnection]:
        """
        A client connection to the gate that may carry several exchanges.
        """
        if secure:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.https, timeout=20, context=unverified()
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=20)
        with contextlib.closing(connection):
            yield connection


def _exchange(
    connection: http.client.HTTPConnection, method: str, target: str, fields: Mapping[str, str], content: bytes | None
) -> Answer:
    connection.putrequest(method, target, skip_host="Host" in fields, skip_accept_encoding=True)
    for name, value in fields.items():
        connection.putheader(name, value)
    if content is not None:
        connection.putheader("Content-Length", str(len(content)))
    connection.endheaders(content)
    response = connection.getresponse()
    return Answer(response.status, response.getheaders(), response.read())


def multipart(parts: Mapping[str, bytes | str | Path]) -> tuple[str, bytes]:
    """
    A content type and the content it describes; a path becomes a file of its own name.
    """
    boundary = uuid.uuid4().hex
    content = b""
    for name, value in parts.items():
        content += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if isinstance(value, Path):
            content += f'; filename="{value.name}"\r\nContent-Type: application/octet-stream'.encode()
        content += b"\r\n\r\n" + _bytes(value) + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", content + f"--{boundary}--\r\n".encode()


def _bytes(value: bytes | str | Path) -> bytes:
    if isinstance(value, Path):
        return value.read_bytes()
    return value.encode() if isinstance(value, str) else value
