"""
What can be asked of one gate's admin API.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from treq.client import HTTPClient
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from ._change import KEEP, Change, Reply
from ._events import Event, EventStream
from ._long import Progress, outcome_of
from ._problem import Refused
from ._wire import CALL_TIMEOUT, UNREACHABLE, Content, Unreachable, encoded, https_agent, read, reason_of, socket_agent

__all__ = ["AdminClient"]

#: A JSON object as the API sends it.
Document: TypeAlias = dict[str, Any]


class AdminClient:
    """
    Asks one gate's admin API.

    @ivar base: the URL that paths are appended to.
    @ivar reactor: whose clock is used.
    """

    def __init__(self, agent: IAgent, base: str, *, reactor: Any, token: str | None = None) -> None:
        """
        @param agent: makes the requests; see L{over_socket} and L{over_https} for the usual ones.
        @param base: as C{https://127.0.0.1:8444}.
        @param reactor: for the deadline of each call.
        """
        self._http = HTTPClient(agent)
        self.base = base.rstrip("/")
        self.reactor = reactor
        self._token = token

    @classmethod
    def over_socket(cls, reactor: Any, path: Path) -> AdminClient:
        """
        A client of the UNIX socket in the state folder; the file's permission is the credential.
        """
        return cls(socket_agent(reactor, path), "http://localhost", reactor=reactor)

    @classmethod
    def over_https(
        cls,
        reactor: Any,
        url: str,
        *,
        token: str | None = None,
        trusted: bytes | None = None,
        identity: bytes | None = None,
    ) -> AdminClient:
        """
        A client over HTTPS.

        @param url: as C{https://127.0.0.1:8444}.
        @param trusted: PEM certificates of the CAs to trust, such as the content of C{STATE/admin-ca.pem}; C{None} for
            the system's.
        @param identity: client certificate, its chain and its key, PEM, where the gate asks for one.

        @raise ValueError: the URL is not https, C{trusted} holds no certificate, or C{identity} no usable one.
        """
        return cls(https_agent(reactor, url, trusted, identity), url, reactor=reactor, token=token)

    # -- any call

    async def call(
        self,
        method: str,
        path: str,
        *,
        document: Any = None,
        form: Mapping[str, bytes | str] | None = None,
        query: Iterable[tuple[str, str]] = (),
        fields: Mapping[str, str] | None = None,
    ) -> Reply:
        """
        Ask anything.

        @param document: sent as JSON; C{None} for none.
        @param form: sent as C{multipart/form-data}; a value of bytes is a file.

        @raise Problem: the gate refuses.
        @raise Unreachable: no gate answered.
        """
        head = {"Accept": "application/json", **(fields or {})}
        content: bytes | None = None
        if form is not None:
            head["Content-Type"], content = encoded(form)
        elif document is not None:
            head.setdefault("Content-Type", "application/json")
            content = json.dumps(document).encode("utf-8")
        pairs = list(query)
        target = path + (f"?{urlencode(pairs, quote_via=quote)}" if pairs else "")
        response = await self._request(method, target, head, content)
        return self._reply(response, await self._read(response))

    async def events(self, path: str = "/api/v1/events", *, after: int | None = None) -> AsyncGenerator[Event, None]:
        """
        What happens, as it happens, until the gate ends it: never, except where C{path} is of one order or operation.
        Whoever leaves the loop early closes the connection with C{contextlib.aclosing}.

        @param after: the number of the last event that was seen, to go on from there; C{None} for from now on.

        @raise Problem: the gate refuses.
        @raise Unreachable: no gate answered, or the connection broke; go on with the number of the last event.
        """
        fields = {"Accept": "text/event-stream"}
        if after is not None:
            fields["Last-Event-ID"] = str(after)
        response = await self._request("GET", path, fields, None)
        if response.code != 200:
            self._reply(response, await self._read(response))
        stream = EventStream(self.reactor)
        response.deliverBody(stream)
        try:
            while (event := await stream.next()) is not None:
                yield event
        finally:
            stream.close()

    async def _request(self, method: str, target: str, head: Mapping[str, str], content: bytes | None) -> Any:
        fields = dict(head)
        if self._token:
            fields["Authorization"] = f"Bearer {self._token}"
        try:
            return await self._http.request(
                method,
                self.base + target,
                headers=Headers({name: [value] for name, value in fields.items()}),
                data=None if content is None else Content(content),
                allow_redirects=False,
                unbuffered=True,
                timeout=CALL_TIMEOUT,
                reactor=self.reactor,
            )
        except UNREACHABLE as error:
            raise self._unreachable(error) from error

    async def _read(self, response: Any) -> bytes:
        try:
            return await read(response)
        except UNREACHABLE as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: BaseException) -> Unreachable:
        return Unreachable(f"{_shown(self.base)} is not reachable: {reason_of(error)}")

    def _reply(self, response: Any, content: bytes) -> Reply:
        fields = response.headers
        document = None
        if "json" in (fields.getRawHeaders("content-type") or [""])[0]:
            try:
                document = json.loads(content)
            except ValueError:
                document = None
        if response.code >= 300:
            if not isinstance(document, dict) or "code" not in document:
                raise Unreachable(f"{_shown(self.base)} answered {response.code}, but is not the admin API of a gate.")
            raise Refused(document)
        tag = (fields.getRawHeaders("etag") or [""])[0].strip('"')
        return Reply(
            status=response.code,
            document=document,
            content=content,
            location=(fields.getRawHeaders("location") or [""])[0],
            generation=int(tag) if tag.isascii() and tag.isdecimal() else None,
        )

    async def show(self, path: str, query: Iterable[tuple[str, str]] = ()) -> Document:
        """
        What is at a path, a JSON object.
        """
        document: Document = (await self.call("GET", path, query=query)).document
        return document

    async def change(
        self,
        method: str,
        path: str,
        document: Any = None,
        change: Change = KEEP,
        *,
        form: Mapping[str, bytes | str] | None = None,
        merge: bool = False,
        progress: Progress | None = None,
        query: Iterable[tuple[str, str]] = (),
    ) -> Document:
        """
        Change what is at a path.

        @param query: parameters beside those of every change.
        @param merge: the document is a merge patch (RFC 7396).
        @param progress: where the change is long work, it is followed, and this called with how much is done, of how
            much, and the present step.

        @return: the answer to a change: C{generation}, C{workers}, C{findings}, C{confirm_by}, C{script}, the object.
        """
        fields = {} if change.if_match is None else {"If-Match": f'"{change.if_match}"'}
        if merge:
            fields["Content-Type"] = "application/merge-patch+json"
        if progress is not None:
            fields["Prefer"] = "respond-async"
        reply = await self.call(
            method, path, document=document, form=form, query=[*change.query(), *query], fields=fields
        )
        if progress is not None and reply.status == 202:
            return await outcome_of(self.events(f"{reply.location}/events"), progress)
        return reply.document if isinstance(reply.document, dict) else {}

    # -- what there is to see

    async def status(self) -> Document:
        """
        What is served, by which worker.
        """
        return await self.show("/api/v1/status")

    async def settings(self) -> Document:
        """
        The settings document in force.
        """
        return await self.show("/api/v1/settings")

    async def certificates(self) -> list[Document]:
        """
        All certificates.
        """
        return _listed(await self.show("/api/v1/certificates"), "certificates")

    async def certificate(self, name: str) -> Document:
        """
        One certificate, never its key.
        """
        return await self.show(_path("certificates", name))

    async def chain(self, name: str) -> bytes:
        """
        A certificate and its chain, PEM.
        """
        reply = await self.call("GET", _path("certificates", name) + "/chain.pem", fields={"Accept": "*/*"})
        return reply.content

    async def entries(self, kind: str) -> list[Document]:
        """
        All entries of C{bindings}, C{sites} or C{upstreams}.
        """
        return _listed(await self.show(_path(kind)), kind)

    async def bindings(self) -> list[Document]:
        """
        All bindings, with the port that each listens on.
        """
        return await self.entries("bindings")

    async def sites(self) -> list[Document]:
        """
        All sites.
        """
        return await self.entries("sites")

    async def upstreams(self) -> list[Document]:
        """
        All upstreams, with the state of each server.
        """
        return await self.entries("upstreams")

    async def generations(self) -> list[Document]:
        """
        The history, newest first.
        """
        return _listed(await self.show("/api/v1/generations"), "generations")

    async def tokens(self) -> list[Document]:
        """
        All tokens, without their secrets.
        """
        return _listed(await self.show("/api/v1/tokens"), "tokens")

    # -- what can be changed

    async def upload(self, parts: Mapping[str, bytes | str], change: Change = KEEP, activate_at: str = "") -> Document:
        """
        Store a certificate and make it the https binding's default.

        @param parts: C{certificate} and C{key}; and C{chain}, C{password}, C{name}, C{port}.
        @param activate_at: keep it aside until this time, RFC 3339 in UTC; empty to serve it at once.
        """
        path = "/app/https/settings/uploadCertificate"
        return await self.change("POST", path, change=change, form=parts, query=_from(activate_at))

    async def put_certificate(
        self, name: str, parts: Mapping[str, bytes | str], change: Change = KEEP, activate_at: str = ""
    ) -> Document:
        """
        Store a certificate that serves its own names.

        @param parts: C{certificate} and C{key} (and C{chain}), or C{pfx}; and C{password}.
        @param activate_at: as for L{upload}.
        """
        path = _path("certificates", name)
        return await self.change("PUT", path, change=change, form=parts, query=_from(activate_at))

    async def put_batch(
        self, certificates: Iterable[Document], change: Change = KEEP, progress: Progress | None = None
    ) -> Document:
        """
        Store many certificates as one change, all of them or none.

        @param certificates: objects with C{name}, and C{certificate} and C{key} (and C{chain}), or C{pfx} in base64; and
            C{password}.
        @param progress: see L{change}.
        """
        document = {"certificates": list(certificates)}
        return await self.change("POST", "/api/v1/certificates/batch", document, change, progress=progress)

    async def put_settings(self, document: Document, change: Change = KEEP) -> Document:
        """
        Replace the settings document.
        """
        return await self.change("PUT", "/api/v1/settings", document, change)

    async def patch_site(self, name: str, patch: Document, change: Change = KEEP) -> Document:
        """
        Change members of a site (RFC 7396).
        """
        return await self.change("PATCH", _path("sites", name), patch, change, merge=True)

    async def remove(self, kind: str, name: str, change: Change = KEEP) -> Document:
        """
        Remove one of C{certificates}, C{bindings}, C{sites}, C{upstreams}.
        """
        return await self.change("DELETE", _path(kind, name), change=change)

    async def rollback(self, number: int, change: Change = KEEP) -> Document:
        """
        Make a new generation with the content of an old one.
        """
        return await self.change("POST", f"/api/v1/generations/{number}/rollback", change=change)

    async def confirm(self, number: int) -> Document:
        """
        Keep a generation that would be undone.  Each call has a connection of its own, so that it proves the new path.
        """
        return await self.change("POST", f"/api/v1/generations/{number}/confirm")

    async def make_token(self, document: Document) -> Document:
        """
        Make a token; C{secret} is shown only in this answer.
        """
        return await self.change("POST", "/api/v1/tokens", document)

    async def revoke_token(self, ident: str) -> None:
        """
        Revoke a token.
        """
        await self.change("DELETE", _path("tokens", ident))


def _path(kind: str, *names: str) -> str:
    return "/".join(("/api/v1", kind, *(quote(name, safe="") for name in names)))


def _from(activate_at: str) -> list[tuple[str, str]]:
    return [("activate_at", activate_at)] if activate_at else []


def _listed(document: Document, member: str) -> list[Document]:
    found: list[Document] = document[member]
    return found


def _shown(base: str) -> str:
    return "the admin socket" if base == "http://localhost" else base
