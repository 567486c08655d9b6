"""
Every kind of traffic at once, from one process; C{python -m benchmarks._mixed PORT --seconds N} prints JSON.

Each kind counts what was done, what failed, and, where a connection is kept, how often it was closed under the client.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import ssl
import struct
import sys
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

from ._application import SIZES

Seen = dict[str, dict[str, int]]

#: Seconds that one exchange may take before it has failed.
PATIENCE = 30.0
UPLOAD = 256 * 1024
#: What a slow reader takes at once, and its pause: a quarter of a megabyte a second.
SIP, SIP_PAUSE = 8192, 0.03


class Failed(Exception):
    """
    An exchange did not end as it should.
    """


class Connection:
    """
    One connection to the gate and its exchanges, one after the other.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def ended(self) -> bool:
        """
        Did the gate close it while nothing was asked?
        """
        return self.reader.at_eof()

    async def ask(self, head: bytes, content: bytes = b"") -> int:
        """
        Send a request and read its answer's head; the length of the content that follows.
        """
        self.writer.write(head + b"Host: localhost\r\n\r\n" + content)
        await self.writer.drain()
        answer = await self.reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise Failed(answer.split(b"\r\n")[0].decode("latin-1"))
        return int(answer.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0])

    async def get(self, target: bytes) -> None:
        """
        One whole exchange.
        """
        length = await self.ask(b"GET %b HTTP/1.1\r\n" % target)
        if length != SIZES[target] or (await self.reader.readexactly(length)).strip(b"x"):
            raise Failed("another content")

    def reset(self) -> None:
        """
        Vanish: RST, no close_notify.
        """
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Traffic:
    """
    All of it.

    @ivar seen: kind to what was counted.
    @ivar reasons: how failures were told, the first few of each kind.
    """

    def __init__(self, port: int, seconds: float, tunnels: int) -> None:
        self.port = port
        self.tunnels = tunnels
        self.end = time.monotonic() + seconds
        self.seen: Seen = {}
        self.reasons: list[str] = []
        self.random = random.Random(1)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    async def run(self) -> None:
        """
        Until the time is over.
        """
        kinds: list[tuple[str, int, Callable[[str], Awaitable[None]]]] = [
            ("kept", 8, self.kept),
            ("new", 2, self.new),
            ("upload", 2, self.upload),
            ("download", 1, self.download),
            ("slow reader", 2, self.slow_reader),
            ("tunnel", self.tunnels, self.tunnel),
            ("aborted", 2, self.aborted),
        ]
        for kind, _, _ in kinds:
            self.seen[kind] = {"done": 0, "failures": 0, "closed": 0}
        await asyncio.gather(*(work(kind) for kind, number, work in kinds for _ in range(number)))

    @property
    def going(self) -> bool:
        return time.monotonic() < self.end

    @contextlib.asynccontextmanager
    async def connection(self, kind: str) -> AsyncIterator[Connection]:
        """
        A connection; whatever goes wrong on it is a failure of its kind.
        """
        writer = None
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self.port, ssl=self._context, server_hostname="localhost"
                )
            yield Connection(reader, writer)
        except (OSError, EOFError, ValueError, Failed) as reason:
            self.seen[kind]["failures"] += 1
            if len(self.reasons) < 20:
                self.reasons.append(f"{kind}: {type(reason).__name__}: {reason}")
            await asyncio.sleep(0.1)
        finally:
            if writer is not None:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def over(self, kind: str, exchange: Callable[[Connection, int], Awaitable[None]], pause: float) -> None:
        """
        One exchange after the other over a kept connection, a new one after every 100.
        """
        while self.going:
            async with self.connection(kind) as connection:
                for number in range(100):
                    if connection.ended:
                        self.seen[kind]["closed"] += 1
                        break
                    if not self.going:
                        break
                    async with asyncio.timeout(PATIENCE):
                        await exchange(connection, number)
                    self.seen[kind]["done"] += 1
                    await asyncio.sleep(pause)

    async def kept(self, kind: str) -> None:
        targets = (b"/hello", b"/1k", b"/100k")
        await self.over(kind, lambda connection, number: connection.get(targets[number % 3]), 0.02)

    async def download(self, kind: str) -> None:
        await self.over(kind, lambda connection, _: connection.get(b"/2m"), 0.2)

    async def upload(self, kind: str) -> None:
        content = self.random.randbytes(UPLOAD)
        expected = b"%d %08x" % (UPLOAD, zlib.crc32(content))
        pieces = [content[at : at + 10_000] for at in range(0, UPLOAD, 10_000)]
        chunked = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

        async def exchange(connection: Connection, number: int) -> None:
            framing = b"Transfer-Encoding: chunked" if number % 2 else b"Content-Length: %d" % UPLOAD
            head = b"POST /upload HTTP/1.1\r\n%b\r\n" % framing
            length = await connection.ask(head, chunked if number % 2 else content)
            if await connection.reader.readexactly(length) != expected:
                raise Failed("other content arrived")

        await self.over(kind, exchange, 0.1)

    async def new(self, kind: str) -> None:
        while self.going:
            async with self.connection(kind) as connection:
                await connection.get(b"/hello")
                self.seen[kind]["done"] += 1
            await asyncio.sleep(0.05)

    async def slow_reader(self, kind: str) -> None:
        while self.going:
            async with self.connection(kind) as connection:
                left = await connection.ask(b"GET /2m HTTP/1.1\r\n")
                while left and self.going:
                    piece = await connection.reader.readexactly(min(SIP, left))
                    left -= len(piece)
                    await asyncio.sleep(SIP_PAUSE)
                self.seen[kind]["done"] += not left

    async def tunnel(self, kind: str) -> None:
        """
        One tunnel from the beginning to the end of the run, with a message now and then.
        """
        while self.going:
            async with self.connection(kind) as connection:
                reader, writer = connection.reader, connection.writer
                writer.write(
                    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                )
                if not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101"):
                    raise Failed("no upgrade")
                while self.going:
                    message = self.random.randbytes(self.random.randrange(1, 2000))
                    writer.write(message)
                    async with asyncio.timeout(PATIENCE):
                        if await reader.readexactly(len(message)) != message:
                            raise Failed("another echo")
                    self.seen[kind]["done"] += 1
                    await asyncio.sleep(0.5)

    async def aborted(self, kind: str) -> None:
        """
        Clients that vanish: before the handshake, within a head, an upload or an answer.  What the gate then does
        must fail for nobody else.
        """
        ways = (b"", b"GET /hello HT", b"POST /upload HTTP/1.1\r\nContent-Length: 99999\r\nHost: localhost\r\n\r\nhalf")
        number = 0
        while self.going:
            number += 1
            if number % 4 == 3:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.write(b"\x16\x03\x01\x02\x00\x01")
                    await writer.drain()
                    writer.transport.abort()
            else:
                async with self.connection(kind) as connection:
                    if number % 4 == 2:
                        await connection.ask(b"GET /2m HTTP/1.1\r\n")
                        await connection.reader.readexactly(1000)
                    else:
                        connection.writer.write(ways[number % 3])
                        await asyncio.sleep(0.02)
                    connection.reset()
            self.seen[kind]["done"] += 1
            await asyncio.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--tunnels", type=int, default=20)
    chosen = parser.parse_args()
    traffic = Traffic(chosen.port, chosen.seconds, chosen.tunnels)
    asyncio.run(traffic.run())
    for reason in traffic.reasons:
        print(reason, file=sys.stderr)
    print(json.dumps(traffic.seen), flush=True)


if __name__ == "__main__":
    main()
