"""fasterapi's WebSockets inside of uvicorn, for any ASGI application.

    uvicorn app:app --ws fasterapi.contrib.uvicorn:WebSocketProtocol

uvicorn accepts, parses and serves HTTP as ever. It hands a request for a WebSocket over in bytes
again, and from then on the connection is ours: the handshake, frames, compression, pings, flow
control and the end are those of the asyncio server, and the application talks to a
``Conversation``. What uvicorn itself says of WebSockets (``--ws-max-size``, ``--ws-ping-interval``,
``--ws-ping-timeout``, ``--ws-per-message-deflate``, ``--root-path``, ``--header``,
``--limit-concurrency``) is honoured; derive from ``WebSocketProtocol`` to set the rest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextvars import Context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import unquote

from uvicorn.protocols.utils import (
    ClientDisconnected,
    get_client_addr,
    get_local_addr,
    get_path_with_query_string,
    get_remote_addr,
    is_ssl,
)

from ..aio import carrier
from ..aio.channel import Channel
from ..aio.host import Host
from ..aio.http import HTTPProtocol
from ..app.responses import busy_response
from ..limits import MAX_FORWARDED_HEAD, MAX_FORWARDED_HEADERS, SMALL_FRAGMENT, Limits
from ..protocol.deflate import Compression, extension_factories
from ..protocol.handshake import ServerHandshake
from ..protocol.headers import parse_list
from ..protocol.http import Request
from ..protocol.origin import Origins
from .conversation import Conversation, Session

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["WebSocketProtocol"]

logger = logging.getLogger("uvicorn.error")

_HOST = "fasterapi_host"
"""An attribute of what a server's connections share: only so both go together, as each knows the
other."""


class WebSocketProtocol(HTTPProtocol):
    """What uvicorn makes of a connection whose client asks for a WebSocket.

    Its class attributes are for what uvicorn has no option for; derive from it to change them.

    Args:
        config: uvicorn's configuration.
        server_state: What its connections share.
        app_state: What the application's start-up has left, copied into each scope.

    Attributes:
        websocket_limits: What a peer may cost. uvicorn's options for size and pings come first.
        compression: How messages are compressed, unless uvicorn is told not to.
        origins: Which pages may connect; ``None``, all: the application has to look at ``Origin``.
    """

    __slots__ = ("app_state", "config")

    websocket_limits: ClassVar[Limits] = Limits()
    compression: ClassVar[Compression | bool | None] = True
    origins: ClassVar[Origins] = None

    server: UvicornHost  # type: ignore[assignment]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.config = config
        self.app_state = app_state
        super().__init__(UvicornHost.of(config, server_state, type(self), _loop))  # type: ignore[arg-type]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over, which may have been paused while requests were waiting."""
        super().connection_made(transport)
        self.transport.resume_reading()

    def shutdown(self) -> None:
        """Uvicorn stops."""
        self.server.stopping = True
        self.stop()


class UvicornHost(Host):
    """What the WebSockets of one uvicorn server share.

    Args:
        config: uvicorn's configuration.
        state: What its connections share.
        kind: Whose class attributes count.
    """

    def __init__(self, config: Config, state: ServerState, kind: type[WebSocketProtocol]) -> None:
        super().__init__(
            _limits(config, kind.websocket_limits), access_log=False, clock=time.monotonic
        )
        self.connections = state.connections  # type: ignore[assignment]
        self._config = config
        self._state = state
        self._origins = kind.origins
        self._factories = extension_factories(
            kind.compression if config.ws_per_message_deflate else None, ()
        )
        self._default: tuple[object, list[tuple[str, str]]] = (None, [])

    @classmethod
    def of(
        cls,
        config: Config,
        state: ServerState,
        kind: type[WebSocketProtocol],
        loop: asyncio.AbstractEventLoop | None,
    ) -> UvicornHost:
        """Give the one of a server, made with its first WebSocket; it goes when the server does."""
        host = vars(state).get(_HOST)
        if host is None:
            host = vars(state)[_HOST] = cls(config, state, kind)
            host.use(loop or asyncio.get_running_loop())
        return cast(UvicornHost, host)

    def admit(self, channel: Channel) -> bool:
        """Take a connection in; uvicorn has accepted it already."""
        self.connections.add(channel)
        return True

    def fault(self, client: str, fault: str) -> None:
        """Log what a peer did wrong where uvicorn logs."""
        logger.info("%s - WebSocket %s", client, fault)

    def default_headers(self) -> list[tuple[str, str]]:
        """Give the fields of ``--header``, ``Server`` and ``Date``, which uvicorn renews."""
        raw = self._state.default_headers
        if self._default[0] is not raw:
            decoded = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
            self._default = raw, decoded
        return self._default[1]

    # ------------------------------------------------------------------------------- requests

    def serve(self, http: HTTPProtocol, request: Request) -> None:
        """Have the application answer."""
        assert isinstance(http, WebSocketProtocol)
        limit = self._config.limit_concurrency
        if limit is not None and max(len(self.connections), len(self._state.tasks)) > limit:
            logger.warning("Exceeded concurrency limit.")
            http.respond(busy_response())
            return
        handshake = ServerHandshake(request, origins=self._origins, extensions=self._factories)
        conversation = Conversation(
            http,
            handshake,
            _scope(self._config, http, request),
            session=_Session,
            gone=ClientDisconnected,
            log=_log_answer,
        )
        if refusal := conversation.check():
            http.respond(refusal)
            _log_answer(conversation.scope, refusal.status)
            return
        http.call = conversation  # type: ignore[assignment]
        context = Context() if self._config.reset_contextvars else None
        task = self.loop.create_task(
            _run(self._config.loaded_app, conversation), name="ASGI WebSocket", context=context
        )
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)


