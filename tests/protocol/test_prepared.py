"""A prepared message: one frame for all that would send the same, and their own for the others."""

from __future__ import annotations

from typing import Any

import pytest

from fasterapi.errors import LocalProtocolError
from fasterapi.protocol import (
    Compression,
    Extension,
    Frame,
    PerMessageDeflate,
    PreparedMessage,
    Role,
    WebSocketConnection,
)

TEXT = "a message for everybody, " * 9
SHARED = Compression(context_takeover=False)


class Pair:
    """Both ends of a WebSocket."""

    def __init__(self, compression: Compression | None, factory: Any = None) -> None:
        ours: list[Extension] = []
        theirs: list[Extension] = []
        if compression is not None:
            agreed = (factory or PerMessageDeflate(compression)).respond(())
            assert agreed is not None
            ours, theirs = [agreed[1]], [PerMessageDeflate().accept(agreed[0])]
        self.server = WebSocketConnection(Role.SERVER, extensions=ours)
        self.client = WebSocketConnection(Role.CLIENT, extensions=theirs)

    def sent(self, message: PreparedMessage) -> bytes:
        self.server.send_prepared(message)
        assert self.server.queued > 0
        return self.server.data_to_send()


@pytest.mark.parametrize("message", [TEXT, TEXT.encode(), bytearray(TEXT.encode()), "", "short"])
@pytest.mark.parametrize("compress", [None, True, False])
@pytest.mark.parametrize("compression", [None, SHARED, Compression()])
def test_everybody_gets_it(message: Any, compress: bool | None, compression: Any) -> None:
    prepared = PreparedMessage(message, compress=compress)
    for _ in range(2):
        pair = Pair(compression)
        for _ in range(3):
            expected = bytes(message) if isinstance(message, bytearray) else message
            assert pair.client.receive_data(pair.sent(prepared)) == [expected]
        pair.server.send_text(TEXT)  # and what follows is understood
        assert pair.client.receive_data(pair.server.data_to_send()) == [TEXT]


def test_it_is_the_same_object_where_it_can_be() -> None:
    prepared = PreparedMessage(TEXT)
    plain = [Pair(None).sent(prepared) for _ in range(3)]
    compressed = [Pair(SHARED).sent(prepared) for _ in range(3)]  # of different routes, even
    assert len({id(data) for data in plain}) == 1
    assert len({id(data) for data in compressed}) == 1
    assert len(compressed[0]) < len(plain[0])
    own = [Pair(Compression()).sent(prepared) for _ in range(3)]
    assert len({id(data) for data in own}) == 3


def test_parameters_decide_who_shares() -> None:
    prepared = PreparedMessage(TEXT)
    other = Compression(context_takeover=False, level=1)
    narrow = Compression(context_takeover=False, window_bits=9)
    for compression in (SHARED, other, narrow):
        Pair(compression).sent(prepared)
    assert len(prepared._frames) == 3


def test_what_is_not_compressed_is_shared_by_all() -> None:
    prepared = PreparedMessage(TEXT, compress=False)
    assert Pair(Compression()).sent(prepared) is Pair(SHARED).sent(prepared)
    short = PreparedMessage("short")
    assert Pair(Compression()).sent(short) is Pair(SHARED).sent(short)


def test_a_context_stays_the_connections_own() -> None:
    pair = Pair(Compression())
    sizes = [len(pair.sent(PreparedMessage(TEXT))) for _ in range(2)]
    assert sizes[1] < sizes[0]  # it refers to the first


def test_an_extension_that_does_not_say_shares_nothing() -> None:
    class Reverse(Extension):
        rsv = 0x20

        def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
            return frame._replace(payload=frame.payload[::-1], rsv=self.rsv)

    assert Reverse().shares(1, None) is None
    server = WebSocketConnection(Role.SERVER, extensions=[Reverse()])
    server.send_prepared(PreparedMessage("abc"))
    assert server.data_to_send() == b"\xa1\x03cba"


