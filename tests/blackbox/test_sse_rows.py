"""Rows 57 to 62: event streams, their fields, their ends, and who may ask for one how."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import quote, urlencode

import pytest

from fasterapi.protocol import EventStreamParser, ServerSentEvent

from .peer import Head, Peer, get, handshake, text
from .resuming import KEPT, LAST
from .server import KIB, MIB, ServerProcess, eventually

BREAKS = ["\r", "\n", "\r\n", "\0"]


def open_stream(site: ServerProcess, path: str, *fields: str, **options: int) -> tuple[Peer, Head]:
    """Ask for an event stream; read the head of the response."""
    peer = site.connect(**options)
    peer.send(get(path, *fields))
    return peer, peer.read_head()


def first_event(site: ServerProcess, path: str) -> Peer:
    """Open an event stream and read its first event."""
    peer, head = open_stream(site, path)
    assert head.status == 200
    assert peer.read_chunk() == b"data: first\n\n"
    return peer


def body_of(site: ServerProcess, path: str, *fields: str) -> tuple[Head, bytes]:
    """Read a response to its end."""
    peer, head = open_stream(site, path, *fields, "Connection: close")
    with peer:
        return head, peer.read_body(head)


# ---------------------------------------------------------------------------------------- row 57


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "a\nevent: b"},
        {"event": "a\rdata: x"},
        {"id": "a\nevent: b"},
        {"id": "a\rdata: x"},
        {"id": "a\0b"},
        {"retry": "1\ndata:x"},
        {"retry": "-1"},
        {"comment": "a\nb", "retry": "1.5"},
    ],
    ids=str,
)
def test_row_57_fields_that_cannot_be_sent(site: ServerProcess, fields: dict[str, str]) -> None:
    head, body = body_of(site, f"/event?data=x&{urlencode(fields)}")
    assert head.status == 422
    assert b"\n\n" not in body


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("a\r\nb\rc\nd", ["a", "b", "c", "d"]),
        ("a\u2028b", ["a\u2028b"]),
        ("a\x0bb\x85c", ["a\x0bb\x85c"]),
        ("", [""]),
        ("\n", ["", ""]),
    ],
    ids=ascii,
)
def test_row_57_lines_of_data(site: ServerProcess, data: str, lines: list[str]) -> None:
    head, body = body_of(site, f"/event?{urlencode({'data': data})}")
    assert head.status == 200
    assert body == "".join(f"data: {line}\n" for line in lines).encode() + b"\n"
    parser = EventStreamParser()
    assert parser.feed(body) == [ServerSentEvent(data="\n".join(lines))]


# ---------------------------------------------------------------------------------------- row 58


@pytest.mark.parametrize("bad", BREAKS, ids=ascii)
@pytest.mark.parametrize("what", ["header", "name", "cookie", "reason"])
def test_row_58_a_response_that_would_split(site: ServerProcess, what: str, bad: str) -> None:
    site.crashes = 1
    head, body = body_of(site, f"/split/{what}?with={quote(bad)}")
    assert head.status == 500
    assert set(head.headers) == {"content-type", "content-length", "date", "connection"}
    assert body == b"Internal Server Error\n"


@pytest.mark.parametrize("bad", BREAKS, ids=ascii)
@pytest.mark.parametrize("what", ["subprotocol", "header", "reject"])
def test_row_58_a_handshake_that_would_split(site: ServerProcess, what: str, bad: str) -> None:
    site.crashes = 1
    request = handshake("Sec-WebSocket-Protocol: chat", path=f"/split/{what}?with={quote(bad)}")
    with site.connect() as peer:
        peer.send(request)
        head = peer.read_head()
        assert head.status == 500
        assert set(head.headers) == {"content-type", "content-length", "date", "connection"}
        assert peer.read_body(head) == b"Internal Server Error\n"
        assert peer.is_over()


def test_row_58_a_response_that_frames_itself_wrongly(site: ServerProcess) -> None:
    site.crashes = 1
    assert body_of(site, "/split/length?with=x")[0].status == 500


# ---------------------------------------------------------------------------------------- row 59


def test_row_59_a_last_event_id_of_one_mebibyte(site: ServerProcess) -> None:
    peer, head = open_stream(site, "/last-event-id", "Last-Event-ID: " + MIB * "x")
    with peer:
        assert head.status == 431


def test_row_59_a_last_event_id_with_nul(site: ServerProcess) -> None:
    assert body_of(site, "/last-event-id", "Last-Event-ID: a\0b")[0].status == 400


@pytest.mark.parametrize("sent", ["42", "\N{EURO SIGN}", "", 8000 * "x"], ids=range(4))
def test_row_59_last_event_ids(site: ServerProcess, sent: str) -> None:
    _, body = body_of(site, "/last-event-id", f"Last-Event-ID: {sent}")
    (event,) = EventStreamParser().feed(body)
    assert json.loads(event.data) == {"last_event_id": sent}


def test_row_59_a_last_event_id_in_latin_1(site: ServerProcess) -> None:
    """It is UTF-8 or it is none."""
    with site.connect() as peer:
        peer.send(
            get("/last-event-id", "Last-Event-ID: @").replace(
                b"@", "\N{POUND SIGN}".encode("latin-1")
            )
        )
        body = peer.read_body(peer.read_head())
    (event,) = EventStreamParser().feed(body)
    assert json.loads(event.data) == {"last_event_id": ""}


# ---------------------------------------------------------------------------------------- row 60

LEAVING = {
    "/ticks": "cancelled",
    "/def/ticks": "closed",
    "/generator": "generator closed",
    "/def/generator": "generator closed",
}


@pytest.mark.parametrize("end", ["close", "reset", "finish"])
@pytest.mark.parametrize(
    "path",
    [pytest.param("/ticks", marks=pytest.mark.event_loop), *(p for p in LEAVING if p != "/ticks")],
)
def test_row_60_the_client_leaves(site: ServerProcess, path: str, end: str) -> None:
    """Within a second, although the handler only sleeps."""
    site.get("/endings")
    peer = first_event(site, path)
    left = time.monotonic()
    getattr(peer, end)()
    seen: list[str] = []
    eventually(lambda: seen.extend(site.get("/endings")) or seen, "the handler's end")
    assert seen == [LEAVING[path]]
    assert time.monotonic() - left < 1
    peer.close()
    assert site.get("/endings") == []


@pytest.mark.parametrize(
    "path",
    ["/flood", "/def/flood", pytest.param("/hasty-flood", marks=pytest.mark.event_loop)],
)
def test_row_60_the_client_stops_reading(site: ServerProcess, path: str) -> None:
    """``write_timeout`` is 1 s here. What waits is bounded: 64 KiB, or 1 MiB if nobody awaits."""
    site.get("/endings")
    with site.grows_less_than(4 * MIB):
        peer, head = open_stream(site, path, receive_buffer=4096)
        with peer:
            assert head.status == 200
            seen: list[str] = []
            eventually(lambda: seen.extend(site.get("/endings")) or seen, "the handler's end")
            assert seen == ["flood over"]
    log = site.log()
    assert "Limits.max_write_buffer" in log if "hasty" in path else "Limits.write_timeout" in log


# ---------------------------------------------------------------------------------------- row 61


def test_row_61_head(site: ServerProcess) -> None:
    with site.connect() as peer:
        peer.send(get("/ticks", method="HEAD") + get("/http"))
        head = peer.read_head()
        assert head.status == 200
        assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
        # Not a byte of a body: the next response follows.
        head = peer.read_head()
        assert peer.read_body(head) == b"ok"


def test_row_61_post(site: ServerProcess) -> None:
    with site.connect() as peer:
        peer.send(get("/ticks", "Content-Length: 0", method="POST"))
        head = peer.read_head()
        assert head.status == 405
        assert {"GET", "HEAD"} <= set(head.headers["allow"].split(", "))


def test_row_61_a_client_that_would_rather_have_a_page(site: ServerProcess) -> None:
    peer, head = open_stream(site, "/ticks", "Accept: text/html")
    with peer:
        assert head.status == 200
        assert head.headers["content-type"].startswith("text/event-stream")


# ---------------------------------------------------------------------------------------- row 62


def resume(site: ServerProcess, path: str, last_event_id: int) -> Iterator[Peer]:
    """Have a thousand clients connect again; give those that were served what they missed."""
    with ExitStack() as stack:
        peers = []
        for _ in range(1000):
            peers.append(peer := stack.enter_context(site.connect()))
            peer.send(get(path, f"Last-Event-ID: {last_event_id}"))
        for peer in peers:
            head = peer.read_head()
            if head.status == 503:
                assert head.headers["retry-after"] in {"1", "2", "3", "4", "5"}
            else:
                assert head.status == 200
                yield peer


def leaves_no_more_than(site: ServerProcess, tasks: int) -> bool:
    """Tell whether nobody listens any more; other cases' tasks may have ended meanwhile."""
    left = site.get("/left")
    return left["subscribers"] == 0 and left["tasks"] <= tasks


