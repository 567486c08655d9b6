"""
How each proxy is set up to do equal work: TLS with one ECDSA P-256 certificate, C{X-Forwarded-*} and HSTS set, a pool
of keep-alive connections to the upstream, one process (or one thread of work) unless told otherwise.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from ._certificates import Pair
from ._gate import Administrator
from ._processes import ProcessTree, Unavailable, free_port, wait_for_port

__all__ = ["PEERS", "Caddy", "Gate", "HAProxy", "Nginx", "Peer", "Work"]

HSTS = "max-age=31536000"


@attrs.frozen(kw_only=True)
class Work:
    """
    What a proxy is asked to do.

    @ivar pairs: further certificates, chosen by server name.
    @ivar workers: processes (or threads) that serve; the gate serves in its only process with 0, the others with one.
    """

    folder: Path
    pair: Pair
    upstream: int
    cores: str = "0"
    pairs: Sequence[Pair] = ()
    access_log: bool = False
    workers: int = 0

    @property
    def threads(self) -> int:
        """
        What a peer that has no supervisor apart is told.
        """
        return max(1, self.workers)


class Peer:
    """
    A proxy that runs.  Subclasses say how it is configured and how its certificate is replaced.

    @cvar name: as the table shows it.
    """

    name = ""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.port = free_port()
        work.folder.mkdir(parents=True)
        self._command = self.command()
        self._start()

    def _start(self) -> None:
        work = self.work
        self.process = ProcessTree(
            self.name, self._command, cores=work.cores, log=work.folder / "output.log", cwd=work.folder
        )
        try:
            self.started()
        except BaseException:
            self.process.stop()
            raise

    def start_again(self) -> None:
        """
        Stop, and return when it serves once more with what it has.
        """
        self.stop()
        self._start()

    def command(self) -> list[str]:
        """
        Write the configuration and return the command that serves it.
        """
        raise NotImplementedError

    def started(self) -> None:
        """
        Return when it serves.
        """
        wait_for_port(self.port, self.process, timeout=120)

    def replace(self, pair: Pair) -> None:
        """
        Make C{pair} the certificate for its name, the way the proxy's documentation says; may return early.
        """
        raise NotImplementedError

    def stop(self) -> None:
        self.process.stop()

    def write(self, name: str, content: str) -> Path:
        path = self.work.folder / name
        path.write_text(content)
        return path


class Nginx(Peer):
    name = "nginx"

    def command(self) -> list[str]:
        work, folder = self.work, self.work.folder
        log = f"{folder}/access.log combined" if work.access_log else "off"
        servers = [self.server("_", work.pair, "default_server")]
        servers += [self.server(pair.name, pair) for pair in work.pairs]
        path = self.write(
            "nginx.conf",
            f"""
