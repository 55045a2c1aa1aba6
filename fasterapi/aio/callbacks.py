"""Callback handlers: a class whose methods are called in the event loop, with no task in between.

An instance serves one connection. ``on_open(ws)`` may reject it or accept it with options;
``on_message(ws, message)`` gets each whole message; ``on_drain(ws)`` says that the peer takes bytes
again; ``on_close(ws, code, reason)`` is the last call. None of them can wait: what one does, every
other connection waits for. That is what it costs; what it saves is resuming a task per message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import LocalProtocolError
from ..protocol.events import Closed, Event, Pong
from .websocket import WebSocket

__all__ = ["CallbackWebSocket"]

Message = str | bytes


class CallbackWebSocket(WebSocket):
    """The ``WebSocket`` that callbacks get: ``receive`` is not for it, all else is the same.

    Attributes:
        name: Of the handler's class, for the log.
    """

    __slots__ = ("_on_close", "_on_drain", "_on_message", "_over", "name")

    def bind(self, make: Callable[[], Any], name: str) -> None:
        """Make the instance whose methods are called, and let it open the connection."""
        self.name = name
        self._over = False
        try:
            self._open_with(make())
        except BaseException as error:  # noqa: BLE001  # the handler's, whatever it is
            self._fail(error)

    def _open_with(self, handler: Any) -> None:
        self._on_message: Callable[[WebSocket, Message], object] = handler.on_message
        self._on_drain = getattr(handler, "on_drain", _ignore)
        self._on_close = getattr(handler, "on_close", _ignore)
        getattr(handler, "on_open", _ignore)(self)
        if self._undecided:
            self._open()

    async def receive(self) -> Any:
        """Refuse: messages go to ``on_message``.

        Raises:
            LocalProtocolError: Always.
        """
        raise LocalProtocolError("a callback handler gets its messages in on_message()")

    def drained(self) -> None:
        """Report that the peer takes bytes again."""
        self._call(self._on_drain)

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, (str, bytes)):
                if self._local_close is None:
                    try:
                        self._on_message(self, event)
                    except BaseException as error:  # noqa: BLE001  # the handler's, whatever it is
                        self._fail(error)
            elif isinstance(event, Pong):
                self._take_pong(event)
            elif isinstance(event, Closed):
                self._ended(event.code, event.reason)
        if self._ending:
            self._wake()

    def _wake(self) -> None:
        """The connection is over: say so, once."""
        if not self._ending:
            return
        self._release()
        if not self._over:
            self._over = True
            self._call(self._on_close, self.close_code, self.close_reason)

    def _call(self, callback: Callable[..., object], *args: object) -> None:
        try:
            callback(self, *args)
        except BaseException as error:  # noqa: BLE001  # the handler's, whatever it is
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Close as for a handler's end; what ends the process goes on to do so."""
        if self._conclude(error):
            self._server.crashed(self.request, self.name, error)
        elif isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error


def _ignore(*args: object) -> None:
    """Stand in for a method that a handler does not have."""
