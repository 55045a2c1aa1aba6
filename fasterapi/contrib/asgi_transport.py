"""An asyncio transport whose other end is an ASGI server: its ``receive`` and its ``send``.

While a request is answered, what is written is events. Behind ``websocket.accept`` it is frames: a
WebSocket's other half, kept here, makes messages of them, and frames of the messages that come.
So whoever serves a WebSocket on a transport serves it here, and nothing is said twice: waiting,
flow control, limits, closing and threads are those of the asyncio server.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ..limits import DEFAULT_LIMITS
from ..protocol.codes import is_sendable
from ..protocol.connection import Role, WebSocketConnection
from ..protocol.events import Closed
from ..protocol.flow import assumed_progress
from ..protocol.state import OPEN
from .asgi_exchange import Event, event_size, split_body

if TYPE_CHECKING:
    from ..aio.channel import Channel

__all__ = ["ASGITransport"]

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_LIMITS = replace(DEFAULT_LIMITS, max_message_size=1 << 62)  # our own messages come this way
_TURNS = 4
"""Of the loop, in which a handler's answer is with the server, if it answers at once."""
_PRIVATE = 3000  # the first close code that is not the protocol's
_EMPTY_CLOSE = b"\x88\x80\0\0\0\0"
_NO_MASK = bytes(4)  # both ends are in this process


