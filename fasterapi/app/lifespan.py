"""What an app does at its start-up and at its shutdown, with an event loop and without one."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import App

__all__ = ["Lifespan", "Lifespans"]

Lifespan = Callable[["App"], AbstractAsyncContextManager[Any] | AbstractContextManager[Any]]

_NEEDS_LOOP = (
    "the app's lifespan is async, and the sync server has no event loop to run it in; write it as "
    "a plain def under contextlib.contextmanager, or serve the app with the asyncio server "
    '(server="aio")'
)


class Lifespans:
    """An app's lifespan, and those of the apps that it has taken over.

    Args:
        app: The app.
        lifespan: Its own, if it has one.

    Raises:
        TypeError: If ``lifespan`` is a generator function and no context manager.
    """

    def __init__(self, app: App, lifespan: Lifespan | None) -> None:
        if inspect.isasyncgenfunction(lifespan) or inspect.isgeneratorfunction(lifespan):
            kind = "async" if inspect.isasyncgenfunction(lifespan) else ""
            raise TypeError(f"decorate {lifespan.__name__} with contextlib.{kind}contextmanager")
        # Each with the app that it is of: another one may have taken it over.
        self._entries: list[tuple[App, Lifespan]] = [] if lifespan is None else [(app, lifespan)]
        self._entered = False

    @property
    def missed(self) -> bool:
        """Whether there are some that nobody has ever entered."""
        return bool(self._entries) and not self._entered

    def take_over(self, others: Lifespans) -> None:
        """Add those of another app that are not here yet; each is given its own app."""
        self._entries += [entry for entry in others._entries if entry not in self._entries]

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Start up, and shut down, in an event loop."""
        self._entered = True
        async with AsyncExitStack() as stack:
            for app, lifespan in list(self._entries):
                context = lifespan(app)
                if isinstance(context, AbstractAsyncContextManager):
                    await stack.enter_async_context(context)
                else:
                    stack.enter_context(context)
            yield

    def check_plain(self) -> None:
        """Refuse those that need an event loop, as far as that can be told from outside.

        Raises:
            TypeError: If there is one.
        """
        for _, lifespan in self._entries:
            if inspect.isasyncgenfunction(inspect.unwrap(lifespan)):
                raise TypeError(_NEEDS_LOOP)

    @contextmanager
    def entered_plain(self) -> Iterator[None]:
        """Start up, and shut down, without an event loop.

        Raises:
            TypeError: If one of them is async.
        """
        self._entered = True
        with ExitStack() as stack:
            for app, lifespan in list(self._entries):
                context = lifespan(app)
                if isinstance(context, AbstractAsyncContextManager):
                    raise TypeError(_NEEDS_LOOP)
                stack.enter_context(context)
            yield
