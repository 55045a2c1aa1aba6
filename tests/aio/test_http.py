"""Connections as long as they speak HTTP/1.1: requests, answers, deadlines, refusals, the log."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from fasterapi import App, HTTPError, Limits, Request, Response, SSEConnection, WebSocket

from .conftest import Runner
from .memory import Network, get, handshake, turns, until

LIMITS = Limits(handshake_timeout=10, keep_alive_timeout=5, close_timeout=2, max_connections=3)
FORM = b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"


def application(**options: Any) -> App:
    app = App(limits=LIMITS, **options)
    app.state.gates = []

    @app.get("/")
    async def index(request: Request) -> dict[str, str]:
        return {"client": request.client, "scheme": request.scheme}

    @app.post("/echo")
    def echo(request: Request) -> bytes:
        return request.body

    @app.get("/wait")
    async def wait() -> str:
        gate = asyncio.get_running_loop().create_future()
        app.state.gates.append(gate)
        return str(await gate)

    @app.get("/crash")
    async def crash() -> str:
        raise RuntimeError("meant to")

    @app.get("/refuse")
    async def refuse() -> str:
        raise HTTPError(418, "short and stout", headers=[("X-Pot", "tea")])

    @app.get("/wrong/{how}")
    async def wrong(how: str) -> Any:
        match how:
            case "length":
                return Response(200, [("Content-Length", "5")], b"abc")
            case "coding":
                return Response(200, [("Transfer-Encoding", "chunked")], b"abc")
            case "type":
                return object()
            case "json":
                return {"x": object()}
        raise HTTPError(400, headers=[("X", "a\r\nb")])

    @app.sse("/events")
    async def events(sse: SSEConnection) -> None:
        await sse.send("one")

    return app


def test_a_request_is_answered_and_the_connection_lives_on(run_everywhere: Runner) -> None:
    async def main() -> None:
        client = Network(application()).connect()
        for _ in range(2):
            await client.send(get("/"))
            status, body = client.response()
            assert (status, body) == (200, b'{"client":"192.0.2.1:4711","scheme":"http"}')
        assert not client.is_over

    run_everywhere(main())


def test_every_response_has_a_date(run: Runner) -> None:
    async def main() -> None:
        client = Network(application()).connect()
        await client.send(get("/"))
        assert client.head().headers["date"].endswith(" GMT")

    run(main())


def test_a_request_over_tls_says_so(run: Runner) -> None:
    async def main() -> None:
        client = Network(application()).connect(sslcontext=object())
        await client.send(get("/"))
        assert b'"scheme":"https"' in client.taken()

    run(main())


def test_a_body_in_pieces(run: Runner) -> None:
    async def main() -> None:
        client = Network(application()).connect()
        await client.send(*(FORM[at : at + 1] for at in range(len(FORM))))
        await until(lambda: client.transport.written)
        assert client.response() == (200, b"hello")

    run(main())


@pytest.mark.parametrize("how", ["length", "coding", "type", "json", "header"])
def test_an_answer_that_can_not_be_sent_is_a_crash(
    run: Runner, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        net = Network(application())
        client = net.connect()
        await client.send(get(f"/wrong/{how}"))
        assert client.response() == (500, b"Internal Server Error\n")
        await client.send(get("/"))
        assert client.response()[0] == 200
        assert net.server.calls == set()

    run(main())
    crashes = [record for record in caplog.records if record.levelno == logging.ERROR]
    (crash,) = crashes
    assert crash.exc_info
    statuses = [vars(record).get("status") for record in caplog.records if record not in crashes]
    assert statuses == [500, 200]


def test_what_handlers_raise(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        client = Network(application(), access_log=False).connect()
        await client.send(get("/refuse"))
        head = client.head()
        assert (head.status, head.headers["x-pot"]) == (418, "tea")
        client.taken()
        await client.send(get("/crash"))
        assert client.response() == (500, b"Internal Server Error\n")

    run(main())
    (record,) = caplog.records
    assert record.getMessage().startswith('192.0.2.1:4711 "GET /crash": ')
    assert record.getMessage().endswith("raised RuntimeError")
    assert record.exc_info


def test_access_is_logged(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        net = Network(application())
        client = net.connect()
        await client.send(get("/?a=1"))
        await client.send(get("/nowhere", method="HEAD"))
        await net.stream("/events")

    run(main())
    assert [record.getMessage() for record in caplog.records] == [
        '192.0.2.1:4711 "GET /?a=1 HTTP/1.1" 200',
        '192.0.2.1:4711 "HEAD /nowhere HTTP/1.1" 404',
        '192.0.2.1:4711 "GET /events HTTP/1.1" 200',
        '192.0.2.1:4711 "SSE /events" ended after 0.0 s',
    ]
    assert {(record.name, record.levelno) for record in caplog.records} == {
        ("fasterapi.access", logging.INFO)
    }
    assert vars(caplog.records[0])["method"] == "GET"


# --------------------------------------------------------------------------------- one at a time


def test_requests_are_answered_one_after_the_other(run: Runner) -> None:
    async def main() -> None:
        app = application()
        client = Network(app).connect()
        await client.send(get("/wait") + get("/wait") + get("/"))
        assert len(app.state.gates) == 1
        app.state.gates[0].set_result("first")
        await turns()
        assert client.response() == (200, b"first")
        assert len(app.state.gates) == 2
        app.state.gates[1].set_result("second")
        await turns()
        assert client.response() == (200, b"second")
        assert client.response()[0] == 200

    run(main())


def test_what_waits_unread_is_bounded(run: Runner) -> None:
    async def main() -> None:
        app = application()
        client = Network(app).connect()
        await client.send(get("/wait") * 1000)
        assert not client.transport.reading
        for number in range(998):
            app.state.gates[number].set_result("")
            await turns(8)
            waiting = (998 - number) * len(get("/wait"))
            assert client.transport.reading is (waiting <= LIMITS.max_head_size)
        assert client.transport.resumptions == 1  # no read slips in between two requests
        await client.leave()

    run(main())


def test_half_a_connection_still_gets_its_answers(run: Runner) -> None:
    async def main() -> None:
        app = application()
        client = Network(app).connect()
        await client.send(get("/wait") + get("/") * 3)
        await client.finish()
        assert not client.is_over
        app.state.gates[0].set_result("first")
        await turns(20)
        assert client.response() == (200, b"first")
        assert [client.response()[0] for _ in range(3)] == [200] * 3
        assert client.is_over

    run(main())


def test_over_tls_the_end_of_one_half_is_the_end(run: Runner) -> None:
    async def main() -> None:
        client = Network(application()).connect()
        client.transport.tls = True
        await client.send(get("/wait"))
        assert not client.transport.protocol.eof_received()  # asyncio would warn of anything else

    run(main())


def test_an_idle_connection_ends_when_its_peer_does(run: Runner) -> None:
    async def main() -> None:
        for request in (b"", get("/")):
            client = Network(application()).connect()
            await client.send(request)
            client.taken()
            await client.finish()
            assert client.is_over
            assert client.taken() == b""

    run(main())


def test_a_handler_whose_client_has_gone_answers_nobody(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        app = application()
        net = Network(app)
        client = net.connect()
        await client.send(get("/wait") + get("/"))
        await client.leave(ConnectionResetError())
        app.state.gates[0].set_result("too late")
        await turns()
        assert client.taken() == b""
        assert (net.server.calls, net.server.connections) == (set(), set())

    run(main())
    assert caplog.records == []


# ------------------------------------------------------------------------------ faults and time


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00", 400),
        (get("/", "Content-Length: x"), 400),
        (get("/" + 9000 * "a"), 414),
        (get("/", "X: " + 9000 * "a"), 431),
    ],
    ids=range(5),
)
def test_a_fault_is_answered_logged_once_and_the_end(
    run: Runner, caplog: pytest.LogCaptureFixture, data: bytes, status: int
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        net = Network(application())
        client = net.connect()
        await net.pass_time(9, step=1)
        await client.send(data)
        head = client.head()
        assert (head.status, head.headers["connection"]) == (status, "close")
        assert client.is_over
        client.taken()
        await client.send(get("/") * 100)
        await net.pass_time(1.5, step=0.5)  # beyond the deadline of the request itself
        assert not client.transport.aborted
        await net.pass_time(1, step=0.5)
        assert client.transport.aborted
        assert client.taken() == b""

    run(main())
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("fasterapi.server", logging.INFO)
    assert record.getMessage().startswith(f"192.0.2.1:4711: {status}: ")
    assert record.exc_info is None


def test_a_request_has_to_come_in_time(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        net = Network(application())
        silent, slow = net.connect(), net.connect()
        for at in range(9):
            await slow.send(get("/")[at : at + 1])
            await net.pass_time(1, step=1)
        assert [silent.is_over, slow.is_over] == [False, False]
        await net.pass_time(1.1, step=0.1)
        for client in (silent, slow):
            assert client.response()[0] == 408
            assert client.is_over

    run(main())
    assert [record.getMessage() for record in caplog.records] == [
        "192.0.2.1:4711: 408: request time over Limits.handshake_timeout (10 seconds), "
        "raise it with Limits(handshake_timeout=...)"
    ] * 2


def test_an_idle_connection_ends_without_a_word(run: Runner) -> None:
    async def main() -> None:
        net = Network(application())
        client = net.connect()
        await client.send(get("/"))
        client.taken()
        await net.pass_time(4.8)
        assert not client.is_over
        await net.pass_time(0.3)
        assert client.is_over
        assert client.taken() == b""

    run(main())


def test_a_handler_takes_the_time_it_needs(run: Runner) -> None:
    async def main() -> None:
        app = application()
        net = Network(app)
        client = net.connect()
        await client.send(get("/wait"))
        await net.pass_time(100, step=10)
        app.state.gates[0].set_result("at last")
        await turns()
        assert client.response() == (200, b"at last")

    run(main())


# ---------------------------------------------------------------------------------------- refusals


def test_connections_over_the_limit(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        net = Network(application())
        clients = [net.connect() for _ in range(3)]
        refused = net.connect()
        head = refused.head()
        assert head.status == 503
        assert head.headers["retry-after"] in set("12345")
        assert refused.is_over
        await refused.send(get("/"))
        assert refused.taken() == b"too many connections\n"
        await clients[0].leave()
        later = net.connect()
        await later.send(get("/"))
        assert later.response()[0] == 200
        await net.pass_time(3)
        assert refused.transport.aborted
        assert len(net.server.connections) == 3

    run(main())
    (record,) = [r for r in caplog.records if r.name == "fasterapi.server"]
    assert record.getMessage() == (
        "192.0.2.1:4711: 503: too many connections, over Limits.max_connections (3)"
    )


def test_a_stopping_server_finishes_what_it_began(run: Runner) -> None:
    async def main() -> None:
        app = application()
        net = Network(app)
        busy, late, idle = net.connect(), net.connect(), net.connect()
        await busy.send(get("/wait"))
        await late.send(get("/")[:-2])
        stopping = asyncio.ensure_future(net.server.stop())
        await turns()
        assert idle.is_over
        newcomer = net.connect()
        assert newcomer.response() == (503, b"shutting down\n")
        await late.send(b"\r\n")
        assert late.response() == (503, b"shutting down\n")
        assert late.is_over
        app.state.gates[0].set_result("done")
        await turns()
        assert busy.head().headers["connection"] == "close"
        assert busy.taken() == b"done"
        assert busy.is_over
        await stopping

    run(main())


# ---------------------------------------------------------------------------------------- upgrades


def test_a_peer_that_ends_its_half_before_the_handshake_is_answered(run: Runner) -> None:
    async def main() -> None:
        app = App()
        gate = asyncio.get_running_loop().create_future()
        codes: list[int | None] = []

        @app.websocket("/")
        async def slow(ws: WebSocket) -> None:
            await gate
            async for message in ws:
                await ws.send(message)
            codes.append(ws.close_code)

        net = Network(app)
        client = net.connect()
        await client.send(handshake(path="/"))
        await client.finish()
        gate.set_result(None)
        await turns()
        assert client.head().status == 101
        assert (codes, client.is_over) == ([1006], True)

    run(main())


def test_a_client_that_leaves_before_the_handshake_is_answered(run: Runner) -> None:
    async def main() -> None:
        app = App()
        gate = asyncio.get_running_loop().create_future()

        @app.websocket("/")
        async def slow(ws: WebSocket) -> None:
            await gate
            await ws.accept()

        net = Network(app)
        client = net.connect()
        await client.send(handshake(path="/"))
        await client.leave()
        gate.set_result(None)
        await turns()
        assert net.server.calls == set()
        assert client.taken() == b""

    run(main())
