"""What a server without an event loop can run."""

from __future__ import annotations

from ..app import App, Route, Style

__all__ = ["check_app", "refuse_style"]

_CAN_RUN = (Style.FUNCTION, Style.GENERATOR)


def check_app(app: App) -> None:
    """Refuse an app with a route, or a lifespan, that needs an event loop.

    Raises:
        TypeError: If there is one; the message names it and says what to do.
    """
    app.check_sync_lifespan()
    for route in app.routes:
        refuse_style(route)


def refuse_style(route: Route) -> None:
    """Refuse a route that needs an event loop; see ``check_app``."""
    handler = route.handler
    if handler.style not in _CAN_RUN:
        what = "a callback class" if handler.style is Style.CALLBACKS else f"{handler.style.value}"
        raise TypeError(
            f"{route.path}: {handler.name} is {what}, and the sync server has no event loop to run "
            "it in; write it as a plain def, or serve the app with the asyncio server "
            '(server="aio")'
        )
