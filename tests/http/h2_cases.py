"""What RFC 9113 says of what a client must not send, and of some things that it may: as bytes.

The cases stand under the standard's sections, each with the error that its section asks for. Where
that is an error of the stream, one of the connection is allowed too (section 5.4.1), which is what
h2 makes of most faults of frames; the case says which of them it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from .h2_peer import PREFACE, code, raw

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, UPDATE, CONTINUATION = range(10)
ACK, END, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 0x20
PROTOCOL, INTERNAL, FLOW, TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = range(1, 10)

BEGIN = PREFACE + raw(SETTINGS)
WORKING = "/ticks"  # is answered with a stream that stays open
DONE = "/http"  # is answered at once


def block(path: str = WORKING, method: str = "GET", rest: bytes = b"") -> bytes:
    """Write a header block whose fields are not compressed (RFC 7541, section 6.2.2)."""
    fields = {2: method, 7: "http", 1: "localhost", 4: path}  # by their index in the static table
    written = [bytes([index, len(value)]) + value.encode() for index, value in fields.items()]
    return b"".join(written) + rest


def field(name: bytes, value: bytes) -> bytes:
    """Write a field with a name that is not in the static table."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


GET = raw(HEADERS, END_HEADERS | END, 1, block())
POST = raw(HEADERS, END_HEADERS, 1, block(method="POST"))
SERVED = raw(HEADERS, END_HEADERS | END, 1, block(DONE))
OPEN_BLOCK = raw(HEADERS, END, 1, block())
UPDATE_OF = raw(UPDATE, 0, 1, code(1))


@dataclass(frozen=True)
class Case:
    """Frames that a client sends behind its first settings, and what is to come of them.

    Attributes:
        data: The frames.
        goaway: The error that ends the connection, if one does.
        reset: The error that ends stream 1, if one does; the connection goes on.
        served: A request to ``DONE`` on stream 1 that is answered before ``data`` is sent.
    """

    data: bytes
    goaway: int | None = None
    reset: int | None = None
    served: bytes = b""


def setting(name: int, value: int) -> bytes:
    """Write a SETTINGS frame with one value."""
    return raw(SETTINGS, 0, 0, name.to_bytes(2, "big") + code(value))


def request(*fields: tuple[bytes, bytes]) -> bytes:
    """Write a request with these fields behind the usual ones."""
    rest = b"".join(field(name, value) for name, value in fields)
    return raw(HEADERS, END_HEADERS | END, 1, block(rest=rest))


def only(*indexed: tuple[int, bytes]) -> bytes:
    """Write a request of these fields alone, by the indices of their names."""
    fields = b"".join(bytes([index, len(value)]) + value for index, value in indexed)
    return raw(HEADERS, END_HEADERS | END, 1, fields)


