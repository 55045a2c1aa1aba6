import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from fasterapi import App, ServerSentEvent

app = App()


@app.sse("/primes")
async def primes() -> AsyncIterator[int]:
    number = 2
    while True:
        if all(number % divisor for divisor in range(2, number)):
            yield number  # the data of an event
        number += 1
        await asyncio.sleep(0)


@app.sse("/log")
def log() -> Iterator[ServerSentEvent]:
    for line in range(3):
        yield ServerSentEvent(f"line {line}", event="line", id=str(line))
        time.sleep(0.01)  # in a thread: blocking is allowed