@pytest.mark.parametrize(
    "path", [pytest.param("/resumed", marks=pytest.mark.event_loop), "/def/resumed"]
)
def test_row_62_a_thousand_clients_come_back(site: ServerProcess, path: str) -> None:
    """Each gets the events that are kept, 20 KB, however old what it saw last is.

    Those that there is no thread for are told when to try again, not all the same.
    """
    before = site.get("/left")["tasks"]
    kept = [str(number) for number in range(LAST - KEPT + 1, LAST + 1)]
    with site.websocket() as witness, site.grows_less_than(64 * MIB):
        for last_event_id in (3, 42):
            served = 0
            for peer in resume(site, path, last_event_id):
                parser, ids = EventStreamParser(), []
                while len(ids) < KEPT:
                    ids += [event.id for event in parser.feed(peer.read_chunk())]
                assert ids == kept
                served += 1
                if served % 100 == 0:
                    asked = time.monotonic()
                    witness.send(text("still there?"))
                    assert witness.read_message() == "still there?"
                    assert time.monotonic() - asked < 1
            assert served == 1000 if path == "/resumed" else served >= 100
    eventually(lambda: leaves_no_more_than(site, before), "that nothing is left of them")


# --------------------------------------------------------------------------- beside the table


def test_the_head_of_an_event_stream(site: ServerProcess) -> None:
    for path in LEAVING:
        peer, head = open_stream(site, path)
        with peer:
            assert head.status == 200
            assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert head.headers["cache-control"] == "no-store"
            assert head.headers["x-accel-buffering"] == "no"
            assert head.headers["transfer-encoding"] == "chunked"
            assert "content-length" not in head.headers


