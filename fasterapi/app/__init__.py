"""What an application is: routes, handlers, and the sessions that handlers get.

An ``App`` decides which handler answers a request; ``WebSocketBase`` and ``SSEBase`` are what the
two adapters' sessions share. Here are no sockets, no loop, no threads and no clock.
"""

from __future__ import annotations

from .app import App, Match
from .broadcast import broadcast
from .handlers import Handler, Style
from .routing import Route, RouteKind

__all__ = ["App", "Handler", "Match", "Route", "RouteKind", "Style", "broadcast"]
