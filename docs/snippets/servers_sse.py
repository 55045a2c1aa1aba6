from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI

from fasterapi import ServerSentEvent, SSEResponse

api = FastAPI()


async def write_answer(question: str) -> AsyncIterator[Any]:
    for number, word in enumerate(question.split()):
        yield ServerSentEvent(word, event="word", id=str(number))
    yield {"done": True}


@api.post("/answers")
async def answers(question: str) -> SSEResponse:
    return SSEResponse(write_answer(question))
