"""Both backends side by side: the same results, the same errors, the same connections.

The specification is the backend in Python. What either of them does is held against oracles in the
other tests; here it only matters that nobody can tell one from the other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import ModuleType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.limits import Limits
from fasterapi.protocol import Keepalive, Role, WebSocketConnection

from .oracles import Buffer, buffers, frame, keys, naive_mask, streams, texts

Backends = tuple[ModuleType, ModuleType]


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """Give what a call gives, or the type and the text of what it raises."""
    try:
        return call(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, both have to raise it
        return type(error), str(error)


def same(both: Backends, kernel: str, *arguments: Any) -> None:
    """Call a kernel of each backend."""
    first, second = (outcome(getattr(kernels, kernel), *arguments) for kernels in both)
    assert first == second


# What is handed over: mostly the right thing, in every kind of buffer, and sometimes a wrong one.
anything = st.one_of(
    st.builds(lambda make, data: make(data), buffers, st.binary(max_size=200)),
    st.sampled_from(["text", 5, None, b"", 1.5, [1, 2], bytearray(5000)]),
)


@given(data=anything, key=st.one_of(keys, keys, anything), offset=st.integers(-9, 2**66))
def test_mask(both: Backends, data: Any, key: Any, offset: int) -> None:
    same(both, "mask", data, key, offset)


@given(
    data=anything, key=st.one_of(keys, keys, anything), start=st.integers(-9, 300),
    offset=st.integers(-9, 2**66),
)  # fmt: skip
def test_mask_into(both: Backends, data: Any, key: Any, start: int, offset: int) -> None:
    outs = [bytearray(range(250)), bytearray(range(250))]
    pairs = zip(both, outs, strict=True)
    assert len({
        str(outcome(kernels.mask_into, data, key, offset, out, start)) for kernels, out in pairs
    }) == 1  # fmt: skip
    assert outs[0] == outs[1]


@given(
    stream=streams(),
    make=buffers,
    start=st.integers(0, 300),
    limit=st.sampled_from([1, 3, 125, 200, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**200]),
)
def test_scan(
    both: Backends,
    stream: tuple[bytes, bool],
    make: Callable[[bytes], Buffer],
    start: int,
    limit: int,
) -> None:
    data, masked = stream
    same(both, "scan", make(data), start, limit, masked)
    same(both, "scan", make(data), start, limit, not masked)


@given(data=anything, masked=st.booleans())
def test_scan_of_anything(both: Backends, data: Any, masked: bool) -> None:
    same(both, "scan", data, 0, 100, masked)


@given(stream=streams(), make=buffers, cut=st.integers(0, 300))
def test_unwrap(
    both: Backends, stream: tuple[bytes, bool], make: Callable[[bytes], Buffer], cut: int
) -> None:
    data, masked = stream
    for piece in (data, data[:cut], data[cut:]):
        same(both, "unwrap", make(piece), masked)
        same(both, "unwrap", make(piece), not masked)


@given(data=anything, masked=st.booleans())
def test_unwrap_of_anything(both: Backends, data: Any, masked: bool) -> None:
    same(both, "unwrap", data, masked)


@given(pieces=st.lists(st.tuples(buffers, texts), max_size=5), final=st.booleans())
def test_utf8(
    both: Backends, pieces: list[tuple[Callable[[bytes], Buffer], bytes]], final: bool
) -> None:
    first, second = (kernels.Utf8Validator() for kernels in both)
    for make, text in pieces:
        good = first.feed(make(text))
        assert second.feed(make(text)) is good
        if not good:
            return
        assert second.pending == first.pending
    assert second.feed(b"", final) is first.feed(b"", final)


@given(data=anything)
def test_utf8_of_anything(both: Backends, data: Any) -> None:
    first, second = (outcome(kernels.Utf8Validator().feed, data) for kernels in both)
    assert first == second


# --------------------------------------------------------------------------- whole connections

KERNELS = ("Utf8Validator", "mask", "scan")
KEY = b"\x01\x02\x03\x04"


@contextmanager
def using(kernels: ModuleType) -> Iterator[None]:
    """Let every module of the core use one backend."""
    core = [module for name, module in sys.modules.items() if name.startswith("fasterapi.protocol")]
    users = [(module, name) for module in core for name in KERNELS if hasattr(module, name)]
    before = [getattr(module, name) for module, name in users]
    try:
        for module, name in users:
            setattr(module, name, getattr(kernels, name))
        yield
    finally:
        for (module, name), kernel in zip(users, before, strict=True):
            setattr(module, name, kernel)


def live(kernels: ModuleType, role: Role, pieces: Iterable[Buffer], streaming: bool) -> list[str]:
    """Live through a connection, and give all that can be seen of it."""
    limits = Limits(max_message_size=300, max_fragments=4)
    with using(kernels):
        connection = WebSocketConnection(
            role, limits=limits, keepalive=Keepalive(20, 20), masking_key=lambda: KEY
        )
        connection.streaming = streaming
        seen = []
        for now, piece in enumerate(pieces):
            events = connection.receive_data(piece, float(now))
            seen.append(repr((events, connection.state, connection.next_deadline())))
            for event in events:
                answer = outcome(connection.send_fragment, repr(event), now % 2 == 0)
                seen.append(repr(answer))
            seen.append(repr(connection.data_to_send(hold_close=now % 3 == 0)))
        seen.append(repr((connection.receive_eof(99.0), connection.state)))
        return [*seen, repr(connection.data_to_send())]


def test_the_connection_does_use_the_backend_it_is_told_to(both: Backends) -> None:
    calls = []

    class Spy(ModuleType):
        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(both[0], name)

    pieces = [frame(0x01, b"some"), frame(0x80, b"thing")]
    assert live(Spy("spy"), Role.SERVER, pieces, False) == live(both[0], Role.SERVER, pieces, False)
    assert set(calls) == set(KERNELS)


FIRST_BYTES = [
    *(0x80 | opcode for opcode in (0, 1, 1, 1, 2, 2, 8, 9, 10)),
    *(0x00 | opcode for opcode in (0, 0, 1, 2)),
]


@st.composite
def lives(draw: st.DrawFn) -> tuple[Role, bytes]:
    """Draw what a peer sends in the life of a connection; here and there it breaks a rule."""
    role = draw(st.sampled_from(Role))
    sent = b""
    for _ in range(draw(st.integers(1, 8))):
        first = draw(st.sampled_from(FIRST_BYTES))
        payload = draw(st.one_of(texts, st.binary(max_size=150)))
        if first == 0x88:
            payload = draw(st.sampled_from([1000, 1001, 1005, 4000])).to_bytes(2, "big")
        sent += frame(first, payload, draw(keys) if role is Role.SERVER else b"")
    for _ in range(draw(st.integers(0, 2)) if draw(st.booleans()) else 0):
        place = draw(st.integers(0, len(sent) - 1))
        sent = sent[:place] + bytes([draw(st.integers(0, 255))]) + sent[place + 1 :]
    return role, sent


@settings(max_examples=300)
@given(
    life=lives(),
    cuts=st.lists(st.integers(0, 600), max_size=8),
    make=buffers,
    streaming=st.booleans(),
)
def test_whole_connections(
    both: Backends,
    life: tuple[Role, bytes],
    cuts: list[int],
    make: Callable[[bytes], Buffer],
    streaming: bool,
) -> None:
    role, sent = life
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(edges)]
    first, second = (
        live(kernels, role, [make(piece) for piece in pieces], streaming) for kernels in both
    )
    assert first == second


@settings(max_examples=20)
@given(life=lives())
def test_whole_connections_byte_by_byte(both: Backends, life: tuple[Role, bytes]) -> None:
    role, sent = life
    pieces = [sent[i : i + 1] for i in range(len(sent))]
    assert live(both[0], role, pieces, False) == live(both[1], role, pieces, False)


def test_a_large_message_in_large_reads(both: Backends) -> None:
    payload = ("aé€😀" * 30_000).encode()
    head = b"\x81\xff" + len(payload).to_bytes(8, "big") + KEY
    sent = head + naive_mask(payload, KEY)
    for size in (65_536, 262_144, 100_003):
        pieces = [sent[i : i + size] for i in range(0, len(sent), size)]
        for kernels in both:
            with using(kernels):
                connection = WebSocketConnection(Role.SERVER)
                events = [event for piece in pieces for event in connection.receive_data(piece)]
            assert events == [payload.decode()]
