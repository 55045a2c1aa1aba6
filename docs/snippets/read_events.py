import asyncio
from collections.abc import Callable
from pathlib import Path

import fasterapi
from fasterapi import HandshakeError, Reconnect, ServerSentEvent


async def follow(url: str) -> None:
    async with fasterapi.events(url) as stream:
        async for event in stream:
            print(event.event, event.id, event.data)


def follow_def(url: str) -> None:
    with fasterapi.sync.events(url) as stream:
        for event in stream:
            print(event.event, event.id, event.data)


async def answer(url: str, question: str) -> str:
    words = []
    async with fasterapi.events(url, json={"question": question}) as stream:
        async for event in stream:
            part = event.json()
            if part.get("done"):
                break
            words.append(part["word"])
    return " ".join(words)


async def ask(url: str) -> str:
    try:
        async with fasterapi.events(url, headers={"Authorization": "Bearer token"}) as stream:
            return (await anext(stream)).data
    except HandshakeError as error:  # an answer, but no event stream
        return f"refused: {error.status} {error.body.decode()}"
    except OSError as error:  # no connection, or one that is lost; TimeoutError among them
        return f"failed: {error}"


BEHIND_A_PROXY = Reconnect(
    delay=1.0,  # seconds, until the stream says otherwise by ``retry``
    attempts=20,  # failures in a row, and then the last one is raised
    first=True,  # wait for a server that is not there yet
    statuses={429, 502, 503, 504},  # a failure, and not the end
)


async def keep_following(url: str) -> None:
    async with fasterapi.events(url, reconnect=BEHIND_A_PROXY, idle_timeout=45.0) as stream:
        async for event in stream:
            print(event.data)


def go_on(url: str, path: Path, handle: Callable[[ServerSentEvent], None]) -> None:
    last = path.read_text(encoding="utf-8") if path.exists() else ""
    with fasterapi.sync.events(url, last_event_id=last) as stream:
        for event in stream:
            handle(event)
            path.write_text(event.id, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(follow("http://127.0.0.1:8000/clock"))
