"""What every connection of a test client has: the bytes, the end, and a bounded way to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ..app.entries import Entries
from ..limits import Limits
from .waiting import describe_call

if TYPE_CHECKING:
    from .host import Host
    from .server import Wire

__all__ = ["CLIENT_LIMITS", "Opening", "Session"]

CLIENT_LIMITS = Limits(max_message_size=1 << 40, max_fragments=1 << 40, max_event_size=1 << 40)
"""What a server may cost a test: all that it wants to, unless a test says otherwise."""

S = TypeVar("S", bound="Session")


class Session:
    """A connection of a test client; a WebSocket or an event stream derives from it.

    Args:
        host: The app.
        wire: The connection.
        name: For errors: method and path.
    """

    __test__ = False

    def __init__(self, host: Host, wire: Wire, name: str) -> None:
        self._host = host
        self._wire = wire
        self._name = name
        self._fault: BaseException | None = None
        wire.on_data = self._guarded(self._take)
        wire.on_end = self._guarded(self._take_end)

    # ---------------------------------------------------------------------- for a deriving class

    def _take(self, data: bytes) -> None:
        """Take what the server has written."""
        raise NotImplementedError

    def _take_end(self) -> None:
        """Take note that the server writes no more."""
        raise NotImplementedError

    def _so_far(self) -> str:
        """Say what has come, for an error."""
        raise NotImplementedError

    async def _leave(self) -> None:
        """End the connection in order."""
        raise NotImplementedError

    # -------------------------------------------------------------------------------- the bytes

    @property
    def wire(self) -> Wire:
        """The connection under it, with all of its bytes, those of the handshake among them."""
        return self._wire

    @property
    def is_lost(self) -> bool:
        """Whether the connection under it is gone, for both sides."""
        return self._wire.lost

    @property
    def unread(self) -> int:
        """Bytes sent that the server does not read, for its handler has not caught up."""
        return self._wire.unread

    @property
    def unsent(self) -> int:
        """Bytes that the server has to send while this client is paused."""
        return self._wire.transport.get_write_buffer_size()

    async def pause(self) -> None:
        """Take nothing from the server any more, as a client that reads slowly."""
        self._wire.transport.stuck = True

    async def resume(self) -> None:
        """Take what waits, and go on."""
        self._wire.transport.take()
        await self._host.settle()

    async def drop(self, error: Exception | None = None) -> None:
        """Lose the connection, as when a cable is cut and the system finds out: no Close, no end.

        Args:
            error: What the server's system says, such as ``ConnectionResetError()``.
        """
        self._wire.drop(error)
        await self._host.settle()

    # ------------------------------------------------------------------------------------ waiting

    async def wait_handler(self, *, timeout: float | None = None) -> None:
        """Wait until the handler has ended.

        Args:
            timeout: Seconds of real time; by default the client's.

        Raises:
            TimeoutError: If it has not.
            Exception: What the handler raised; see ``AsyncTestClient``.
        """
        await self._wait(lambda: self._wire.call is None, timeout, "end of the handler")
        self._host.raise_crash()

    async def _wait(self, done: Callable[[], object], timeout: float | None, what: str) -> None:
        host = self._host
        await host.watch.wait(
            lambda: done() or self._fault is not None,
            timeout,
            f"{what} of {self._name}",
            lambda: f"{self._so_far()}; {describe_call(self._wire.call)}{host.next_deadline()}",
            check=lambda: host.raise_crash(self._wire),
        )
        if self._fault is not None:
            raise self._fault

    async def _concluded(self, timeout: float | None = None) -> None:
        """Let the handler end, if it does soon, and raise what it raised."""
        host = self._host
        seconds = host.grace if timeout is None else min(timeout, host.grace)
        try:
            await host.watch.wait(lambda: self._wire.call is None, seconds, "end", str)
        except TimeoutError:
            return  # it may well go on without its client
        host.raise_crash()

    def _guarded(self, function: Callable[..., None]) -> Callable[..., None]:
        """Keep what a callback raises for whoever waits: the loop would only print it."""

        def call(*args: Any) -> None:
            try:
                function(*args)
            except Exception as error:  # noqa: BLE001  # raised where it is waited for
                self._fault = error

        return call

    # ------------------------------------------------------------------------------------ the end

    async def __aenter__(self) -> Self:
        """Give the connection, to be left in order at the end of the block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave; at once, if the block has failed."""
        if error is not None:
            await self.drop()
        else:
            await self._leave()


class Opening(Generic[S]):
    """A connection to be opened: await it, or use it with ``async with``.

    Args:
        open_: Opens it.

    Attributes:
        open: As given.
    """

    __slots__ = ("_entries", "open")

    def __init__(self, open_: Callable[[], Coroutine[Any, Any, S]]) -> None:
        self.open = open_
        self._entries: Entries[S] = Entries()

    def __await__(self) -> Generator[Any, None, S]:
        return self.open().__await__()

    async def __aenter__(self) -> S:
        """Open the connection."""
        return self._entries.push(asyncio.current_task(), await self)

    async def __aexit__(self, *error: object) -> None:
        """Leave it."""
        session = self._entries.pop(asyncio.current_task())
        await session.__aexit__(*error)  # type: ignore[arg-type]  # as they came
