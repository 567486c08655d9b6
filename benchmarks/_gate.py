"""
The gate's admin API, as far as benchmarks use it.
"""

from __future__ import annotations

import http.client
import json
import ssl
import uuid
from pathlib import Path

from ._certificates import Pair
from ._processes import Unavailable

__all__ = ["Administrator"]


class Administrator:
    """
    Speaks to one gate with an administrator's token, over one connection that is kept.
    """

    def __init__(self, port: int, state: Path) -> None:
        self._port = port
        self._state = state
        self._token = ""
        self._connection: http.client.HTTPSConnection | None = None

    def ready(self) -> bool:
        """
        Does every worker serve?
        """
        try:
            return self._call("GET", "/readyz", b"", {})[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def upload(self, pair: Pair) -> None:
        """
        Make the pair the default certificate of the https binding.
        """
        self._send("POST", "/app/https/settings/uploadCertificate", pair)

    def store(self, pair: Pair) -> None:
        """
        Hold the pair under its own name, to be chosen by server name.
        """
        self._send("PUT", f"/api/v1/certificates/{pair.name.replace('.', '-')}", pair)

    def change(self, patch: object) -> None:
        """
        Change members of the settings document (RFC 7396).
        """
        fields = {
            "Authorization": f"Bearer {self._administrator_token()}",
            "Content-Type": "application/merge-patch+json",
        }
        status, answer = self._call("PATCH", "/api/v1/settings", json.dumps(patch).encode(), fields)
        if status != 200:
            raise Unavailable(f"PATCH /api/v1/settings: {status} {answer[:300]!r}")

    def _send(self, method: str, path: str, pair: Pair) -> None:
        boundary = uuid.uuid4().hex
        body = b"".join(
            b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="%b.pem"\r\n\r\n%b\r\n'
            % (boundary.encode(), name, name, content.read_bytes())
            for name, content in ((b"certificate", pair.certificate), (b"key", pair.key))
        )
        fields = {
            "Authorization": f"Bearer {self._administrator_token()}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        status, answer = self._call(method, path, body + f"--{boundary}--\r\n".encode(), fields)
        if status not in (200, 201):
            raise Unavailable(f"{method} {path}: {status} {answer[:300]!r}")

    def _administrator_token(self) -> str:
        """
        Made once with the set-up token.
        """
        if not self._token:
            setup = (self._state / "setup-token").read_text().strip()
            body = json.dumps({"name": "benchmarks", "permissions": ["admin"]}).encode()
            fields = {"Authorization": f"Bearer {setup}", "Content-Type": "application/json"}
            status, answer = self._call("POST", "/api/v1/tokens", body, fields)
            if status not in (200, 201):
                raise Unavailable(f"no administrator token: {status} {answer[:300]!r}")
            self._token = str(json.loads(answer)["secret"])
        return self._token

    def _call(self, method: str, path: str, body: bytes, fields: dict[str, str]) -> tuple[int, bytes]:
        if self._connection is None:
            # The gate's own CA signed it; the benchmark measures the gate, it does not doubt it.
            context = ssl._create_unverified_context()
            self._connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=60, context=context)
        try:
            self._connection.request(method, path, body, {"Accept": "application/json", **fields})
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise
