"""Both clients of event streams on the same tasks: reading, ending, connecting again, refusing."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import random
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

import fasterapi
from fasterapi import (
    ConcurrentReceive,
    EventStreamError,
    HandshakeError,
    Limits,
    LocalProtocolError,
    Reconnect,
    ServerSentEvent,
)
from fasterapi.errors import InvalidResponse, RedirectError
from fasterapi.protocol import SourceState

from .event_servers import DONE, HEAD, Server, chunked, serving, sized, until_close
from .relays import black_hole, http_proxy, listening

AT_ONCE = Reconnect(delay=0.0, jitter=0.0)


class Outcome(NamedTuple):
    """What came of a stream."""

    events: list[ServerSentEvent]
    last_event_id: str
    reconnects: int
    state: SourceState
    retry: int | None

    @property
    def data(self) -> list[str]:
        return [event.data for event in self.events]


def read_sync(url: str, most: int = 1 << 30, **options: Any) -> Outcome:
    events = []
    with fasterapi.sync.events(url, proxy=None, **options) as stream:
        for event in stream:
            events.append(event)
            if len(events) == most:
                break
        return Outcome(events, stream.last_event_id, stream.reconnects, stream.state, stream.retry)


async def _read(url: str, most: int, **options: Any) -> Outcome:
    events = []
    async with fasterapi.events(url, proxy=None, **options) as stream:
        async for event in stream:
            events.append(event)
            if len(events) == most:
                break
        return Outcome(events, stream.last_event_id, stream.reconnects, stream.state, stream.retry)


def read_async(url: str, most: int = 1 << 30, **options: Any) -> Outcome:
    return asyncio.run(_read(url, most, **options))


Read = Callable[..., Outcome]


@pytest.fixture(params=[read_sync, read_async], ids=["sync", "async"])
def read(request: pytest.FixtureRequest) -> Read:
    found: Read = request.param
    return found


# ----------------------------------------------------------------------------- reading

BODY = "id: 1\nevent: tick\ndata: é…\n\n: ping\n\nretry: 250\ndata: b\ndata: c\n\n".encode()
EVENTS = [ServerSentEvent("é…", "tick", "1"), ServerSentEvent("b\nc", "message", "1", 250)]


@pytest.mark.parametrize("frame", [until_close, chunked, sized])
def test_events_of_every_kind_of_body(read: Read, frame: Callable[[bytes], bytes]) -> None:
    with serving(frame(BODY)) as (server, url):
        found = read(url, reconnect=False)
    assert found.events == EVENTS
    assert (found.last_event_id, found.reconnects, found.retry) == ("1", 0, 250)
    assert found.state is SourceState.CLOSED
    (request,) = server.requests
    assert request.startswith(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Accept: text/event-stream\r\nCache-Control: no-store\r\n" in request


@pytest.mark.parametrize("frame", [until_close, chunked])
@pytest.mark.parametrize("seed", range(4))
def test_no_cut_of_the_bytes_changes_anything(
    read: Read, frame: Callable[[bytes], bytes], seed: int
) -> None:
    chance = random.Random(seed)
    answer = frame(BODY * 40)

    def pieces(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        at = 0
        while at < len(answer):
            size = chance.choice([1, 2, 3, 10, 200, 1000])
            sock.sendall(answer[at : at + size])
            at += size

    with serving(pieces) as (_, url):
        found = read(url, reconnect=False)
    # All but the very first have an ID before them.
    assert found.data == [event.data for event in EVENTS] * 40


def test_a_long_stream_comes_whole_and_its_last_event_id_keeps_pace(read: Read) -> None:
    stream = b"".join(b"id: %d\ndata: %d\n\n" % (n, n) for n in range(40_000))
    with serving(chunked(stream, 10_000)) as (_, url):
        found = read(url, reconnect=False)
    assert found.data == [str(number) for number in range(40_000)]
    for most in (1, 2, 777):
        with serving(until_close(stream)) as (_, url), suppress(ConnectionError):
            found = read(url, most)
            assert found.last_event_id == str(most - 1)


def test_the_last_event_id_before_any_event_is_the_given_one() -> None:
    with (
        serving(until_close(b"id: 8\ndata: x\n\n")) as (server, url),
        fasterapi.sync.events(url, proxy=None, last_event_id="7") as stream,
    ):
        assert stream.last_event_id == "7"
        assert next(stream).id == "8"
        assert stream.last_event_id == "8"
    assert server.last_event_ids() == [b"7"]


def test_a_post(read: Read) -> None:
    with serving(until_close(b"data: x\n\n")) as (server, url):
        found = read(url, json={"q": 1}, headers={"Authorization": "Bearer t"})
    assert found.data == ["x"]
    (request,) = server.requests
    assert request.startswith(b"POST ")
    assert b"Authorization: Bearer t\r\n" in request
    assert request.endswith(b'\r\n\r\n{"q":1}')


def test_an_id_is_sent_back_as_utf_8(read: Read) -> None:
    with serving(until_close("id: é\ndata: x\n\n".encode()), DONE) as (server, url):
        read(url, reconnect=AT_ONCE)
    assert server.last_event_ids() == [None, "é".encode()]


# ------------------------------------------------------------------------- reconnecting


def test_it_connects_again_until_204(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    def reset(sock: socket.socket) -> None:
        sock.sendall(until_close(b"id: 2\ndata: b\n\nid: 3\ndata: lost"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    answers = (
        until_close(b"retry: 0\nid: 1\ndata: a\n\n"),
        reset,
        b"",
        chunked(b"data: c\n\n", whole=False),
        DONE,
    )
    with caplog.at_level(logging.INFO, "fasterapi.client"), serving(*answers) as (server, url):
        found = read(url, reconnect=Reconnect(delay=60.0, jitter=0.0))
    assert found.data[0] == "a"
    assert found.data[-1] == "c"
    assert (found.reconnects, found.state) == (2, SourceState.CLOSED)
    assert server.last_event_ids()[:2] == [None, b"1"]
    assert len(server.requests) == 5
    first, *rest = caplog.records
    assert first.getMessage() == (f"event stream {url}: it has ended; connecting again in 0.0 s")
    assert (first.levelname, first.__dict__["last_event_id"]) == ("INFO", "1")
    assert {record.levelname for record in rest} == {"WARNING"}
    assert "without an answer" in rest[1].getMessage()


@pytest.mark.parametrize("frame", [chunked, sized])
def test_what_comes_in_one_read_with_the_end_is_not_lost(
    read: Read, frame: Callable[[bytes], bytes]
) -> None:
    answers = [frame(b"id: %d\ndata: %d\n\n" % (number, number)) for number in range(3)]
    with serving(*answers, DONE) as (server, url):
        found = read(url, reconnect=AT_ONCE)
    assert (found.data, found.reconnects) == (["0", "1", "2"], 2)
    assert server.last_event_ids() == [None, b"0", b"1", b"2"]


@pytest.mark.parametrize("options", [{"body": "x"}, {"method": "QUERY"}, {"reconnect": False}])
def test_what_is_not_get_is_not_sent_again_unasked(read: Read, options: dict[str, Any]) -> None:
    with serving(until_close(b"data: x\n\n")) as (server, url):
        assert read(url, **options).data == ["x"]
    assert len(server.requests) == 1
    with (
        serving(chunked(b"data: x\n\n", whole=False)) as (server, url),
        pytest.raises(ConnectionResetError, match="within its answer"),
    ):
        read(url, **options)
    assert len(server.requests) == 1


def test_a_post_is_sent_again_if_asked_for(read: Read) -> None:
    with serving(until_close(b"data: x\n\n"), DONE) as (server, url):
        assert read(url, body="q", reconnect=AT_ONCE).data == ["x"]
    assert [request[-5:] for request in server.requests] == [b"\r\n\r\nq"] * 2


def test_silence_ends_a_connection(read: Read) -> None:
    def silent(sock: socket.socket) -> None:
        sock.sendall(until_close(b"data: x\n\n"))
        sock.recv(1)

    with serving(silent) as (_, url), pytest.raises(TimeoutError, match=r"no byte for 0\.05 s"):
        read(url, reconnect=False, idle_timeout=0.05)
    with serving(silent, DONE) as (_, url):
        assert read(url, reconnect=AT_ONCE, idle_timeout=0.05).data == ["x"]


def test_what_came_while_the_loop_was_busy_is_no_silence() -> None:
    go, sent = threading.Event(), threading.Event()

    def late(sock: socket.socket) -> None:
        sock.sendall(until_close(b"data: x\n\n"))
        assert go.wait(10)
        sock.sendall(b"data: y\n\n")
        sent.set()
        sock.recv(1)

    async def main(url: str) -> None:
        async with fasterapi.events(url, reconnect=False, idle_timeout=1e-6) as stream:
            assert (await anext(stream)).data == "x"
            go.set()
            assert sent.wait(10)  # and so blocks the loop
            assert (await anext(stream)).data == "y"
            with pytest.raises(TimeoutError, match="no byte for"):
                await anext(stream)

    with serving(late) as (_, url):
        asyncio.run(main(url))


def test_a_server_that_is_not_there_is_an_error_at_first_and_waited_for_later(read: Read) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        read(f"http://127.0.0.1:{port}/")
    policy = Reconnect(delay=0.0, jitter=0.0, first=True, attempts=2)
    with pytest.raises(ConnectionRefusedError):
        read(f"http://127.0.0.1:{port}/", reconnect=policy)


def test_a_status_that_may_pass_is_waited_out(read: Read) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    policy = Reconnect(delay=0.0, jitter=0.0, statuses={503})
    with serving(until_close(b"data: x\n\n"), busy, DONE) as (server, url):
        assert read(url, reconnect=policy).data == ["x"]
    assert len(server.requests) == 3


# ----------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", 404, b"none"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>", 200, b"<p>"),
        (b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 500, b"ab"),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_what_is_no_event_stream_is_final(
    read: Read, answer: bytes, status: int, body: bytes, again: bool
) -> None:
    before = [until_close(b"data: x\n\n")] if again else []
    with serving(*before, answer) as (_, url), pytest.raises(HandshakeError) as caught:
        read(url, reconnect=AT_ONCE)
    assert (caught.value.status, caught.value.body) == (status, body)


def test_an_answer_that_is_not_http_is_final(read: Read) -> None:
    for answer in (b"SSH-2.0-OpenSSH\r\n", HEAD + b"Content-Length: x\r\n\r\n"):
        with serving(answer) as (_, url), pytest.raises(InvalidResponse):
            read(url)


def test_a_chunk_that_is_none_is_a_connection_that_is_lost(read: Read) -> None:
    bad = chunked(b"data: x\n\n", whole=False) + b"zz\r\n"
    with serving(bad, DONE) as (_, url):
        assert read(url, reconnect=AT_ONCE).data == ["x"]
    with serving(bad) as (_, url), pytest.raises(InvalidResponse, match="a malformed chunk size"):
        read(url, reconnect=False)


def test_an_event_over_the_limit_is_final(read: Read) -> None:
    stream = b"data: x\n\ndata: " + b"y" * 100
    for answer in (until_close(stream), until_close(stream + b"\n\n")):
        with serving(answer) as (_, url), pytest.raises(EventStreamError, match="over 50"):
            read(url, limits=Limits(max_event_size=50))


def test_open_timeout(read: Read) -> None:
    with (
        serving(lambda sock: sock.recv(1) and None) as (_, url),
        pytest.raises(TimeoutError, match="open_timeout"),
    ):
        read(url, open_timeout=0.05)


def test_options_that_do_not_fit_are_told_before_anything_is_opened() -> None:
    for make in (fasterapi.events, fasterapi.sync.events):
        for url, options, message in (
            ("ws://x/", {}, "http:// or https://"),
            ("http://x/", {"ssl": ssl.create_default_context()}, "without TLS"),
            ("http://x/", {"uds": "/x", "sock": object()}, "either uds or sock"),
            ("http://x/", {"sock": object(), "reconnect": True}, "serves one connection"),
            ("http://x/", {"body": "x", "json": 1}, "either body or json"),
        ):
            with pytest.raises(ValueError, match=message):
                make(url, **options)
        with pytest.raises(TypeError, match=r"^events\(\) has no option 'nope'$"):
            make("http://x/", nope=1)


# ------------------------------------------------------------------------ ways to a server


def test_a_redirect_is_followed_and_asked_anew(read: Read) -> None:
    with serving(until_close(b"id: 1\ndata: x\n\n"), DONE) as (there, url):
        moved = b"HTTP/1.1 307 X\r\nLocation: " + url.encode() + b"\r\nContent-Length: 0\r\n\r\n"
        with serving(moved, moved) as (here, first):
            assert read(first, reconnect=AT_ONCE).data == ["x"]
    assert here.last_event_ids() == there.last_event_ids() == [None, b"1"]
    away = b"HTTP/1.1 302 X\r\nLocation: ftp://x/\r\n\r\n"
    with serving(away) as (_, url), pytest.raises(RedirectError):
        read(url)


def test_tls(read: Read) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with listening(Server(chunked(BODY)), context=context) as port:
        url = f"https://localhost:{port}/"
        assert read(url, ssl=trusting, reconnect=False).events == EVENTS
        with pytest.raises(ssl.SSLCertVerificationError):
            read(url)


def test_a_unix_socket_and_a_given_one(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = Server(until_close(BODY))
    with listening(server, uds=path):
        assert read("http://name/x", uds=str(path), reconnect=False).events == EVENTS
    assert b"Host: name\r\n" in server.requests[0]
    with serving(until_close(BODY)) as (_, url):
        sock = socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0])))
        assert read(url, sock=sock).events == EVENTS


def test_a_proxy() -> None:
    seen: list[bytes] = []
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with (
        listening(Server(until_close(BODY)), context=context) as port,
        listening(http_proxy(seen)) as proxy,
        fasterapi.sync.events(
            f"https://localhost:{port}/", ssl=trusting, proxy=f"http://127.0.0.1:{proxy}"
        ) as stream,
    ):
        assert next(stream) == EVENTS[0]
    assert seen[0].startswith(f"CONNECT localhost:{port} ".encode())


# ------------------------------------------------------------------------- use and misuse


def test_a_loop_that_was_left_can_be_gone_on_with() -> None:
    answer = until_close(b"".join(b"data: %d\n\n" % number for number in range(10)))
    with (
        serving(answer) as (_, url),
        fasterapi.sync.events(url, proxy=None, reconnect=False) as stream,
    ):
        for event in stream:
            if event.data == "3":
                break
        assert next(stream).data == "4"
        assert [event.data for event in stream] == ["5", "6", "7", "8", "9"]
        with pytest.raises(StopIteration):
            next(stream)

    async def main(url: str) -> None:
        async with fasterapi.events(url, proxy=None, reconnect=False) as stream:
            async for event in stream:
                if event.data == "3":
                    break
            assert (await anext(stream)).data == "4"
            assert [event.data async for event in stream] == ["5", "6", "7", "8", "9"]
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    with serving(answer) as (_, url):
        asyncio.run(main(url))


def test_a_stream_has_to_be_entered() -> None:
    with pytest.raises(LocalProtocolError, match="with events"):
        next(fasterapi.sync.events("http://localhost/"))

    async def main() -> None:
        with pytest.raises(LocalProtocolError, match="async with events"):
            await anext(fasterapi.events("http://localhost/"))

    asyncio.run(main())


def hold(sock: socket.socket) -> None:
    """Send an event, and then nothing until the client leaves."""
    sock.sendall(until_close(b"data: x\n\n"))
    sock.recv(1)


@pytest.mark.parametrize("answers", [[hold], [until_close(b"data: x\n\n")]])
def test_close_wakes_who_reads_and_who_waits_to_reconnect(answers: list[Any]) -> None:
    with (
        serving(*answers) as (_, url),
        fasterapi.sync.events(url, proxy=None, reconnect=Reconnect(delay=1000.0)) as stream,
    ):
        assert next(stream).data == "x"
        found: list[object] = []
        reader = threading.Thread(target=lambda: found.append(next(stream, None)))
        reader.start()
        while not stream._reading.locked():
            pass
        with suppress(ConcurrentReceive):  # unless the stream ends first
            next(stream)
        stream.close()
        reader.join(10)
        assert found == [None]
        stream.close()

    async def main(url: str) -> None:
        policy = Reconnect(delay=1000.0)
        async with fasterapi.events(url, proxy=None, reconnect=policy) as stream:
            assert (await anext(stream)).data == "x"
            reader = asyncio.create_task(anext(stream, None))
            await asyncio.sleep(0)
            with pytest.raises(ConcurrentReceive):
                await anext(stream)
            await stream.close()
            assert await reader is None
            await stream.close()

    with serving(*answers) as (_, url):
        asyncio.run(main(url))


def test_close_wakes_who_connects() -> None:
    asked = threading.Event()

    def silent(sock: socket.socket) -> None:
        asked.set()
        sock.recv(1)

    with serving(silent) as (_, url):
        stream = fasterapi.sync.events(url, proxy=None, open_timeout=30)
        opener = threading.Thread(target=stream.__enter__, daemon=True)
        opener.start()
        assert asked.wait(10)
        stream.close()
        opener.join(10)
        assert not opener.is_alive()

    async def main(url: str) -> None:
        stream = fasterapi.events(url, proxy=None, open_timeout=30)
        opener = asyncio.create_task(stream.__aenter__())
        assert await asyncio.to_thread(asked.wait, 10)
        await stream.close()
        assert await asyncio.wait_for(opener, 10) is stream

    asked.clear()
    with serving(silent) as (_, url):
        asyncio.run(main(url))


def test_close_wakes_who_waits_for_an_address_that_does_not_answer() -> None:
    with black_hole() as (host, port):
        stream = fasterapi.sync.events(f"http://{host}:{port}/", proxy=None, open_timeout=30)
        opener = threading.Thread(target=stream.__enter__, daemon=True)
        opener.start()
        while stream._dialler._interrupt is None and opener.is_alive():
            pass
        stream.close()
        opener.join(10)
        assert not opener.is_alive()
        assert next(stream, None) is None


def test_what_close_may_shut_is_taken_away_under_the_lock() -> None:
    class Stream:
        def close(self) -> None:
            pass

        def release(self) -> None:
            pass

    class Lock:
        def __enter__(self) -> None:
            seen.append(stream._stream)

        def __exit__(self, *error: object) -> None:
            seen.append(stream._stream)

    held: Any = Stream()
    seen: list[object] = []
    stream: Any = fasterapi.sync.events("http://127.0.0.1:9/", proxy=None)
    stream._stream, stream._lock = held, Lock()
    stream._drop()
    assert seen == [held, None]


def test_a_task_that_connects_can_be_cancelled() -> None:
    asked = threading.Event()

    def silent(sock: socket.socket) -> None:
        asked.set()
        assert sock.recv(1) == b""

    async def main(url: str) -> None:
        opener = asyncio.create_task(fasterapi.events(url, proxy=None).__aenter__())
        assert await asyncio.to_thread(asked.wait, 10)
        opener.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opener

    with serving(silent) as (_, url):
        asyncio.run(main(url))


def test_a_task_that_reads_what_refuses_it_stops_when_another_closes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fasterapi.aio.dial.REFUSAL_TIMEOUT", 600.0)

    def slow(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nbut")
        sock.recv(1)

    async def main(url: str) -> None:
        stream = fasterapi.events(url, proxy=None)
        opener = asyncio.create_task(stream.__aenter__())
        async with asyncio.timeout(10):
            while stream._link is None:
                await asyncio.sleep(0.001)
            await stream.close()
            assert await opener is stream
            assert [event async for event in stream] == []

    with serving(slow) as (_, url):
        asyncio.run(main(url))


def test_a_task_can_be_cancelled_and_go_on() -> None:
    more = threading.Event()

    def answer(sock: socket.socket) -> None:
        sock.sendall(until_close(b"data: x\n\nda"))
        more.wait(10)
        sock.sendall(b"ta: y\n\n")

    async def main(url: str) -> None:
        async with fasterapi.events(url, proxy=None, reconnect=False) as stream:
            assert (await anext(stream)).data == "x"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.01)
            more.set()
            assert (await anext(stream)).data == "y"

    with serving(answer) as (_, url):
        asyncio.run(main(url))


def test_reading_stops_while_the_consumer_is_behind() -> None:
    sent = []
    full = threading.Event()

    def flood(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sock.sendall(until_close(b""))
        sock.settimeout(0.2)
        with suppress(OSError):
            for _ in range(3000):
                sent.append(sock.send(b"data: " + b"x" * 10_000 + b"\n\n"))
        full.set()

    async def main(url: str) -> None:
        async with fasterapi.events(url, proxy=None) as stream:
            await anext(stream)
            await asyncio.to_thread(full.wait, 10)
            assert stream._link is not None
            assert stream._link.paused

    with serving(flood) as (_, url):
        asyncio.run(main(url))
    assert sum(sent) < 20_000_000


def test_nothing_waits_between_the_events_of_one_read() -> None:
    turns = 0

    async def main(url: str) -> None:
        nonlocal turns
        loop = asyncio.get_running_loop()

        def count() -> None:
            nonlocal turns
            turns += 1
            loop.call_soon(count)

        async with fasterapi.events(url, proxy=None, reconnect=False) as stream:
            await anext(stream)
            before = asyncio.get_running_loop().call_soon(count)
            for _ in range(999):
                await anext(stream)
            assert turns == 0
            before.cancel()

    with serving(sized(b"data: x\n\n" * 1000)) as (_, url):
        asyncio.run(main(url))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc, which Linux has")
def test_streams_that_are_left_leave_nothing_behind(read: Read) -> None:
    def descriptors() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    with serving(*[hold] * 21) as (_, url):
        read(url, 1)
        before = descriptors(), threading.active_count()
        for _ in range(20):
            assert read(url, 1).data == ["x"]
    assert descriptors() < before[0]  # the listener's is gone too
    assert threading.active_count() < before[1]


# ------------------------------------------------------------------------------ parity


def test_both_clients_have_the_same_verbs() -> None:
    ours, theirs = fasterapi.EventStream, fasterapi.SyncEventStream
    assert inspect.signature(fasterapi.events) == inspect.signature(fasterapi.sync.events)

    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(ours) == public(theirs)
    assert inspect.signature(ours.close) == inspect.signature(theirs.close)
    pairs = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__anext__": "__next__"}
    for one, other in pairs.items():
        assert inspect.signature(getattr(ours, one)) == inspect.signature(getattr(theirs, other))
