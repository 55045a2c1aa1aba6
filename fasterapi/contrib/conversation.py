"""A WebSocket as an ASGI application sees it: events in and out of a session on a transport.

ASGI, "WebSocket" (version 2.4 of the specification of HTTP and WebSocket messages). The session is
``aio.WebSocket``, so all about waiting, waking, flow control and closing is decided there; here its
methods and errors become events, and events become its methods. Which server it is in is not known
here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..aio.websocket import WebSocket
from ..errors import ConnectionClosed, LocalProtocolError
from ..protocol.handshake import ServerHandshake
from ..protocol.headers import Headers
from ..protocol.http import Response
from ..protocol.sse import to_json
from ..protocol.state import OPEN

if TYPE_CHECKING:
    from ..aio.http import HTTPProtocol

__all__ = ["Conversation", "Session"]

Event = MutableMapping[str, Any]
Application = Callable[[Any, Any, Any], Awaitable[Any]]

_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
_UNEXPLAINED = frozenset({1006, 1012})  # no Close frame of anybody's gave a reason


class Session(WebSocket):
    """A ``WebSocket`` whose end an application is told at once, by whichever side it came."""

    __slots__ = ()

    def finish(self, code: int, reason: str) -> None:
        """Send Close and tell whoever waits; the peer's answer is awaited behind the scenes."""
        self._close(code, reason)
        self._ended(code, reason)
        self._wake()

    def drop(self) -> None:
        """End the connection without Close, for the application has left without a word."""
        channel = self._channel
        assert channel is not None
        if self._connection is not None and self._connection.state is OPEN:
            channel.flush()
            # What still arrives is for nobody, and nothing answers it.
            self._take(self._connection.receive_eof(channel.server.clock(), drop=True))
            self._inbox.clear()
            channel.shut_write()
        else:
            self._conclude(None)

    def _shut_down(self) -> None:
        if self._undecided:
            super()._shut_down()
        elif self._local_close is not None and self._channel is not None:
            self._channel.close_when_written()  # its Close has gone out already
        else:
            self.finish(1012, "")


