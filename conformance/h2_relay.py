"""A relay from WebSockets on HTTP/1.1 to WebSockets on HTTP/2 (RFC 8441), with the h2 library.

    python conformance/h2_relay.py --port 9001 --to 9000

The suite speaks HTTP/1.1. What it sends behind its handshake, and what comes back, goes through
unchanged, in frames of HTTP/2: each client has a connection with one stream to the server.
"""

from __future__ import annotations

import argparse
import asyncio
from base64 import b64encode
from contextlib import suppress
from hashlib import sha1
from signal import SIGTERM
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

STREAM = 1
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """One client, and its stream.

    Args:
        client: Whom to serve.
        server: Who speaks HTTP/2.
    """

    def __init__(self, client: Streams, server: Streams) -> None:
        self.reader, self.writer = client
        self.server_reader, self.server_writer = server
        self.h2 = H2Connection(H2Configuration(header_encoding="latin-1"))
        self.accepted, self.credit = asyncio.Event(), asyncio.Event()
        self.head: dict[str, str] = {}

    async def run(self) -> None:
        """Relay until the server has ended the stream."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.path = lines[0].split(" ")[1]
        self.head = {n.lower(): v.strip() for n, _, v in (s.partition(":") for s in lines[1:-2])}
        self.h2.initiate_connection()
        self.flush()
        upward = asyncio.create_task(self.send())
        try:
            while data := await self.server_reader.read(65_536):
                for event in self.h2.receive_data(data):
                    self.take(event)
                self.flush()
                await self.writer.drain()
        finally:
            upward.cancel()

    def flush(self) -> None:
        """Write what h2 has queued."""
        self.server_writer.write(self.h2.data_to_send())

    async def send(self) -> None:
        """Send what the client sends, as far as the windows allow."""
        await self.accepted.wait()
        with suppress(ConnectionError, ProtocolError):  # the other direction tells of the end
            while data := await self.reader.read(65_536):
                while data:
                    size = min(
                        len(data),
                        self.h2.local_flow_control_window(STREAM),
                        self.h2.max_outbound_frame_size,
                    )
                    if size <= 0:
                        self.credit.clear()
                        await self.credit.wait()
                        continue
                    self.h2.send_data(STREAM, data[:size])
                    data = data[size:]
                    self.flush()
                    await self.server_writer.drain()
            self.h2.end_stream(STREAM)
            self.flush()

    def take(self, event: Event) -> None:
        """Do what the server wants."""
        if isinstance(event, RemoteSettingsChanged):
            if SettingCodes.ENABLE_CONNECT_PROTOCOL in event.changed_settings:
                self.ask()
        elif isinstance(event, ResponseReceived):
            self.answer({str(name): str(value) for name, value in event.headers or ()})
        elif isinstance(event, DataReceived):
            self.writer.write(event.data or b"")
            self.h2.acknowledge_received_data(event.flow_controlled_length or 0, STREAM)
        elif isinstance(event, WindowUpdated):
            self.credit.set()
        elif isinstance(event, StreamEnded):
            self.writer.write_eof()
        elif isinstance(event, StreamReset):
            raise ConnectionResetError("the stream was reset")

    def ask(self) -> None:
        """Ask for a WebSocket."""
        pseudo = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "http"}
        fields = [*pseudo.items(), (":authority", self.head["host"]), (":path", self.path)]
        fields += [(n, v) for n, v in self.head.items() if n.startswith("sec-websocket-")]
        self.h2.send_headers(STREAM, [(n, v) for n, v in fields if n != "sec-websocket-key"])

    def answer(self, fields: dict[str, str]) -> None:
        """Hand the answer on."""
        if fields[":status"] != "200":
            raise ConnectionRefusedError(f"not a WebSocket: {fields}")
        key = sha1(f"{self.head['sec-websocket-key']}{GUID}".encode()).digest()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {b64encode(key).decode()}"]
        lines += [f"{n}: {v}" for n, v in fields.items() if n.startswith("sec-websocket-")]
        self.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        self.accepted.set()


async def serve(port: int, to: int) -> None:
    """Relay from one port to another, until SIGTERM."""
    running: set[Any] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())
        server = await asyncio.open_connection("127.0.0.1", to)
        try:
            # Cancelled at the end: asyncio's streams, of Python 3.11, would make that an error.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await Relay((reader, writer), server).run()
        finally:
            server[1].close()
            writer.close()
            running.discard(asyncio.current_task())

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(SIGTERM, stop.set)
    async with await asyncio.start_server(relay, "127.0.0.1", port):
        await stop.wait()


def main() -> None:
    """Relay until SIGTERM."""
    parser = argparse.ArgumentParser(description="Relays WebSockets from HTTP/1.1 to HTTP/2.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", type=int, required=True, help="the port of a server of HTTP/2")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.to))


if __name__ == "__main__":
    main()
