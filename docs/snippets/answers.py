import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fasterapi import App, HTTPError, Request

app = App()


async def write_answer(question: str) -> AsyncIterator[str]:
    for word in f"You asked: {question}".split():
        yield word
        await asyncio.sleep(0)


@app.sse("/answer", methods=["POST"])
async def answer(request: Request) -> AsyncIterator[dict[str, Any]]:
    try:
        question = request.json()["question"]
    except (LookupError, TypeError):
        raise HTTPError(422, 'send JSON such as {"question": "Why?"}') from None
    async for word in write_answer(question):
        yield {"word": word}
    yield {"done": True}
