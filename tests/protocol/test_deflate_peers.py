"""permessage-deflate beside others': websockets and aiohttp, in memory, in both directions."""

from __future__ import annotations

import asyncio

from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_websocket import (
    WebSocketReader,
    WebSocketWriter,
    WSMsgType,
    ws_ext_gen,
    ws_ext_parse,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate as Theirs
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode as TheirOpcode

from fasterapi.protocol import Extension, Frame, Opcode, Role, WebSocketConnection
from fasterapi.protocol.deflate import Compression, PerMessageDeflate
from fasterapi.protocol.extensions import ExtensionOffer, format_extensions, parse_extensions

from .deflated import connect, deflate, settings_of_both, some_bytes, wire
from .wire import BINARY, split

texts = st.builds(lambda word, count: word * count, st.text(max_size=9), st.integers(0, 300))
messages_of_both = st.lists(st.one_of(some_bytes, texts), max_size=5)


def send(connection: WebSocketConnection, message: str | bytes, whole: bool) -> None:
    """Send a message in one frame, or in four."""
    if not whole:
        for part in split(message, [len(message) // 3, len(message) // 2]):
            connection.send_fragment(part, fin=False)
        connection.send_fragment(message[:0], fin=True)
    elif isinstance(message, str):
        connection.send_text(message, compress=True)
    else:
        connection.send_binary(message, compress=True)


def receive(connection: WebSocketConnection, data: bytes) -> list[object]:
    """Take what the other end sent, in several reads."""
    events: list[object] = []
    for piece in split(data, range(7, len(data), 1009)):
        events += connection.receive_data(piece)
    return events


@settings(deadline=None)
@given(settings_of_both, settings_of_both, messages_of_both, st.booleans())
def test_messages_come_back_as_they_were(
    one: Compression, other: Compression, messages: list[str | bytes], whole: bool
) -> None:
    ours, theirs = connect(one, other)
    for sender, receiver in ((ours, theirs), (theirs, ours)):
        for message in messages:
            send(sender, message, whole)
        assert receive(receiver, sender.data_to_send()) == messages


# ------------------------------------------------------------------------------- websockets


@settings(deadline=None)
@given(
    st.integers(9, 15), st.booleans(), st.integers(9, 15), st.booleans(), settings_of_both,
    st.lists(some_bytes, max_size=5),
)  # fmt: skip
def test_websockets_reads_us_and_we_read_it(
    server_bits: int, server_context: bool, client_bits: int, client_context: bool,
    wish: Compression, messages: list[bytes],
) -> None:  # fmt: skip
    params = {
        "server_max_window_bits": str(server_bits),
        "client_max_window_bits": str(client_bits),
    }
    flags = [
        (name, None)
        for name, kept in (
            ("server_no_context_takeover", server_context),
            ("client_no_context_takeover", client_context),
        )
        if not kept
    ]
    agreed = PerMessageDeflate(wish).respond((*params.items(), *flags))
    assert agreed is not None
    answer, ours = dict(agreed[0]), agreed[1]
    theirs = Theirs(
        remote_no_context_takeover="server_no_context_takeover" in answer,
        local_no_context_takeover="client_no_context_takeover" in answer,
        remote_max_window_bits=int(answer["server_max_window_bits"] or 0),
        local_max_window_bits=int(answer["client_max_window_bits"] or 0),
    )
    for message in messages:
        sent = ours.encode(Frame(Opcode.BINARY, message), compress=True)
        got = theirs.decode(
            TheirFrame(TheirOpcode.BINARY, sent.payload, rsv1=bool(sent.rsv & 0x40))
        )
        assert bytes(got.data) == message
        back = theirs.encode(TheirFrame(TheirOpcode.BINARY, message))
        received = ours.decode(
            Frame(Opcode.BINARY, bytes(back.data), rsv=0x40 if back.rsv1 else 0), limit=1 << 20
        )
        assert received == Frame(Opcode.BINARY, message)


# ---------------------------------------------------------------------------------- aiohttp


class Kept(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False


def agree_with_aiohttp(
    wish: Compression, bits: int, keeps: bool, role: Role
) -> tuple[Extension, int, bool]:
    """Negotiate; give our extension, and the window and the lack of context that aiohttp took."""
    factory = PerMessageDeflate(wish)
    if role is Role.SERVER:
        (offer,) = parse_extensions([ws_ext_gen(bits, server_notakeover=not keeps)])
        agreed = factory.respond(offer.params)
        assert agreed is not None
        answer = format_extensions([ExtensionOffer(factory.name, agreed[0])])
        return agreed[1], *ws_ext_parse(answer)
    offers = format_extensions(ExtensionOffer(factory.name, params) for params in factory.offers())
    window, forgets = ws_ext_parse(offers, isserver=True)
    (taken,) = parse_extensions([ws_ext_gen(window, isserver=True, server_notakeover=forgets)])
    return factory.accept(taken.params), window, forgets


@settings(deadline=None)
@given(
    settings_of_both, st.integers(9, 15), st.booleans(), st.sampled_from(Role), messages_of_both,
    st.booleans(),
)  # fmt: skip
def test_aiohttp_reads_us_and_we_read_it(
    wish: Compression, bits: int, keeps: bool, role: Role, messages: list[str | bytes], whole: bool
) -> None:
    async def main() -> None:
        extension, window, forgets = agree_with_aiohttp(wish, bits, keeps, role)
        ours = WebSocketConnection(role, extensions=[extension])
        loop = asyncio.get_running_loop()
        queue = WebSocketDataQueue(BaseProtocol(loop), 1 << 24, loop=loop)
        reader = WebSocketReader(queue, 1 << 20, True, True)
        transport = Kept()
        writer = WebSocketWriter(
            BaseProtocol(loop), transport, use_mask=role is Role.SERVER, limit=1 << 24,
            compress=window, notakeover=forgets,
        )  # fmt: skip
        for message in messages:
            send(ours, message, whole)
            reader.feed_data(ours.data_to_send())
            assert (await queue.read()).data == message
            opcode = WSMsgType.TEXT if isinstance(message, str) else WSMsgType.BINARY
            data = message.encode() if isinstance(message, str) else message
            await writer.send_frame(data, opcode)
        assert receive(ours, transport.written) == messages

    asyncio.run(main())


# ------------------------------------------------------------------ a window that zlib lacks


@settings(deadline=None)
@given(st.lists(st.one_of(some_bytes, st.binary(max_size=256)), max_size=5), st.booleans())
def test_a_client_may_have_a_window_of_eight_bits(messages: list[bytes], keeps: bool) -> None:
    flags = () if keeps else (("client_no_context_takeover", None),)
    agreed = PerMessageDeflate().respond((("client_max_window_bits", "8"), *flags))
    assert agreed is not None
    assert ("client_max_window_bits", "8") in agreed[0]
    ours = WebSocketConnection(Role.SERVER, extensions=[agreed[1]])
    # What zlib writes for 256 bytes refers no further back.
    data = b"".join(wire(0x80 | BINARY | 0x40, deflate(part[:256])) for part in messages)
    assert receive(ours, data) == [part[:256] for part in messages]