class Conversation:
    """One WebSocket's ``receive`` and ``send``, and the task that its application runs in.

    It is what answers a request of an ``HTTPProtocol``, and so is told of the client's leaving and
    of the server's stop.

    Args:
        http: The connection that the request came on.
        handshake: The server's half of it.
        scope: The application's scope.
        gone: What ``send`` raises when the client is gone: an ``OSError`` (ASGI 2.4).
        log: Called with the status of the answer, 101 if it is accepted.

    Attributes:
        session: The WebSocket.
        scope: As given.
    """

    __slots__ = (
        "_connected", "_decided", "_denial", "_denying", "_gone", "_http", "_log", "scope",
        "session",
    )  # fmt: skip

    def __init__(
        self,
        http: HTTPProtocol,
        handshake: ServerHandshake,
        scope: Event,
        *,
        session: type[Session],
        gone: type[OSError],
        log: Callable[[Mapping[str, Any], int], None],
    ) -> None:
        self.scope = scope
        self.session = session(
            handshake.request,
            handshake=handshake,
            exchange=http,
            http=http,
            limits=http.server.limits,
            dumps=to_json,
            loads=json.loads,
        )
        self._http = http
        self._gone = gone
        self._log = log
        self._connected = False
        self._decided: asyncio.Future[None] | None = None
        self._denial: Response | None = None  # a refusal whose head is not written yet
        self._denying = False  # a refusal whose body is being written

    def check(self) -> Response | None:
        """Judge the handshake; give the response if the application is not to run at all."""
        return self.session._check()

    # ----------------------------------------------------------------- what the application calls

    async def receive(self) -> Event:
        """Give the next event; after the end, ``websocket.disconnect`` each time."""
        session = self.session
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        message = None
        if session._connection is None:
            while session._undecided:
                await self._decision()
        elif not session._inbox.items and not session._ending:
            # There is nothing to take: wait as ``receive`` does, with one coroutine less to resume.
            session._answering = False
            message = await session._arrival()
            session._waiter = None
            session._answering = message is not None
        if message is None:
            try:
                message = await session.receive()
            except ConnectionClosed:
                return self._disconnect()
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    async def send(self, event: Mapping[str, Any]) -> None:
        """Take an event.

        Raises:
            OSError: If the client is gone.
            RuntimeError: If the event is none that can be sent now.
            LocalProtocolError: If it holds what can't be sent.
        """
        session = self.session
        channel = session._channel
        if channel is None:
            await self._answer(event)
            return
        if event["type"] != "websocket.send":
            self._close(event)
            return
        message = event.get("text")
        if message is None and (message := event.get("bytes")) is None:
            raise LocalProtocolError("'websocket.send' needs text or bytes")
        if channel._paused:
            await channel.drain()
        if session._local_close is not None:
            raise RuntimeError("'websocket.send' after 'websocket.close'")
        try:
            sent = session.send(message)
        except ConnectionClosed:
            raise self._gone from None
        if sent is not channel.server.done:
            await sent
            if channel.lost:
                raise self._gone

    def _close(self, event: Mapping[str, Any]) -> None:
        if event["type"] != "websocket.close":
            raise RuntimeError(
                f"the WebSocket is accepted: expected 'websocket.send' or 'websocket.close', "
                f"not {event['type']!r}"
            )
        if self.session._local_close is not None:
            raise RuntimeError("'websocket.close' after 'websocket.close'")
        code, reason = event.get("code"), event.get("reason")
        self.session.finish(1000 if code is None else code, reason or "")

    # --------------------------------------------------------------------------- the handshake

    async def _answer(self, event: Mapping[str, Any]) -> None:
        """Take an event before the WebSocket is accepted, or after it was refused."""
        session, kind = self.session, event["type"]
        if self._denial is not None or self._denying:
            if kind != "websocket.http.response.body":
                raise RuntimeError(
                    f"Expected ASGI message 'websocket.http.response.body' but got '{kind}'."
                )
            await self._deny(event)
        elif not session._undecided:
            if session._status is None:
                raise self._gone
            raise RuntimeError(f"{kind!r} after the handshake was refused")
        elif kind == "websocket.accept":
            self._accept(event)
        elif kind == "websocket.close":
            session._reject(403, (), b"")
            self._log(self.scope, 403)
        elif kind == "websocket.http.response.start":
            status = event["status"]
            self._denial = Response(status, event.get("headers", ()))
            self._log(self.scope, status)
        else:
            raise RuntimeError(
                "the handshake is not answered: expected 'websocket.accept', 'websocket.close' or "
                f"'websocket.http.response.start', not {kind!r}"
            )
        self._wake()

    def _accept(self, event: Mapping[str, Any]) -> None:
        defaults = self._http.server.default_headers()
        headers = [*defaults, *Headers(event.get("headers") or ())]
        try:
            self.session._accept(event.get("subprotocol") or None, headers)
        except ConnectionClosed:
            raise self._gone from None
        self._log(self.scope, 101)

    async def _deny(self, event: Mapping[str, Any]) -> None:
        """Take a piece of a refusal's body; one that comes whole goes out with its length."""
        http, body, more = self._http, event.get("body", b""), event.get("more_body", False)
        try:
            if self._denial is not None:
                denial, self._denial = self._denial, None
                fields = [field for field in denial.headers if field[0].lower() not in _FRAMING]
                self.session._status = denial.status
                if not more:
                    http.respond(Response(denial.status, fields, body))
                    self._refused()
                    return
                http.start_stream(Response(denial.status, fields))
                self._denying = True
            http.send_data(body)
            if more:
                await http.sent(http.streamed)
            else:
                self._denying = False
                http.end()
                self._refused()
        except ConnectionClosed:
            raise self._gone from None

    def _refused(self) -> None:
        self.session._ended(1006, "")
        self._wake()

    async def _decision(self) -> None:
        if self._decided is None:
            self._decided = self._http.server.create_future()
        await asyncio.shield(self._decided)

    def _wake(self) -> None:
        decided = self._decided
        if decided is not None and not self.session._undecided and not decided.done():
            decided.set_result(None)

    def _disconnect(self) -> Event:
        session = self.session
        code = 1006 if session.close_code is None else session.close_code
        event: Event = {"type": "websocket.disconnect", "code": code}
        if session._status == 101 and (session.close_reason or code not in _UNEXPLAINED):
            event["reason"] = session.close_reason
        return event

    # ------------------------------------------------------------------------------- the end

    def conclude(self) -> bool:
        """Do what is left when the application has ended; tell whether it had answered at all."""
        session = self.session
        if self._denial is not None:
            fields = [f for f in self._denial.headers if f[0].lower() not in _FRAMING]
            self._respond(Response(self._denial.status, fields))
        elif self._denying:
            self._http.transport.abort()  # a body that is cut short must not look whole
        elif session._undecided:
            self._respond(
                Response(
                    500, [("Content-Type", "text/plain; charset=utf-8")], b"Internal Server Error"
                )
            )
            return False
        elif session._channel is not None:
            session.drop()
        return True

    def _respond(self, response: Response) -> None:
        self._denial = None
        with suppress(ConnectionClosed):  # nobody is left to be told
            self.session._respond(response)

    # ------------------------------------------------------- what the HTTP connection tells us

    def next_deadline(self) -> float | None:
        """Tell that there is nothing to be done in time."""
        return None

    def tick(self, now: float) -> None:
        """Do nothing."""

    def resumed(self) -> None:
        """The transport takes bytes again, as those who wait are told elsewhere."""

    def half_closed(self) -> None:
        """A client that ends its half before it is answered has left: it could not send Close."""
        self.client_lost()
        self._http.transport.close()

    def client_lost(self) -> None:
        """The client left before the handshake was answered."""
        self.session._ended(1006, "")
        self._wake()

    def shut_down(self) -> None:
        """The server stops: a handshake that waits is answered with 503."""
        if self._denial is None and not self._denying:
            self.session._shut_down()
            self._wake()