daemon off;
worker_processes {work.threads};
worker_rlimit_nofile 19000;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 18000; }}
http {{
  access_log {log};
  keepalive_requests 1000000000;
  keepalive_timeout 600;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server_names_hash_max_size 16384;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:10m;
  map $http_upgrade $connection_field {{ default upgrade; "" ""; }}
  upstream origin {{
    server 127.0.0.1:{work.upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header Connection $connection_field;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $http_host;
  proxy_set_header X-Forwarded-Port $server_port;
  proxy_set_header X-Request-ID $request_id;
  add_header Strict-Transport-Security "{HSTS}" always;
{"".join(servers)}
}}
""",
        )
        return ["nginx", "-c", str(path), "-p", str(folder), "-e", str(folder / "error.log")]

    def server(self, name: str, pair: Pair, default: str = "") -> str:
        return (
            f"  server {{ listen 127.0.0.1:{self.port} ssl {default}{' backlog=4096' if default else ''};"
            f" server_name {name}; ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};"
            f" location / {{ proxy_pass http://origin; }} }}\n"
        )

    def replace(self, pair: Pair) -> None:
        """
        New files in the old one's place, then SIGHUP to the master, as C{nginx -s reload} sends it.
        """
        _overwrite(self.work, pair)
        master = int((self.work.folder / "nginx.pid").read_text())
        if master != self.process.process.pid:
            raise Unavailable("nginx's master is not the process that was started")
        self.process.process.send_signal(signal.SIGHUP)


class HAProxy(Peer):
    name = "haproxy"

    def command(self) -> list[str]:
        work, folder = self.work, self.work.folder
        certificates = folder / "certificates"
        certificates.mkdir()
        (certificates / "00-default.pem").write_bytes(work.pair.bundle.read_bytes())
        for pair in work.pairs:
            (certificates / f"{pair.name}.pem").write_bytes(pair.bundle.read_bytes())
        log = "log stdout format raw local0\n  option httplog" if work.access_log else ""
        path = self.write(
            "haproxy.cfg",
            f"""
global
  nbthread {work.threads}
  maxconn 9500
  ulimit-n 19900
  stats socket {folder}/admin.sock level admin
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  {log}
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
  timeout http-keep-alive 600s
  http-reuse always
frontend https
  bind 127.0.0.1:{self.port} ssl crt {certificates}/00-default.pem crt {certificates} backlog 4096
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Request-ID %[uuid()]
  http-response set-header Strict-Transport-Security {HSTS}
  default_backend origin
backend origin
  server origin 127.0.0.1:{work.upstream} pool-max-conn 256
""",
        )
        return ["haproxy", "-db", "-f", str(path)]

    def replace(self, pair: Pair) -> None:
        """
        C{set ssl cert} and C{commit ssl cert} over the runtime API.
        """
        path = self.work.folder / "certificates"
        path /= "00-default.pem" if pair.name == self.work.pair.name else f"{pair.name}.pem"
        for command in (f"set ssl cert {path} <<\n{pair.bundle.read_text()}\n", f"commit ssl cert {path}\n"):
            answer = self.runtime(command)
            if "Transaction" not in answer and "Success" not in answer:
                raise Unavailable(f"haproxy refused a certificate: {answer[:200]}")

    def runtime(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(60)
            control.connect(str(self.work.folder / "admin.sock"))
            control.sendall(command.encode())
            return b"".join(iter(lambda: control.recv(65536), b"")).decode()


class Caddy(Peer):
    name = "caddy"

    def command(self) -> list[str]:
        self.admin = free_port()
        work = self.work
        files = [{"certificate": str(p.certificate), "key": str(p.key)} for p in (work.pair, *work.pairs)]
        routes = [
            {
                "handle": [
                    {"handler": "headers", "response": {"set": {"Strict-Transport-Security": [HSTS]}}},
                    {
                        "handler": "reverse_proxy",
                        "headers": {"request": {"set": {"X-Request-ID": ["{http.request.uuid}"]}}},
                        "transport": {"protocol": "http", "keep_alive": {"max_idle_conns_per_host": 256}},
                        "upstreams": [{"dial": f"127.0.0.1:{work.upstream}"}],
                    },
                ]
            }
        ]
        server: dict[str, object] = {
            "listen": [f"127.0.0.1:{self.port}"],
            "protocols": ["h1"],
            "idle_timeout": "600s",
            "routes": routes,
            "tls_connection_policies": [{"default_sni": "localhost"}],
            "automatic_https": {"disable": True},
        }
        if work.access_log:
            server["logs"] = {}
        log = {"writer": {"output": "file", "filename": str(work.folder / "access.log")}, "level": "INFO"}
        document = {
            "admin": {"listen": f"127.0.0.1:{self.admin}", "config": {"persist": False}},
            "logging": {"logs": {"default": log if work.access_log else {"level": "ERROR"}}},
            "storage": {"module": "file_system", "root": str(work.folder / "storage")},
            "apps": {
                "http": {"servers": {"gate": server}},
                "tls": {"certificates": {"load_files": files}},
            },
        }
        self.configuration = self.write("caddy.json", json.dumps(document))
        # As a Go program it would use every core it sees: affinity already limits it; this keeps the equal footing.
        return ["env", f"GOMAXPROCS={work.threads}", f"HOME={work.folder}", "caddy", "run", "--config",
                str(self.configuration)]  # fmt: skip

    def replace(self, pair: Pair) -> None:
        """
        New files in the old one's place, then C{caddy reload --force}.
        """
        _overwrite(self.work, pair)
        command = ["taskset", "--cpu-list", self.work.cores, "caddy", "reload", "--force", "--config"]
        command += [str(self.configuration), "--address", f"127.0.0.1:{self.admin}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=self.work.folder)
        if done.returncode:
            raise Unavailable(f"caddy reload: {done.stderr[-300:]}")


#: More certificates than these are given to the gate in a folder.
MANY = 1000

#: Seconds for the gate to be ready; ten thousand certificates are read and checked one by one at the first start.
PATIENCE = 180


class Gate(Peer):
    name = "gate"

    def command(self) -> list[str]:
        work = self.work
        self.admin = free_port()
        self.state = work.folder / "state"
        # One change for each of thousands is not how thousands come: they lie in a folder.
        folder = work.pairs[0].bundle.parent if len(work.pairs) > MANY else None
        self.stored = () if folder is not None else work.pairs
        initial = self.write(
            "initial.toml",
            f"""
certificates_folder = "{folder or ""}"

[timeouts]
idle = 600

[[binding]]
name = "https"
scheme = "https"
endpoint = "tcp:{self.port}:interface=127.0.0.1:backlog=4096"

[[upstream]]
name = "app"
servers = [{{ url = "http://127.0.0.1:{work.upstream}" }}]

[[site]]
name = "default"
hosts = ["*"]
upstream = "app"
hsts = {{ enabled = true, max_age = 31536000 }}
""",
        )
        twistd = Path(__file__).parents[1] / ".venv" / "bin" / "twistd"
        return [
            str(twistd) if twistd.exists() else "twistd", "-n", "--pidfile=", "tlsgate",
            "--state", str(self.state), "--admin", f"tcp:{self.admin}:interface=127.0.0.1",
            "--workers", str(work.workers), "--initial", str(initial),
            "--access-log", str(work.folder / "access.log") if work.access_log else "none",
        ]  # fmt: skip

    def started(self) -> None:
        super().started()
        first = not hasattr(self, "administrator")
        if first:
            self.administrator = Administrator(self.admin, self.state)
        end = time.monotonic() + PATIENCE
        while not self.administrator.ready():
            self.process.check()
            if time.monotonic() > end:
                raise Unavailable(f"the gate was not ready within {PATIENCE} s: {self.process.tail()}")
            time.sleep(0.05)
        if first:
            self.replace(self.work.pair)
            for pair in self.stored:
                self.administrator.store(pair)
            self.rest()

    def rest(self) -> None:
        """
        Return when it does nothing: what is left to do after a start and after uploads is no work of the requests that are
        measured.
        """
        end = time.monotonic() + 10
        while time.monotonic() < end:
            before = self.process.cpu_seconds()
            time.sleep(0.5)
            if self.process.cpu_seconds() - before < 0.03:
                return

    def replace(self, pair: Pair) -> None:
        """
        One upload; it returns when every worker serves the certificate.
        """
        if pair.name == self.work.pair.name:
            self.administrator.upload(pair)
        else:
            self.administrator.store(pair)


def _overwrite(work: Work, pair: Pair) -> None:
    """
    Put the files of C{pair} where the configured pair of the same name has its own.
    """
    [old] = [known for known in (work.pair, *work.pairs) if known.name == pair.name]
    for source, target in ((pair.certificate, old.certificate), (pair.key, old.key), (pair.bundle, old.bundle)):
        fresh = target.with_suffix(".new")
        fresh.write_bytes(source.read_bytes())
        fresh.replace(target)


PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (Gate, Nginx, HAProxy, Caddy)}
