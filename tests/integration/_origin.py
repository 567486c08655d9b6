"""
A real HTTP/1.1 server on loopback whose answers each test chooses, down to the byte.

An answer is a function that is given a L{Conversation} after a request was read whole; or plain bytes, sent as they
are.  L{echo} is the answer of every target that has none.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Answering", "Conversation", "Origin", "Received", "echo", "pieces", "reset", "response", "silence"]


@dataclass(frozen=True)
class Received:
    """
    A request as it reached the origin.

    @ivar head: its bytes, the empty line included.
    @ivar content: after chunked framing was taken off.
    @ivar trailers: the trailer section's lines.
    @ivar connection: counts the origin's connections from 1.
    """

    head: bytes
    content: bytes
    connection: int
    trailers: tuple[bytes, ...] = ()

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode()

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def all(self, name: str) -> list[str]:
        """
        Every value of a field.
        """
        return [value for field_name, value in self.fields if field_name.lower() == name.lower()]


@dataclass
class Conversation:
    """
    What an answer may do.

    @ivar keep: read another request from this connection afterwards.
    """

    socket: socket.socket
    request: Received
    stopping: threading.Event
    keep: bool = True

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, limit: int = 65536) -> bytes:
        """
        Bytes of a tunnel; empty when the peer ended.
        """
        return self.socket.recv(limit)

    def wait(self, seconds: float) -> None:
        """
        Be silent; ends early when the origin stops.
        """
        self.stopping.wait(seconds)

    def half_close(self) -> None:
        """
        End this direction only.
        """
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """
        End with RST instead of FIN.
        """
        self.keep = False
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Answering = bytes | Callable[[Conversation], None]


def response(status: int = 200, content: bytes = b"", *fields: str) -> bytes:
    """
    A plain response with its length.
    """
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(content)}", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def echo(conversation: Conversation) -> None:
    """
    Answer with the request as JSON: C{method}, C{target}, C{fields} and the C{content}'s length.
    """
    seen = conversation.request
    document = {"method": seen.method, "target": seen.target, "fields": seen.fields, "content": len(seen.content)}
    content = json.dumps(document).encode()
    answer = response(200, content, "Content-Type: application/json")
    conversation.send(answer.removesuffix(content) if seen.method == "HEAD" else answer)


def pieces(*parts: bytes, pause: float = 0.05, close: bool = True) -> Answering:
    """
    An answer sent in parts with pauses between them, so that they arrive one by one.
    """

    def answer(conversation: Conversation) -> None:
        for part in parts:
            conversation.send(part)
            conversation.wait(pause)
        conversation.keep = not close

    return answer


def reset(first: bytes = b"") -> Answering:
    """
    An answer that breaks off with RST after C{first}.
    """

    def answer(conversation: Conversation) -> None:
        if first:
            conversation.send(first)
            # Otherwise the reset may overtake the bytes in the peer's kernel and discard them.
            time.sleep(0.1)
        conversation.reset()

    return answer


def silence(seconds: float = 60.0) -> Answering:
    """
    No answer for a while, then the end.
    """

    def answer(conversation: Conversation) -> None:
        conversation.wait(seconds)
        conversation.keep = False

    return answer


@dataclass
class Origin:
    """
    A running origin.

    @ivar requests: what it received, in order; the list only grows.
    @ivar connections: how many it accepted.
    """

    answers: dict[str, Answering] = field(default_factory=dict)
    requests: list[Received] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def answer(self, path: str, answering: Answering) -> None:
        """
        Choose what requests for a path (the target up to C{?}) get from now on.
        """
        self.answers[path] = answering

    def requests_for(self, path: str) -> list[Received]:
        """
        What was received for a path.
        """
        return [request for request in self.requests if request.target.partition("?")[0] == path]

    def stop(self) -> None:
        """
        Stop listening and end every connection.
        """
        self._stopping.set()
        # A blocked accept is not woken by close alone.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = _Reader(connection)
        try:
            with connection:
                while (request := reader.request(number)) is not None:
                    self.requests.append(request)
                    conversation = Conversation(connection, request, self._stopping)
                    answering = self.answers.get(request.target.partition("?")[0], echo)
                    if isinstance(answering, bytes):
                        conversation.send(answering)
                    else:
                        answering(conversation)
                    if not conversation.keep:
                        return
        except (OSError, ValueError, IndexError):
            # The peer left, or sent what no gate may send; the requests that are missing tell the test.
            pass
        finally:
            self._open.discard(connection)


class _Reader:
    """
    Reads requests from a socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = b""

    def request(self, number: int) -> Received | None:
        """
        The next request, whole; L{None} at the end.
        """
        while b"\r\n\r\n" not in self._held:
            if not self._more():
                return None
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        bare = Received(head, b"", number)
        if [value.lower() for value in bare.all("expect")] == ["100-continue"]:
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if bare.all("transfer-encoding"):
            content, trailers = self._chunked()
            return Received(head, content, number, trailers)
        [length] = bare.all("content-length") or ["0"]
        return Received(head, self._exactly(int(length)), number)

    def _chunked(self) -> tuple[bytes, tuple[bytes, ...]]:
        content = b""
        while size := int(self._line().partition(b";")[0], 16):
            content += self._exactly(size)
            if self._line():
                raise ValueError("a chunk is longer than its size")
        trailers = []
        while line := self._line():
            trailers.append(line)
        return content, tuple(trailers)

    def _line(self) -> bytes:
        while b"\r\n" not in self._held:
            self._need()
        line, _, self._held = self._held.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size > len(self._held):
            parts.append(self._held)
            size -= len(self._held)
            self._held = b""
            self._need()
        parts.append(self._held[:size])
        self._held = self._held[size:]
        return b"".join(parts)

    def _need(self) -> None:
        if not self._more():
            raise ValueError("the request ended early")

    def _more(self) -> bool:
        got = self._connection.recv(65536)
        self._held += got
        return bool(got)
