"""
A real ACME CA: Debian's Pebble and its DNS server, as processes of their own with every port on loopback.

C{Front} stands between the gate and Pebble where a test needs a CA that goes away, is slow, or has what Pebble lacks
(rate limits, renewal information): what it does not spoil is Pebble's own answer.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tlsgate.certificates import LocalAuthority

__all__ = ["MISSING", "Front", "Pebble", "free_port"]

MISSING = "" if shutil.which("pebble") and shutil.which("pebble-challtestsrv") else "pebble is not installed"


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """
    A port of loopback that nobody listens on now.
    """
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _free_for_both() -> int:
    while True:
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            try:
                other.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class EndedAtOnce(Exception):
    """
    A program could not begin.
    """


class Pebble:
    """
    Pebble with its DNS server, in which every name is 127.0.0.1.

    @ivar directory: URL.
    @ivar ca_file: trust for it.
    @ivar http_port: where it looks for http-01 answers.
    @ivar tls_port: where it looks for tls-alpn-01 answers.
    @ivar dns: host and port of the DNS server that it asks: its own, or another.
    """

    def __init__(
        self,
        folder: Path,
        *,
        http_port: int = 0,
        tls_port: int = 0,
        environ: Mapping[str, str] | None = None,
        binding_keys: Mapping[str, str] | None = None,
        dns: str = "",
    ) -> None:
        self.folder = folder
        self.http_port = http_port or free_port()
        self.tls_port = tls_port or free_port()
        self._given_dns = dns
        self.environ = {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": "0",
            "PEBBLE_AUTHZREUSE": "0",
            **(environ or {}),
        }
        self.authority = LocalAuthority.load_or_create(folder)
        self.ca_file = folder / "admin-ca.pem"
        issued = self.authority.issue(["localhost", "127.0.0.1"])
        self.certificate, self.key = folder / "pebble.pem", folder / "pebble.key"
        self.certificate.write_bytes(issued.chain)
        self.key.write_bytes(issued.key)
        self.config = folder / "pebble.json"
        self._binding_keys = dict(binding_keys or {})
        self.resolver: subprocess.Popen[bytes] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self._choose_ports()

    def _choose_ports(self) -> None:
        self.dns_port = _free_for_both()
        self.dns = self._given_dns or f"127.0.0.1:{self.dns_port}"
        self.control_port = free_port()
        self.api_port = free_port()
        self.management_port = free_port()
        self.config.write_text(
            json.dumps(
                {
                    "pebble": {
                        "listenAddress": f"127.0.0.1:{self.api_port}",
                        "managementListenAddress": f"127.0.0.1:{self.management_port}",
                        "certificate": str(self.certificate),
                        "privateKey": str(self.key),
                        "httpPort": self.http_port,
                        "tlsPort": self.tls_port,
                        "ocspResponderURL": "",
                        "externalAccountBindingRequired": bool(self._binding_keys),
                        "externalAccountMACKeys": self._binding_keys,
                    }
                }
            )
        )

    @property
    def directory(self) -> str:
        return f"https://localhost:{self.api_port}/dir"

    def start(self) -> Pebble:
        """
        Start both; where somebody took a port since it was chosen, on others.
        """
        for _ in range(4):
            try:
                self._start()
            except EndedAtOnce:
                self.stop()
                self._choose_ports()
            else:
                return self
        raise AssertionError(self.log())

    def _start(self) -> None:
        with (self.folder / "dns.log").open("ab") as log:
            self.resolver = subprocess.Popen(
                [
                    "pebble-challtestsrv",
                    *("-dns01", f"127.0.0.1:{self.dns_port}", "-management", f"127.0.0.1:{self.control_port}"),
                    *("-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""),
                ],
                stdout=log,
                stderr=log,
            )
        self.start_ca()
        _wait(self.control_port, self.resolver)

    def start_ca(self) -> None:
        with (self.folder / "pebble.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["pebble", "-config", str(self.config), "-dnsserver", self.dns],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environ},
            )
        _wait(self.api_port, self.process)

    def stop_ca(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        self.stop_ca()
        if self.resolver is not None:
            self.resolver.kill()
            self.resolver.wait()

    def log(self) -> str:
        return (self.folder / "pebble.log").read_text(errors="replace")

    def control(self, path: str, **content: Any) -> None:
        """
        Tell the DNS server what to answer: C{add-a}, C{add-caa}, C{set-txt}, C{set-servfail}, ...
        """
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.control_port}/{path}", json.dumps(content).encode(), method="POST"
        )
        with urllib.request.urlopen(asked, timeout=10):
            pass

    def management(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(
            f"https://localhost:{self.management_port}/{path}", timeout=10, context=context
        ) as response:
            content: bytes = response.read()
            return content

    def status_of(self, serial: int) -> str:
        """
        C{Valid} or C{Revoked}.
        """
        return str(json.loads(self.management(f"cert-status-by-serial/{serial:x}"))["Status"])


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            raise EndedAtOnce
        time.sleep(0.025)
    raise AssertionError("it does not listen")


Spoil = Callable[[str, str, bytes], "tuple[int, dict[str, str], bytes] | None"]
Amend = Callable[[str, int, bytes], bytes]


class Front:
    """
    A CA's front server: passes everything on to Pebble, but for what a test spoils.

    @ivar spoil: gets method, path and content; an answer of its own, or L{None} to pass the request on.
    @ivar amend: gets path, status and content of Pebble's answer.
    @ivar seen: method and path of each request.
    @ivar most: the most requests that were under way at once.
    """

    def __init__(self, pebble: Pebble, port: int = 0) -> None:
        self.pebble = pebble
        self.spoil: Spoil = lambda method, path, content: None
        self.amend: Amend = lambda path, status, content: content
        self.seen: list[tuple[str, str]] = []
        front = self

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                front._pass_on(self)

            do_POST = do_HEAD = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Request)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pebble.certificate, pebble.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def directory(self) -> str:
        return f"https://localhost:{self.port}/dir"

    def _pass_on(self, request: BaseHTTPRequestHandler) -> None:
        content = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.seen.append((request.command, request.path))
        answer = self.spoil(request.command, request.path, content)
        if answer is None:
            answer = self._ask(request, content)
        status, fields, body = answer
        request.send_response(status)
        for name, value in fields.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def _ask(self, request: BaseHTTPRequestHandler, content: bytes) -> tuple[int, dict[str, str], bytes]:
        context = ssl.create_default_context(cafile=str(self.pebble.ca_file))
        connection = http.client.HTTPSConnection("localhost", self.pebble.api_port, timeout=30, context=context)
        with contextlib.closing(connection):
            # With the front's own Host, so that Pebble's addresses lead here.
            fields = {"Host": f"localhost:{self.port}", "User-Agent": "front"}
            if content:
                fields["Content-Type"] = request.headers["Content-Type"]
            connection.request(request.command, request.path, content or None, fields)
            response = connection.getresponse()
            body = self.amend(request.path, response.status, response.read())
            kept = {
                name: ", ".join(response.headers.get_all(name) or ())
                for name in ("Content-Type", "Replay-Nonce", "Location", "Link", "Retry-After")
                if response.headers[name]
            }
            return response.status, kept, body

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def problem(code: str, status: int, detail: str = "spoiled", **fields: str) -> tuple[int, dict[str, str], bytes]:
    """
    A CA's refusal.
    """
    document = {"type": f"urn:ietf:params:acme:error:{code}", "detail": detail, "status": status}
    return status, {"Content-Type": "application/problem+json", **fields}, json.dumps(document).encode()
