"""
An upstream that does what applications do: stored answers, uploads that are counted, upgrades that are echoed;
C{python -m benchmarks._application PORT}.
"""

from __future__ import annotations

import asyncio
import sys
import zlib

#: target to bytes of content
SIZES = {b"/hello": 12, b"/1k": 1024, b"/100k": 100 * 1024, b"/2m": 2 * 1024 * 1024}
CONTENT = b"x" * max(SIZES.values())

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """
    One connection, until its peer ends it.
    """
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = head.lower()
            target = head.split(b" ", 2)[1]
            if b"\r\nupgrade:" in fields:
                await echo(reader, writer)
                return
            if head.startswith(b"POST"):
                length, check = await upload(reader, fields)
                content = b"%d %08x" % (length, check)
            else:
                content = CONTENT[: SIZES[target]]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(content))
            writer.write(content)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def upload(reader: asyncio.StreamReader, fields: bytes) -> tuple[int, int]:
    """
    Read the content of a request; its length and CRC-32.
    """
    length = check = 0
    chunked = b"\r\ntransfer-encoding: chunked" in fields
    while True:
        if chunked:
            left = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        else:
            left = int(fields.partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0])
        length += left
        last = not chunked or not left
        while left:
            piece = await reader.read(min(left, 65536))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            check = zlib.crc32(piece, check)
            left -= len(piece)
        if chunked:
            await reader.readexactly(2)
        if last:
            return length, check


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """
    Accept the upgrade and send back what comes.
    """
    writer.write(SWITCHED)
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()


async def main() -> None:
    server = await asyncio.start_server(serve_one, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
