"""
Load from wrk and h2load, with TLS parameters that the client fixes for every peer alike.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import attrs

from ._processes import Unavailable

__all__ = ["BROWSER", "TLS", "WrkResult", "h2load", "wrk"]

#: What every handshake negotiates, whatever the peer prefers.
TLS = "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, ECDSA P-256 certificate"

OPENSSL_CONFIGURATION = """
openssl_conf = default_conf
[default_conf]
ssl_conf = ssl_section
[ssl_section]
system_default = tls
[tls]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""

#: What a browser sends with a navigation: ten fields.
BROWSER = {
    "Host": "localhost",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cookie": "session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
}

SCRIPT = """
{fields}
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\nRESULT {{"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, ' ..
    '"refused": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}\\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
"""


@attrs.frozen(kw_only=True)
class WrkResult:
    """
    What wrk saw.  Latencies are microseconds.
    """

    requests: int
    seconds: float
    p50: int
    p99: int
    failures: int


def wrk(
    folder: Path,
    port: int,
    target: str,
    *,
    core: str,
    seconds: float,
    connections: int = 32,
    fields: dict[str, str] | None = None,
    tls: bool = True,
) -> WrkResult:
    """
    Load one target over keep-alive connections.

    @raise Unavailable: wrk is missing or gave no result.
    """
    script = folder / "load.lua"
    lines = [f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}" for k, v in (fields or {"Host": "localhost"}).items()]
    script.write_text(SCRIPT.format(fields="\n".join(lines)))
    configuration = folder / "openssl.cnf"
    configuration.write_text(OPENSSL_CONFIGURATION)
    url = f"{'https' if tls else 'http'}://localhost:{port}{target}"
    command = ["taskset", "--cpu-list", core, "env", f"OPENSSL_CONF={configuration}", "wrk", "--threads", "1"]
    command += ["--connections", str(connections), "--duration", f"{max(1, round(seconds))}s", "--script", str(script)]
    try:
        done = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"wrk: {error}") from error
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise Unavailable(f"wrk: {(done.stderr or done.stdout)[-300:]}")
    seen = json.loads(found[0].removeprefix("RESULT "))
    failures = sum(int(seen[name]) for name in ("refused", "read", "write", "status", "timeout"))
    return WrkResult(
        requests=seen["requests"], seconds=seen["microseconds"] / 1e6, p50=seen["p50"], p99=seen["p99"],
        failures=failures,
    )  # fmt: skip


def h2load(folder: Path, port: int, target: str, *, core: str, seconds: float, rate: int) -> int:
    """
    Open C{rate} connections at the beginning of each second, one request on each; h2load resumes no session.

    @return: how many answers were 2xx.

    @raise Unavailable: h2load is missing or gave no result.
    """
    count = rate * max(1, round(seconds))
    configuration = folder / "openssl.cnf"
    configuration.write_text(OPENSSL_CONFIGURATION)
    command = ["taskset", "--cpu-list", core, "env", f"OPENSSL_CONF={configuration}", "h2load", "--h1"]
    command += ["--requests", str(count), "--clients", str(count), "--rate", str(rate)]
    command += ["--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "--header", "Connection: close"]
    try:
        done = subprocess.run(
            [*command, f"https://localhost:{port}{target}"],
            capture_output=True, text=True, timeout=seconds + 60, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"h2load: {error}") from error
    found = re.search(r"^status codes: (\d+) 2xx", done.stdout, re.MULTILINE)
    if found is None:
        raise Unavailable(f"h2load: {(done.stderr or done.stdout)[-300:]}")
    return int(found[1])
