"""
An origin that is a function of its socket, for what no HTTP server would do; and readers of single messages.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "Script",
    "Stage",
    "abort",
    "exactly",
    "head_of",
    "message",
    "raw_origin",
    "site",
    "until",
    "until_closed",
    "upstream",
]

#: What to do with the connection of a number, counted from 1; it is closed afterwards.
Script = Callable[[socket.socket, int], None]


class Stage:
    """
    An origin for all tests of a module, each of which plays its own script on it.

    @ivar url: where it is.
    @ivar connections: how many there were since the script was chosen.
    """

    url = ""
    connections = 0
    _script: Script | None = None

    def __init__(self) -> None:
        self._open: set[socket.socket] = set()

    def play(self, script: Script) -> None:
        """
        Do this with connections from now on; they are counted from 1 again, and older ones end.
        """
        self._script = script
        self.connections = 0
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        time.sleep(0.02)

    def serve(self, connection: socket.socket, number: int) -> None:
        """
        The script of L{raw_origin}.
        """
        self.connections += 1
        self._open.add(connection)
        try:
            if self._script is not None:
                self._script(connection, self.connections)
        finally:
            self._open.discard(connection)

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Stage]:
        """
        A stage that is there for a while.
        """
        stage = cls()
        with raw_origin(stage.serve) as stage.url:
            yield stage


def upstream(name: str, *urls: str, **settings: object) -> str:
    """
    TOML of an upstream.
    """
    servers = ", ".join(f'{{ url = "{url}" }}' for url in urls)
    return f'[[upstream]]\nname = "{name}"\nservers = [{servers}]\n' + _lines(settings)


def site(name: str, upstream: str, *hosts: str, **settings: object) -> str:
    """
    TOML of a site; its host is its name unless others are given.
    """
    return f'[[site]]\nname = "{name}"\nupstream = "{upstream}"\n' + _lines(
        {"hosts": list(hosts) or [name], **settings}
    )


def _lines(settings: Mapping[str, object]) -> str:
    return "".join(f"{name} = {_toml(value)}\n" for name, value in settings.items())


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value)


@contextlib.contextmanager
def raw_origin(
    script: Script, *, context: ssl.SSLContext | None = None, family: int = socket.AF_INET, address: object = None
) -> Iterator[str]:
    """
    Accept connections and give each to a script in a thread of its own; yields the URL.
    """
    listener = socket.socket(family)
    listener.bind(address or ("127.0.0.1", 0))
    listener.listen(64)
    open_now: set[socket.socket] = set()

    def serve(connection: socket.socket, number: int) -> None:
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            open_now.add(connection)
            connection.settimeout(20)
            script(connection, number)
        except (OSError, ValueError):
            pass  # The gate left; the test sees what came before.
        finally:
            connection.close()

    def accept() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=serve, args=(connection, number), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        if family == socket.AF_UNIX:
            yield f"http+unix:{address}"
        else:
            yield f"{'http' if context is None else 'https'}://localhost:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in list(open_now):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def head_of(connection: socket.socket) -> bytes:
    """
    Read to the end of a head and not a byte further.

    @raise ValueError: the connection ended before.
    """
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ValueError(f"ended after {head!r}")
        head += byte
    return head


def message(connection: socket.socket, *, to_head: bool = False) -> tuple[bytes, bytes]:
    """
    Read one whole message: its head and its content, chunked framing left on.

    @param to_head: it answers HEAD.
    """
    head = head_of(connection)
    lower = head.lower()
    content = b""
    if to_head or head.split(b" ", 2)[1] in (b"204", b"304"):
        return head, content
    if b"\r\ncontent-length: " in lower:
        length = int(lower.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
        while len(content) < length:
            content += _more(connection, min(65536, length - len(content)))
    elif b"\r\ntransfer-encoding: chunked" in lower:
        while not content.endswith(b"0\r\n\r\n"):
            content += _more(connection, 1)
    return head, content


def exactly(connection: socket.socket, size: int) -> bytes:
    """
    Read so many bytes; fewer if the connection ends.
    """
    got = b""
    while len(got) < size and (more := connection.recv(size - len(got))):
        got += more
    return got


def _more(connection: socket.socket, most: int) -> bytes:
    got = connection.recv(most)
    if not got:
        raise ValueError("cut short")
    return got


def until_closed(connection: socket.socket, timeout: float) -> float | None:
    """
    Wait, reading, until the peer closes or resets.

    @return: seconds that took; C{None} if it had not after C{timeout}.
    """
    begun = time.monotonic()
    try:
        while (left := begun + timeout - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(65536):
                break
    except TimeoutError:
        return None
    except OSError:
        pass
    took = time.monotonic() - begun
    return took if took < timeout else None


def until(condition: Callable[[], object], timeout: float = 5.0) -> bool:
    """
    Look again and again until something is so.

    @return: whether it ever was.
    """
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def abort(connection: socket.socket) -> None:
    """
    Close with a reset.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
