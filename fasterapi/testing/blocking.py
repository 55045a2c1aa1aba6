"""``TestClient``: the verbs of ``AsyncTestClient`` for tests that are plain functions.

It drives an event loop of its own, in the thread of the test, and only while one of its methods
runs. Between two of them nothing moves, so that a test may look at the app's state, and a debugger
at either side. Handlers in ``async def`` run in the test's thread, ``def`` ones in theirs. What is
here waits for what ``AsyncTestClient`` does; there is no logic twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from .blocking_sessions import TestEventStream, TestWebSocket
from .client import AsyncTestClient, ClientOptions, HandshakeOptions, StreamOptions
from .clock import ClockedLoop
from .http import Reply, RequestOptions
from .server import Wire

if TYPE_CHECKING:
    from ..app import App

__all__ = ["TestClient", "TestClock"]

T = TypeVar("T")


class TestClock:
    """The time of the app under test; see ``AsyncTestClient.clock``.

    It stands still until it is turned. Turning it wakes ``asyncio.sleep`` too.
    """

    __test__ = False

    def __init__(self, client: TestClient) -> None:
        self._client = client

    @property
    def now(self) -> float:
        """The time in seconds."""
        return self._client._client.clock.now

    def advance(self, seconds: float) -> None:
        """Have so much time pass, from one deadline to the next, each with its effect.

        Args:
            seconds: How much; 0 looks at what is due now.

        Raises:
            ValueError: If it is negative.
            Exception: What a handler raised meanwhile.
        """
        self._client.run(self._client._client.clock.advance(seconds))


class TestClient:
    """Drives an app in memory, from a test that is a plain function; use it with ``with``.

    Arguments, errors and verbs are those of ``AsyncTestClient``, without ``await``. In a loop that
    runs already, ``async with TestClient(app) as c`` gives an ``AsyncTestClient``.

    Args:
        app: The application.
        debug: Whether the event loop is in asyncio's debug mode; one that runs already is as it is.
        options: As for ``AsyncTestClient``: base_url, headers, client, timeout, grace,
            raise_server_exceptions, check_leftovers.

    Attributes:
        app: As given.
        clock: The app's time.
    """

    __test__ = False

    def __init__(
        self, app: App, *, debug: bool | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        self._client = AsyncTestClient(app, **options)
        self._runner = asyncio.Runner(loop_factory=ClockedLoop, debug=debug)
        self._entered = self._over = False
        self.app = app
        self.clock = TestClock(self)

    def __enter__(self) -> Self:
        """Run the app's start-up.

        Raises:
            RuntimeError: If an event loop is running already in this thread, or it has been entered
                before.
            Exception: What its lifespan raised.
        """
        if _is_loop_running():
            raise RuntimeError(
                "TestClient drives an event loop of its own, and one is running in this thread: "
                "use 'async with TestClient(app) as c' there, and await its methods"
            )
        entered, self._entered = self._entered, True
        try:
            self.run(self._client.__aenter__())
        except BaseException:
            if not entered:
                self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every connection and run the app's shutdown.

        Raises:
            Exception: What handlers and the lifespan raised, unless the block has failed itself.
            LeftBehind: If tasks or threads of the app's are still there.
        """
        try:
            self.run(self._client.__aexit__(kind, error, traceback))
        finally:
            self._close()

    def _close(self) -> None:
        self._over = True
        self._runner.close()

    async def __aenter__(self) -> AsyncTestClient:
        """Run the app's start-up in the running loop, and give the client whose verbs are awaited.

        Raises:
            Exception: What its lifespan raised.
        """
        return await self._client.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every connection and run the app's shutdown; errors as ``__exit__``."""
        await self._client.__aexit__(kind, error, traceback)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop of the app, for what a test has to do there.

        Raises:
            RuntimeError: If the client's block has ended.
        """
        if self._over:
            coroutine.close()
            raise RuntimeError("the app is not at work: the client's 'with' block has ended")
        return self._runner.run(coroutine)

    def wait_until(
        self,
        condition: Callable[[], object],
        what: str = "such state of the app",
        *,
        timeout: float | None = None,
    ) -> None:
        """Wait until something is so; see ``AsyncTestClient.wait_until``."""
        self.run(self._client.wait_until(condition, what, timeout=timeout))

    def settle(self) -> None:
        """Let the loop turn until nothing is under way; see ``AsyncTestClient.settle``."""
        self.run(self._client.settle())

    def connect(self) -> Wire:
        """Open a bare connection; see ``AsyncTestClient.connect``."""

        async def connect() -> Wire:
            return self._client.connect()

        return self.run(connect())

    # ---------------------------------------------------------------------------------- HTTP

    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send a request and wait for the response; see ``AsyncTestClient.request``."""
        return self.run(self._client.request(method, path, **options))

    def get(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send GET; see ``request``."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send HEAD; see ``request``."""
        return self.request("HEAD", path, **options)

    def options(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send OPTIONS; see ``request``."""
        return self.request("OPTIONS", path, **options)

    def post(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send POST; see ``request``."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send PUT; see ``request``."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send PATCH; see ``request``."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send DELETE; see ``request``."""
        return self.request("DELETE", path, **options)

    # ---------------------------------------------------------------- WebSockets, event streams

    def websocket(self, path: str, **options: Unpack[HandshakeOptions]) -> TestWebSocket:
        """Open a WebSocket, to be used with ``with``; see ``AsyncTestClient.websocket``."""
        return TestWebSocket(self.run, self.run(self._client.websocket(path, **options).open()))

    def events(self, path: str, **options: Unpack[StreamOptions]) -> TestEventStream:
        """Open an event stream, to be used with ``with``; see ``AsyncTestClient.events``."""
        return TestEventStream(self.run, self.run(self._client.events(path, **options).open()))


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