def test_http_1_0_ends_with_the_connection(site: ServerProcess) -> None:
    for path in ("/event?data=x", "/event?data=x&id=1"):
        with site.connect() as peer:
            peer.send(get(path, "Connection: keep-alive", version="1.0"))
            head = peer.read_head()
            assert "transfer-encoding" not in head.headers
            assert head.headers["connection"] == "close"
            (event,) = EventStreamParser().feed(peer.read_all())
            assert event.data == "x"


def test_a_stream_that_ends_leaves_the_connection_to_the_next_request(site: ServerProcess) -> None:
    with site.connect() as peer:
        for number in range(3):
            peer.send(get(f"/event?data={number}"))
            head = peer.read_head()
            assert peer.read_body(head) == b"data: %d\n\n" % number


def test_a_comment_after_silence_and_not_before(site: ServerProcess) -> None:
    """``keepalive`` is 0.2 s here."""
    with first_event(site, "/silent") as peer:
        quiet = time.monotonic()
        assert peer.read_chunk().startswith(b":")
        assert time.monotonic() - quiet > 0.15
        assert peer.read_chunk().startswith(b":")


def test_a_handler_may_refuse_before_its_first_event(site: ServerProcess) -> None:
    head, body = body_of(site, "/refused")
    assert (head.status, body) == (403, b"not you\n")
    assert head.headers["content-type"].startswith("text/plain")


def test_two_hundred_streams_at_once(site: ServerProcess) -> None:
    peers = [first_event(site, "/ticks") for _ in range(200)]
    for peer in peers:
        peer.close()
    site.get("/endings")


def test_a_slow_reader_gets_a_large_stream_whole(site: ServerProcess) -> None:
    """Slow, but moving: 2 MB through a receive buffer of 4 KiB."""
    for path in ("/flood", "/def/flood"):
        peer, _ = open_stream(site, path, receive_buffer=4096)
        with peer:
            read = 0
            while read < 2 * MIB:
                chunk = peer.read_chunk()
                assert chunk.replace(b"data: " + 1000 * b"x" + b"\n\n", b"") == b""
                read += len(chunk)
        assert read < 2 * MIB + 512 * KIB
