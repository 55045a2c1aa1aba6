"""Which route answers a request, or which response if none does."""

from __future__ import annotations

from collections.abc import Sequence

from ..limits import Limits
from ..protocol.handshake import is_websocket_request
from ..protocol.http import Request, Response
from .options import SSEOptions
from .responses import error_response
from .routing import Match, Route, RouteKind, Router

__all__ = ["dispatch"]


def dispatch(router: Router, request: Request) -> Match | Response:
    """Find the route that answers a request; see ``App.dispatch``."""
    if request.target == "*":  # OPTIONS of the server as a whole (RFC 9110, section 9.3.7)
        return _refuse_method(request, router.routes)
    found = router.match(request.raw_path)
    if not found:
        return error_response(404)
    socket: Match | None = None
    plain: list[Match] = []
    for match in found:
        if match.route.kind is not RouteKind.WEBSOCKET:
            plain.append(match)
        elif socket is None:
            socket = match
    if socket is not None and (not plain or is_websocket_request(request)):
        return socket
    for match in plain:
        if request.method in match.route.methods:
            return _too_large(request, match.route.options.limits) or match
    return _refuse_method(request, [match.route for match in plain])


def _refuse_method(request: Request, routes: Sequence[Route]) -> Response:
    """Answer a method that no route has: 405, or OPTIONS with what there is."""
    methods = [method for route in routes for method in route.methods]
    fields = [("Allow", ", ".join(dict.fromkeys([*methods, "OPTIONS"])))]
    if request.method != "OPTIONS":
        return error_response(405, headers=fields)
    wanted = request.headers.get("access-control-request-method")
    for route in routes:
        if isinstance(route.options, SSEOptions) and wanted in route.methods:
            fields += route.options.preflight_headers(request, route.methods)
            break
    return Response(204, fields)


def _too_large(request: Request, limits: Limits) -> Response | None:
    if len(request.body) <= limits.max_body_size:
        return None
    return error_response(413, f"over Limits.max_body_size ({limits.max_body_size} bytes)")