CASES = {
    # 4.1: what is not known is ignored.
    "4.1 unknown type": Case(raw(0x16, 0, 0, bytes(8)) + GET),
    "4.1 unknown flags": Case(raw(PING, 0xFE, 0, bytes(8)) + GET),
    "4.1 reserved bit": Case(raw(PING, 0, 1 << 31, bytes(8)) + GET),
    # 4.2: sizes.
    "4.2 largest DATA": Case(POST + raw(DATA, END, 1, bytes(16_384))),
    "4.2 DATA too large": Case(POST + raw(DATA, END, 1, bytes(16_385)), SIZE),
    "4.2 HEADERS too large": Case(raw(HEADERS, 5, 1, bytes(16_385)), SIZE),
    # 4.3: header blocks.
    "4.3 no header block": Case(raw(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\x0f"), COMPRESSION),
    "4.3 PRIORITY in a block": Case(OPEN_BLOCK + raw(PRIORITY, 0, 1, bytes(4) + b"\x0f"), PROTOCOL),
    "4.3 another stream in a block": Case(OPEN_BLOCK + raw(HEADERS, 5, 3, block()), PROTOCOL),
    "4.3 DATA in a block": Case(OPEN_BLOCK + raw(DATA, 0, 1, b"x"), PROTOCOL),
    "4.3 GOAWAY in a block": Case(OPEN_BLOCK + raw(GOAWAY, 0, 0, bytes(8)), PROTOCOL),
    "4.3 unknown type in a block": Case(OPEN_BLOCK + raw(0x16, 0, 0, bytes(8)), PROTOCOL),
    # 5.1: idle, half closed and closed streams.
    "5.1 DATA on an idle stream": Case(raw(DATA, END, 1, b"x"), PROTOCOL),
    "5.1 RST_STREAM on an idle stream": Case(raw(RESET, 0, 1, code(CANCEL)), PROTOCOL),
    "5.1 WINDOW_UPDATE on an idle stream": Case(UPDATE_OF, PROTOCOL),
    "5.1 CONTINUATION on an idle stream": Case(raw(CONTINUATION, 4, 1, block()), PROTOCOL),
    "5.1 PRIORITY on an idle stream": Case(raw(PRIORITY, 0, 3, bytes(4) + b"\x0f") + GET),
    "5.1 half closed, DATA": Case(GET + raw(DATA, END, 1, b"x"), reset=CLOSED),
    "5.1 half closed, HEADERS": Case(GET + GET, reset=CLOSED),
    "5.1 half closed, CONTINUATION": Case(GET + raw(CONTINUATION, 4, 1, block()), PROTOCOL),
    "5.1 half closed, WINDOW_UPDATE": Case(GET + UPDATE_OF),
    "5.1 half closed, PRIORITY": Case(GET + raw(PRIORITY, 0, 1, bytes(4) + b"\x0f")),
    "5.1 reset, DATA": Case(
        POST + raw(RESET, 0, 1, code(CANCEL)) + raw(DATA, END, 1, b"x"), reset=CLOSED
    ),
    "5.1 reset, HEADERS": Case(POST + raw(RESET, 0, 1, code(CANCEL)) + GET, reset=CLOSED),
    "5.1 reset, CONTINUATION": Case(
        POST + raw(RESET, 0, 1, code(CANCEL)) + raw(CONTINUATION, 4, 1, block()), PROTOCOL
    ),
    "5.1 closed, DATA": Case(raw(DATA, END, 1, b"x"), reset=CLOSED, served=SERVED),
    "5.1 closed, HEADERS": Case(GET, CLOSED, served=SERVED),
    "5.1 closed, CONTINUATION": Case(raw(CONTINUATION, 4, 1, block()), PROTOCOL, served=SERVED),
    "5.1 closed, WINDOW_UPDATE": Case(UPDATE_OF, served=SERVED),
    "5.1 closed, RST_STREAM": Case(raw(RESET, 0, 1, code(CANCEL)), served=SERVED),
    "5.1 closed, PRIORITY": Case(raw(PRIORITY, 0, 1, bytes(4) + b"\x0f"), served=SERVED),
    # 5.1.1: numbers.
    "5.1.1 an even number": Case(raw(HEADERS, 5, 2, block()), PROTOCOL),
    "5.1.1 a lower number": Case(raw(HEADERS, 5, 5, block()) + GET, PROTOCOL),
    # 5.3.1 (RFC 7540): a stream that depends on itself.
    "5.3.1 HEADERS of itself": Case(
        raw(HEADERS, 5 | WITH_PRIORITY, 1, code(1) + b"\x0f" + block()), PROTOCOL
    ),
    "5.3.1 PRIORITY of itself": Case(raw(PRIORITY, 0, 1, code(1) + b"\x0f"), PROTOCOL),
    # 6.1: DATA.
    "6.1 on stream 0": Case(raw(DATA, END, 0, b"x"), PROTOCOL),
    "6.1 padding": Case(POST + raw(DATA, END | PADDED, 1, b"\x05x" + bytes(5))),
    "6.1 padding that is all": Case(POST + raw(DATA, END | PADDED, 1, b"\x05" + bytes(5))),
    "6.1 more padding than there is": Case(POST + raw(DATA, END | PADDED, 1, b"\x06x"), PROTOCOL),
    "6.1 no padding length": Case(POST + raw(DATA, END | PADDED, 1), SIZE),
    # 6.2: HEADERS.
    "6.2 on stream 0": Case(raw(HEADERS, 5, 0, block()), PROTOCOL),
    "6.2 padding and priority": Case(
        raw(HEADERS, 5 | PADDED | WITH_PRIORITY, 1, b"\x02" + bytes(4) + b"\0" + block() + bytes(2))
    ),
    "6.2 more padding than there is": Case(
        raw(HEADERS, 5 | PADDED, 1, b"\xff" + block()), PROTOCOL
    ),
    # 6.3: PRIORITY.
    "6.3 on stream 0": Case(raw(PRIORITY, 0, 0, bytes(4) + b"\x0f"), PROTOCOL),
    "6.3 size": Case(GET + raw(PRIORITY, 0, 1, bytes(4)), SIZE),
    # 6.4: RST_STREAM.
    "6.4 on stream 0": Case(raw(RESET, 0, 0, code(CANCEL)), PROTOCOL),
    "6.4 size": Case(GET + raw(RESET, 0, 1, bytes(3)), SIZE),
    "6.4 unknown code": Case(GET + raw(RESET, 0, 1, code(0xFF))),
    # 6.5: SETTINGS.
    "6.5 ACK with a payload": Case(raw(SETTINGS, ACK, 0, bytes(6)), SIZE),
    "6.5 on a stream": Case(GET + raw(SETTINGS, 0, 1, b"\x00\x03" + code(100)), PROTOCOL),
    "6.5 size": Case(raw(SETTINGS, 0, 0, bytes(3)), SIZE),
    "6.5.2 ENABLE_PUSH": Case(setting(2, 2), PROTOCOL),
    "6.5.2 INITIAL_WINDOW_SIZE": Case(setting(4, 1 << 31), FLOW),
    "6.5.2 MAX_FRAME_SIZE, small": Case(setting(5, 16_383), PROTOCOL),
    "6.5.2 MAX_FRAME_SIZE, large": Case(setting(5, 1 << 24), PROTOCOL),
    "6.5.2 unknown": Case(setting(0xFF, 1) + GET),
    "8441.3 ENABLE_CONNECT_PROTOCOL": Case(setting(8, 2), PROTOCOL),
    # 6.6: PUSH_PROMISE, which is not a client's to send.
    "6.6 from a client": Case(GET + raw(PUSH, 4, 1, code(2) + block()), PROTOCOL),
    # 6.7: PING.
    "6.7 on a stream": Case(raw(PING, 0, 1, bytes(8)), PROTOCOL),
    "6.7 size": Case(raw(PING, 0, 0, bytes(6)), SIZE),
    "6.7 an ACK of nothing": Case(raw(PING, ACK, 0, bytes(8)) + GET),
    # 6.8: GOAWAY.
    "6.8 on a stream": Case(GET + raw(GOAWAY, 0, 1, bytes(8)), PROTOCOL),
    "6.8 size": Case(GET + raw(GOAWAY, 0, 0, bytes(7)), SIZE),
    # 6.9: WINDOW_UPDATE.
    "6.9 by nothing": Case(raw(UPDATE, 0, 0, code(0)), PROTOCOL),
    "6.9 by nothing on a stream": Case(GET + raw(UPDATE, 0, 1, code(0)), PROTOCOL),
    "6.9 size": Case(raw(UPDATE, 0, 0, bytes(3)), SIZE),
    "6.9.1 more than there can be": Case(raw(UPDATE, 0, 0, code((1 << 31) - 1)), FLOW),
    "6.9.1 more on a stream": Case(GET + raw(UPDATE, 0, 1, code((1 << 31) - 1)), reset=FLOW),
    "6.9.2 more by settings": Case(
        GET + raw(UPDATE, 0, 1, code((1 << 31) - 1 - 65_535)) + setting(4, 65_536), FLOW
    ),
    # 6.10: CONTINUATION.
    "6.10 several": Case(
        raw(HEADERS, END, 1, block()) + raw(CONTINUATION, 0, 1) + raw(CONTINUATION, 4, 1)
    ),
    "6.10 on stream 0": Case(OPEN_BLOCK + raw(CONTINUATION, 4, 0, b""), PROTOCOL),
    "6.10 on another stream": Case(OPEN_BLOCK + raw(CONTINUATION, 4, 3, b""), PROTOCOL),
    "6.10 behind a whole block": Case(POST + raw(CONTINUATION, 4, 1, block()), PROTOCOL),
    "6.10 nothing but that": Case(raw(CONTINUATION, 4, 1, block()), PROTOCOL),
    # 8.1: what is malformed.
    "8.1 HEADERS behind a body that do not end it": Case(
        POST + raw(HEADERS, END_HEADERS, 1, field(b"x", b"y")), PROTOCOL
    ),
    "8.1.1 a body too short": Case(
        raw(HEADERS, 4, 1, block(method="POST", rest=field(b"content-length", b"2")))
        + raw(DATA, END, 1, b"x"),
        reset=PROTOCOL,
    ),
    "8.1.1 a body too long": Case(
        raw(HEADERS, 4, 1, block(method="POST", rest=field(b"content-length", b"2")))
        + raw(DATA, 0, 1, b"x")
        + raw(DATA, END, 1, b"xx"),
        reset=PROTOCOL,
    ),
    "8.2.1 upper case": Case(request((b"X", b"y")), reset=PROTOCOL),
    "8.2.1 a space": Case(request((b"x y", b"z")), reset=PROTOCOL),
    "8.2.1 a colon": Case(request((b"x:y", b"z")), reset=PROTOCOL),
    "8.2.1 no name": Case(request((b"", b"z")), reset=PROTOCOL),
    "8.2.1 a line break": Case(request((b"x", b"a\nb")), reset=PROTOCOL),
    "8.2.1 space around": Case(request((b"x", b" a")), reset=PROTOCOL),
    "8.2.2 connection": Case(request((b"connection", b"keep-alive")), reset=PROTOCOL),
    "8.2.2 keep-alive": Case(request((b"keep-alive", b"1")), reset=PROTOCOL),
    "8.2.2 proxy-connection": Case(request((b"proxy-connection", b"close")), reset=PROTOCOL),
    "8.2.2 transfer-encoding": Case(request((b"transfer-encoding", b"chunked")), reset=PROTOCOL),
    "8.2.2 upgrade": Case(request((b"upgrade", b"websocket")), reset=PROTOCOL),
    "8.2.2 te": Case(request((b"te", b"trailers, deflate")), reset=PROTOCOL),
    "8.3 unknown": Case(request((b":test", b"ok")), reset=PROTOCOL),
    "8.3 of a response": Case(request((b":status", b"200")), reset=PROTOCOL),
    "8.3 in trailers": Case(POST + raw(HEADERS, 5, 1, field(b":method", b"GET")), reset=PROTOCOL),
    "8.3 behind a field": Case(
        raw(HEADERS, 5, 1, field(b"x", b"y") + block()), reset=PROTOCOL
    ),
    "8.3.1 no path": Case(only((2, b"GET"), (7, b"http"), (1, b"a")), reset=PROTOCOL),
    "8.3.1 an empty path": Case(
        only((2, b"GET"), (7, b"http"), (1, b"a"), (4, b"")), reset=PROTOCOL
    ),
    "8.3.1 no method": Case(only((7, b"http"), (1, b"a"), (4, b"/")), reset=PROTOCOL),
    "8.3.1 no scheme": Case(only((2, b"GET"), (1, b"a"), (4, b"/")), reset=PROTOCOL),
    "8.3.1 no authority": Case(only((2, b"GET"), (7, b"http"), (4, b"/")), reset=PROTOCOL),
    "8.3.1 two methods": Case(request((b":method", b"GET")), reset=PROTOCOL),
    "8.3.1 two schemes": Case(request((b":scheme", b"http")), reset=PROTOCOL),
    "8.3.1 two paths": Case(request((b":path", b"/")), reset=PROTOCOL),
    "8.3.1 two authorities": Case(request((b":authority", b"b")), reset=PROTOCOL),
    # RFC 7541: HPACK.
    "7541 2.3.3 no such index": Case(raw(HEADERS, 5, 1, block(rest=b"\xc6")), COMPRESSION),
    "7541 2.3.3 no such name": Case(raw(HEADERS, 5, 1, block(rest=b"\x7e\x01x")), COMPRESSION),
    "7541 4.2 a size at the end": Case(raw(HEADERS, 5, 1, block(rest=b"\x21")), COMPRESSION),
    "7541 5.2 padding of 8 bits": Case(
        raw(HEADERS, 5, 1, block(rest=b"\0\x85\xf2\xb2\x4a\x84\xff\x84IP\x9f\xff")), COMPRESSION
    ),
    "7541 5.2 padding with zeros": Case(
        raw(HEADERS, 5, 1, block(rest=b"\x00\x85\xf2\xb2\x4a\x87\xff\x83\x49\x50\x90")), COMPRESSION
    ),
    "7541 5.2 EOS": Case(
        raw(HEADERS, 5, 1, block(rest=b"\0\x88\xf2\xb2\x4a\x84\xff\xff\xff\xff\x81a")), COMPRESSION
    ),
    "7541 5.1 a string cut short": Case(raw(HEADERS, 5, 1, block(rest=b"\x00\x05x")), COMPRESSION),
    "7541 6.1 index 0": Case(raw(HEADERS, 5, 1, block(rest=b"\x80")), COMPRESSION),
    "7541 6.3 a size too large": Case(
        raw(HEADERS, 5, 1, b"\x3f\xe1\xff\x03" + block()), COMPRESSION
    ),
}  # fmt: skip