class _Channel(carrier.WebSocketProtocol):
    """A WebSocket's transport, as uvicorn's set of connections knows it."""

    __slots__ = ()

    def shutdown(self) -> None:
        """Uvicorn stops."""
        self.server.stopping = True
        self.stop()


class _Session(Session):
    """A session that logs where uvicorn does."""

    __slots__ = ()

    _carrier = _Channel

    def _log_end(self, seconds: float, access: bool) -> None:
        if self._connection is not None and self._connection.failed:
            assert self._channel is not None
            root_path = cast(UvicornHost, self._channel.server)._config.root_path
            reason = f" {self.close_reason!r}" if self.close_reason else ""
            logger.info(
                '%s - "WebSocket %s%s" [closed: %s%s] after %.1f s',
                self.request.client, root_path, self.request.target, self.close_code, reason,
                seconds,
            )  # fmt: skip


async def _run(app: Any, conversation: Conversation) -> None:
    """Run the application, and see to what it leaves undone."""
    # Not within data_received, even where tasks begin at once (asyncio.eager_task_factory): only
    # then does uvicorn make us the transport's protocol.
    await asyncio.sleep(0)
    try:
        result = await app(conversation.scope, conversation.receive, conversation.send)
    except ClientDisconnected:
        conversation.conclude()
    except asyncio.CancelledError:
        conversation.conclude()
        raise
    except BaseException:
        logger.exception("Exception in ASGI application\n")
        conversation.conclude()
    else:
        if not conversation.conclude():
            logger.error("ASGI callable returned without completing handshake.")
        elif result is not None:
            logger.error("ASGI callable should return None, but returned '%s'.", result)


def _log_answer(scope: Mapping[str, Any], status: int) -> None:
    answer = "[accepted]" if status == 101 else str(status)
    logger.info(
        '%s - "WebSocket %s" %s',
        get_client_addr(scope),  # type: ignore[arg-type]
        get_path_with_query_string(scope),  # type: ignore[arg-type]
        answer,
    )


def _limits(config: Config, limits: Limits) -> Limits:
    """Put uvicorn's options over ours; a request that uvicorn took is not refused for its head."""
    return replace(
        limits,
        max_message_size=config.ws_max_size,
        max_fragments=max(limits.max_fragments, config.ws_max_size // SMALL_FRAGMENT),
        ping_interval=config.ws_ping_interval or None,
        ping_timeout=config.ws_ping_timeout or None,
        max_head_size=MAX_FORWARDED_HEAD,
        max_header_line=MAX_FORWARDED_HEAD,
        max_headers=MAX_FORWARDED_HEADERS,
    )


def _scope(config: Config, http: WebSocketProtocol, request: Request) -> dict[str, Any]:
    """Describe a request as uvicorn does."""
    root_path, raw_path = config.root_path, request.raw_path
    offered = request.headers.get_all("sec-websocket-protocol")
    return {
        "type": "websocket",
        "asgi": {"version": config.asgi_version, "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss" if is_ssl(http.transport) else "ws",
        "server": get_local_addr(http.transport),
        "client": get_remote_addr(http.transport),
        "root_path": root_path,
        "path": root_path + unquote(raw_path),
        "raw_path": (root_path + raw_path).encode("latin-1"),
        "query_string": request.query_string.encode("latin-1"),
        "headers": [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers
        ],
        "subprotocols": parse_list(", ".join(offered)),
        "state": http.app_state.copy(),
        "extensions": {"websocket.http.response": {}},
    }
