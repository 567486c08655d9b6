"""
A DNS server with one zone, and the API by which PowerDNS lets it be changed: dns-lexicon and Pebble speak to both over
the network, as they would to the real thing.
"""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

__all__ = ["Zone"]

TOKEN = "the-token-of-the-zone"


class Zone:
    """
    Every name in it is 127.0.0.1; what else it has comes over the API.

    @ivar url: of the API.
    @ivar address: host and port of the DNS server.
    @ivar records: name and type to contents, as the API has them.
    @ivar changes: what the API was asked to change, in order: name, and how many contents it has then.
    """

    def __init__(self, name: str) -> None:
        self.name = dns.name.from_text(name)
        self.records: dict[tuple[str, str], list[str]] = {}
        self.changes: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        zone = self

        class Request(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(zone.described())

            def do_PATCH(self) -> None:
                zone.change(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self._answer(None)

            def _answer(self, content: object) -> None:
                wanted = f"/api/v1/servers/localhost/zones/{zone.name}"
                status = 401 if self.headers["X-API-Key"] != TOKEN else 200 if self.path == wanted else 404
                self.send_response(204 if status == 200 and content is None else status)
                self.end_headers()
                if status == 200 and content is not None:
                    self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._running = [threading.Thread(target=each) for each in (self._server.serve_forever, self._serve)]
        for each in self._running:
            each.start()

    def stop(self) -> None:
        """
        End both.
        """
        self._server.shutdown()
        self._server.server_close()
        self._socket.sendto(b"", self._socket.getsockname())
        for each in self._running:
            each.join()
        self._socket.close()

    # The API

    def described(self) -> dict[str, Any]:
        """
        The zone as the API shows it.
        """
        rrsets = [
            {
                "name": name,
                "type": kind,
                "ttl": 60,
                "records": [{"content": content, "disabled": False} for content in contents],
            }
            for (name, kind), contents in self.records.items()
        ]
        return {"name": str(self.name), "kind": "Native", "rrsets": rrsets}

    def change(self, asked: dict[str, Any]) -> None:
        """
        Replace or delete the records of a name.
        """
        for rrset in asked["rrsets"]:
            key = rrset["name"], rrset["type"]
            contents = [record["content"] for record in rrset["records"]]
            if rrset["changetype"] == "REPLACE" and contents:
                self.records[key] = contents
            else:
                self.records.pop(key, None)
            self.changes.append((rrset["name"], len(contents)))

    # DNS

    def _serve(self) -> None:
        while True:
            asked, peer = self._socket.recvfrom(4096)
            if not asked:
                return
            self._socket.sendto(self.answer(dns.message.from_wire(asked)).to_wire(), peer)

    def answer(self, asked: dns.message.Message) -> dns.message.Message:
        """
        The answer to a question.
        """
        said = dns.message.make_response(asked)
        said.flags |= dns.flags.AA
        question = asked.question[0]
        soa = dns.rrset.from_text(self.name, 60, "IN", "SOA", f"ns.{self.name} hostmaster.{self.name} 1 60 60 60 60")
        kind = dns.rdatatype.to_text(question.rdtype)
        contents = self.records.get((question.name.to_text().lower(), kind), [])
        if not question.name.is_subdomain(self.name):
            said.set_rcode(dns.rcode.REFUSED)
        elif kind == "SOA" and question.name == self.name:
            said.answer.append(soa)
        elif kind == "A":
            said.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", "127.0.0.1"))
        elif contents:
            said.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *contents))
        else:
            said.authority.append(soa)
        return said