class Sized(Extension):
    """Changes how long a message is, alike on all connections."""

    rsv = 0x20

    def __init__(self, repeat: int, less: int) -> None:
        self.repeat, self.less = repeat, less

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        payload = (frame.payload * self.repeat)[self.less :]
        return frame._replace(payload=payload, rsv=frame.rsv | self.rsv)

    def shares(self, size: int, compress: bool | None) -> str:
        return "sized"


@pytest.mark.parametrize(("repeat", "less"), [(2, 0), (1, 40)])
@pytest.mark.parametrize("size", [1, 40, 61, 63, 64, 100, 104, 200])
@pytest.mark.parametrize("compress", [None, True, False])
def test_what_is_shared_tells_nothing_of_a_context(
    compress: bool | None, size: int, repeat: int, less: int
) -> None:
    # Whether compression shares was once asked by the size that the extension before it is given.
    factory = PerMessageDeflate()
    servers = []
    for secret in ("x" * 250, "y" * 250, "x" * 250):
        agreed = factory.respond(())
        assert agreed is not None
        extensions = [Sized(repeat, less), agreed[1]]
        server = WebSocketConnection(Role.SERVER, extensions=extensions)
        server.send_text(secret)
        server.data_to_send()
        servers.append(server)
    prepared = PreparedMessage("x" * size, compress=compress)
    sent = []
    for server in servers[:2]:
        server.send_prepared(prepared)
        sent.append(server.data_to_send())
    servers[2].send_text("x" * size, compress=compress)
    assert sent[0] == servers[2].data_to_send()  # prepared or not, it goes the same way
    compressed = [bool(data[0] & 0x40) for data in sent]
    assert compressed[0] is compressed[1]
    assert (sent[0] is sent[1]) is not compressed[0]


def test_extensions_of_which_one_is_passed_by() -> None:
    class Choosy(Sized):
        rsv = 0x10
        minimum_size = 64

    prepared = PreparedMessage("x" * 50)
    sent = []
    for extensions in ([], [Choosy(2, 0)], [Sized(2, 0)], [Choosy(2, 0), Sized(2, 0)]):
        server = WebSocketConnection(Role.SERVER, extensions=extensions)
        server.send_prepared(prepared)
        sent.append(server.data_to_send())
    assert sent[0] is sent[1]
    assert sent[2] is sent[3]
    assert [len(data) - 2 for data in sent] == [50, 50, 100, 100]


def test_a_client_masks_its_own() -> None:
    client = WebSocketConnection(Role.CLIENT, masking_key=lambda: b"abcd")
    client.send_prepared(PreparedMessage("abc"))
    assert client.data_to_send() == b"\x81\x83abcd\0\0\0"


def test_nothing_overtakes_a_long_message() -> None:
    pair = Pair(SHARED)
    pair.server.piecewise = True
    long = TEXT * 1000
    pair.server.send_text(long)
    pair.server.send_prepared(PreparedMessage(TEXT))
    received: list[object] = []
    while pair.server.has_data_to_send():
        received += pair.client.receive_data(pair.server.data_to_send())
    assert received == [long, TEXT]


def test_it_can_not_stand_within_a_message_or_behind_a_close() -> None:
    pair = Pair(SHARED)
    assert not pair.server.midway
    pair.server.send_fragment("one", fin=False)
    assert pair.server.midway
    with pytest.raises(LocalProtocolError, match="a fragmented message is unfinished"):
        pair.server.send_prepared(PreparedMessage(TEXT))
    pair.server.send_fragment("two", fin=True)
    pair.client.close()
    pair.server.receive_data(pair.client.data_to_send())
    pair.server.send_prepared(PreparedMessage(TEXT))  # an answer, before the Close that is owed
    pair.server.data_to_send()
    with pytest.raises(LocalProtocolError):
        pair.server.send_prepared(PreparedMessage(TEXT))


def test_what_can_not_be_sent_is_refused_at_once() -> None:
    with pytest.raises(TypeError):
        PreparedMessage(7)  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        PreparedMessage("\ud800")