class ASGITransport(asyncio.Transport):
    """The transport of one request, and of the WebSocket that it may become.

    Args:
        loop: The running loop.
        protocol: Who serves it.
        extra: What ``get_extra_info`` gives.
        receive: Gives the server's events.
        fault: Told why the connection was given up.

    Attributes:
        error: What the server's ``receive`` raised, or what its event made us raise.
        over: Done when the connection is over, and the protocol has been told.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.Protocol,
        extra: dict[str, Any],
        receive: Receive,
        fault: Callable[[str], None],
    ) -> None:
        super().__init__(extra)
        self.error: BaseException | None = None
        self.over: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._protocol = protocol
        self._receive = receive
        self._fault = fault
        self._peer: WebSocketConnection | None = None
        self._framed = asyncio.Event()  # there is a peer
        self._left = False  # the client has closed, and hears nothing more
        self._events: deque[tuple[Event, int]] = deque()
        self._size = 0
        self._carried = 0  # events that the server has taken
        self._began: float | None = None  # the send that is under way
        self._high = DEFAULT_LIMITS.write_high_water
        self._paused = False  # the protocol is not to write
        self._reading = asyncio.Event()
        self._reading.set()
        self._waiting: asyncio.Future[None] | None = None  # the writer
        self._feeder: asyncio.Task[None] | None = None
        self._closing = False
        self._lost = False

    # ---------------------------------------------------------------------- for the protocol

    def write(self, data: Any) -> None:
        """Take events or, once ``begin_frames`` was called, frames."""
        if self._closing:
            return
        if self._peer is None:
            for event in data:
                for piece in split_body(event, self._high):
                    self._queue(piece)
        else:
            self._take_frames(self._peer, data)

    def writelines(self, pieces: Any) -> None:
        """Take frames in pieces."""
        self.write(b"".join(pieces))

    def begin_frames(self) -> None:
        """Have what is written be frames from now on."""
        self._peer = WebSocketConnection(Role.CLIENT, limits=_LIMITS, masking_key=lambda: _NO_MASK)
        self._framed.set()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to a protocol."""
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give the protocol."""
        return self._protocol

    def get_write_buffer_size(self) -> int:
        """Give the bytes that the server has not taken; of an event under way, what is likely."""
        if self._began is None or not self._events:
            return self._size
        size, seconds = self._events[0][1], self._loop.time() - self._began
        limits = cast("Channel", self._protocol).limits
        return self._size - assumed_progress(size, seconds, limits)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the high-water mark in bytes; the low one is a quarter of it."""
        self._high = DEFAULT_LIMITS.write_high_water if high is None else high

    def is_closing(self) -> bool:
        """Tell whether the connection is over, or about to be."""
        return self._closing

    def can_write_eof(self) -> bool:
        """Tell that the end waits for what is written."""
        return True

    def write_eof(self) -> None:
        """End the connection when all is written: ASGI has no halves of one."""
        self.close()

    def close(self) -> None:
        """End the connection when all is written."""
        self._closing = True
        if not self._events and self._waiting is not None:
            self.lose()

    def abort(self) -> None:
        """Cut the connection."""
        self.lose()

    def pause_reading(self) -> None:
        """Ask the server for no more events."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Ask the server for events again."""
        self._reading.set()

    # --------------------------------------------------------------------- towards the server

    async def carry(self, send: Send) -> None:
        """Hand events over to the server, one after the other, until the connection is over."""
        try:
            while not self._lost and await self._carry_all(send) and not self._closing:
                self._waiting = self._loop.create_future()
                await self._waiting
                self._waiting = None
        finally:
            self.lose()

    async def _carry_all(self, send: Send) -> bool:
        """Hand over what is queued; tell whether the connection is still there."""
        while self._events:
            event, size = self._events[0]
            if event["type"] == "websocket.close":
                await self._stop_feeding()
            self._began = self._loop.time()
            if not await self._hand_over(send, event) or self._lost:
                return False
            self._began = None
            self._events.popleft()
            self._carried += 1
            self._size -= size
            if self._paused and self._size <= self._high // 4:
                self._paused = False
                self._protocol.resume_writing()
        return True

    async def _hand_over(self, send: Send, event: Event) -> bool:
        """Give the server an event; tell whether it has taken it."""
        try:
            await send(event)
        except OSError:
            return False  # the client is gone (ASGI 2.4)
        except Exception as error:  # noqa: BLE001  # what it is depends on the server
            if not self._left:
                self._fault(f"the server does not take {event['type']!r}: {error!r}")
            code = event.get("code", _PRIVATE)
            # daphne takes 1000 and private codes only; 4011 says more than no Close at all.
            return code < _PRIVATE and await self._hand_over(send, {**event, "code": code + 3000})
        return True

    def feed(self) -> None:
        """Begin to ask the server for events; with nobody to ask, the connection is lost."""
        self._feeder = self._loop.create_task(self._feed())
        self._feeder.add_done_callback(self._fed)

    def _fed(self, feeder: asyncio.Task[None]) -> None:
        """Take it if there will be no more events, and nobody to tell of the client's leaving."""
        if feeder is self._feeder and not self._lost:
            self.error = None if feeder.cancelled() else feeder.exception()
            if feeder.cancelled() or self.error is not None:
                self.lose()

    async def _stop_feeding(self) -> None:
        """Ask for no more events: granian closes nothing as long as somebody waits for one."""
        feeder, self._feeder = self._feeder, None
        if feeder is not None:
            feeder.cancel()
            await asyncio.wait([feeder])

    async def _feed(self) -> None:
        while not self._lost:
            await self._reading.wait()
            event = await self._receive()
            kind = event["type"]
            if kind == "websocket.receive":
                await self._framed.wait()
            else:
                await asyncio.sleep(0)  # receive() may never wait, and others are to have a turn
            await self._reading.wait()
            if kind in ("websocket.disconnect", "http.disconnect"):
                self._take_end(event)
                return
            if kind == "websocket.receive":
                await self._take_message(event)

    def lose(self) -> None:
        """The connection is over; the protocol is told in the loop's next turn."""
        if not self._lost:
            self._lost = self._closing = True
            self._events.clear()
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        try:
            self._protocol.connection_lost(None)
        finally:
            if self._feeder is not None:
                self._feeder.cancel()
            if not self.over.done():
                self.over.set_result(None)

    def _queue(self, event: Event) -> None:
        size = event_size(event)
        self._events.append((event, size))
        self._size += size
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        if self._size > self._high and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    # -------------------------------------------------------------------------------- frames

    def _take_frames(self, peer: WebSocketConnection, data: bytes) -> None:
        for event in peer.receive_data(data):
            if isinstance(event, str):
                self._queue({"type": "websocket.send", "text": event})
            elif isinstance(event, bytes):
                self._queue({"type": "websocket.send", "bytes": event})
            elif isinstance(event, Closed) and not self._left:
                code = event.code if is_sendable(event.code) else 1000
                self._queue({"type": "websocket.close", "code": code, "reason": event.reason})
        if peer.state is not OPEN:
            self._loop.call_soon(self._answer)

    def _answer(self) -> None:
        """Agree to a Close; the server's own client does so on its own."""
        if self._peer is not None and not self._lost and (data := self._peer.data_to_send()):
            self._protocol.data_received(data)

    async def _take_message(self, event: Mapping[str, Any]) -> None:
        """Hand a message to the protocol, and let a handler answer that does so at once.

        Who asks a server for the next event has no more to say to the last: it may close then.
        """
        peer = self._peer
        answered = self._carried + len(self._events) + 1
        if peer is not None and peer.state is OPEN:
            text = event.get("text")
            if text is not None:
                peer.send_text(text)
            else:
                peer.send_binary(event["bytes"])
            self._protocol.data_received(peer.data_to_send())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if self._carried >= answered and not self._events:
                return

    def _take_end(self, event: Mapping[str, Any]) -> None:
        """Take that the client has left; answers to what it sent before still go to the server."""
        peer = self._peer
        if peer is None or peer.state is not OPEN:
            self.close()
            return
        self._left = True
        code, reason = event.get("code", 1005), event.get("reason") or ""
        if code == 1005:
            self._protocol.data_received(_EMPTY_CLOSE)
        elif is_sendable(code):
            peer.close(code, reason)
            self._protocol.data_received(peer.data_to_send())
        else:
            self._protocol.eof_received()
