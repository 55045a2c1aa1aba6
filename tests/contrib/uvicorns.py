"""uvicorn on a real socket in the running loop, with our WebSockets in it.

Its own ``Server`` looks every tenth of a second whether it is to stop; what it does then is done
here at once.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self

from uvicorn import Config
from uvicorn.server import ServerState

from fasterapi.contrib.uvicorn import WebSocketProtocol

__all__ = ["Uvicorn"]


class Uvicorn:
    """A server for ``async with``.

    Attributes:
        state: What its connections share.
        results: What applications returned or raised.
    """

    def __init__(self, app: Any, *, ws: Any = WebSocketProtocol, **options: Any) -> None:
        self._app = app
        self.results: list[Any] = []
        options = {
            "http": "h11",
            "lifespan": "off",
            "log_config": None,
            "interface": "asgi3",
            **options,
        }
        self.config = Config(self._run, ws=ws, **options)
        self.config.load()
        self.state = ServerState()
        self.state.default_headers = self.config.encoded_headers

    async def _run(self, scope: Any, receive: Any, send: Any) -> Any:
        try:
            result = await self._app(scope, receive, send)
        except BaseException as error:
            self.results.append(error)
            raise
        self.results.append(result)
        return result

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.state, app_state={"started": True}
            ),
            "127.0.0.1",
            0,
            ssl=self.config.ssl,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        self.shutdown()
        async with asyncio.timeout(10):
            while self.state.connections or self.state.tasks:
                await asyncio.sleep(0.001)

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def shutdown(self) -> None:
        """Do what uvicorn does at its end."""
        for connection in list(self.state.connections):
            connection.shutdown()

    async def ended(self, count: int = 1) -> Any:
        """Wait until so many applications have ended; give what the latest returned or raised."""
        async with asyncio.timeout(10):
            while len(self.results) < count or self.state.tasks:
                await asyncio.sleep(0.001)
        return self.results[-1]
