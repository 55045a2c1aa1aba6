from collections.abc import Iterable, Iterator

from fasterapi.protocol import EventStreamParser, ServerSentEvent, format_event


def countdown(start: int) -> Iterator[bytes]:
    """Give the body of a ``text/event-stream`` response, for any framework that streams bytes."""
    for number in range(start, 0, -1):
        yield format_event({"left": number}, event="count", id=str(number))


def read(body: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """Read such a body, however it is cut."""
    parser = EventStreamParser()
    for data in body:
        yield from parser.feed(data)
