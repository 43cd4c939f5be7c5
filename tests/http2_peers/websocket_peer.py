"""A WebSocket server that echoes, and clients of it that say what they have done, as JSON."""

import asyncio
import json
import sys

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

PATIENCE = 60


async def echo(connection):
    try:
        async for message in connection:
            if message == "close 4001":
                await connection.close(4001, "as asked")
            else:
                await connection.send(message)
    except websockets.ConnectionClosed:
        pass


async def serving():
    async with serve(echo, "127.0.0.1", 0, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(json.dumps({"listen": f"127.0.0.1:{port}"}), flush=True)
        # Until nobody holds the other end any more.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def talking(address):
    said = {"text": 0, "binary": 0, "ping": 0, "opened": 0}

    def open_one():
        said["opened"] += 1
        return connect(f"ws://{address}/", ping_interval=None, open_timeout=PATIENCE)

    for compression in ["deflate", None]:
        said["opened"] += 1
        options = {"ping_interval": None, "open_timeout": PATIENCE, "compression": compression}
        async with connect(f"ws://{address}/", **options) as connection:
            for length in [0, 1, 125, 126, 65535, 65536, 200000]:
                text = "x" * length
                await connection.send(text)
                assert await connection.recv() == text
                await connection.send(text.encode())
                assert await connection.recv() == text.encode()
                said["text"] += 1
                said["binary"] += 1
            await (await connection.ping())
            said["ping"] += 1
    connection = await open_one()
    await connection.send("close 4001")
    said["text"] += 1
    await connection.wait_closed()
    assert connection.close_code == 4001
    connection = await open_one()
    await connection.close(1001)
    connection = await open_one()
    await connection.send("and gone")
    await connection.recv()
    said["text"] += 1
    connection.transport.abort()
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(serving() if sys.argv[1] == "serve" else talking(sys.argv[2]))
