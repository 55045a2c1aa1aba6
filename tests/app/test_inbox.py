"""Messages and their parts: what a handler asks for begins where a message begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.app.inbox import Inbox, PartReader
from fasterapi.errors import LocalProtocolError
from fasterapi.protocol import Fragment

Message = str | bytes


def parts(*data: Message) -> list[Fragment]:
    """Divide a message."""
    return [Fragment(item, number == len(data)) for number, item in enumerate(data, 1)]


def inbox(*items: Message | Fragment) -> Inbox:
    made = Inbox(65536)
    made.extend(items)
    return made


def take(box: Inbox, reader: PartReader) -> Message | None:
    """Take a part, and forget how it is wrapped."""
    part = box.next_part(reader)
    return part.data if isinstance(part, Fragment) else part


def test_whole_messages_come_as_they_are() -> None:
    box = inbox("a", b"", "")
    assert [box.next_message() for _ in range(4)] == ["a", b"", "", None]


def test_parts_are_put_together() -> None:
    box = inbox(*parts("a", "", "b"), *parts(b"", b""), *parts(""), "c")
    assert [box.next_message() for _ in range(5)] == ["ab", b"", "", "c", None]


def test_a_message_whose_end_has_not_come_waits() -> None:
    box = inbox(Fragment("a", False))
    assert box.next_message() is None
    box.extend([Fragment("b", True)])
    assert box.next_message() == "ab"


def test_a_reader_gets_parts_and_whole_messages() -> None:
    box = inbox(*parts("a", "b"), "c")
    reader = box.begin()
    assert [box.next_part(reader) for _ in range(4)] == [*parts("a", "b"), "c", None]


@pytest.mark.parametrize("rest", [(Fragment("b", True),), (Fragment("b", False), *parts("c"))])
def test_the_rest_of_a_message_goes_with_its_reader(rest: tuple[Fragment, ...]) -> None:
    for early in (True, False):
        for again in (True, False):
            box = inbox(Fragment("a", False), *(rest if early else ()))
            reader = box.begin()
            assert take(box, reader) == "a"
            assert box.end(reader)
            box.extend([*(() if early else rest), "whole", *parts("x", "y")])
            if again:
                other = box.begin()
                assert [take(box, other) for _ in range(3)] == ["whole", "x", "y"]
            else:
                assert [box.next_message() for _ in range(2)] == ["whole", "xy"]


@pytest.mark.parametrize("ahead", [[], parts("a", "b"), ["a"]])
def test_a_reader_that_leaves_between_messages_takes_nothing_along(
    ahead: list[Message | Fragment],
) -> None:
    box = inbox(*ahead)
    reader = box.begin()
    while box:
        box.next_part(reader)
    assert box.end(reader)
    box.extend([*parts("x", "y"), "z"])
    assert [box.next_message() for _ in range(2)] == ["xy", "z"]


def test_a_reader_that_leaves_while_another_s_rest_is_dropped() -> None:
    box = inbox(Fragment("a", False))
    reader = box.begin()
    box.next_part(reader)
    box.end(reader)
    other = box.begin()
    assert box.next_part(other) is None
    box.end(other)
    box.extend([*parts("b"), "c"])
    assert box.next_message() == "c"


def test_a_message_that_was_waited_for_in_vain_is_handed_on_from_its_beginning() -> None:
    box = inbox(Fragment("a", False), Fragment("b", False))
    assert box.next_message() is None
    reader = box.begin()
    assert box.next_part(reader) == Fragment("ab", False)
    assert reader.midway
    box.extend(parts("c"))
    assert box.next_part(reader) == Fragment("c", True)
    assert not reader.midway


def test_only_one_reader_reads() -> None:
    box = inbox("a")
    first = box.begin()
    second = box.begin()
    assert not box.end(first)
    assert not box.end(None)
    with pytest.raises(LocalProtocolError, match="left when something else was received"):
        box.next_part(first)
    assert box.next_part(second) == "a"
    assert box.end(second)
    assert not box.end(second)
    with pytest.raises(LocalProtocolError):
        box.next_part(second)


def test_clearing_drops_what_was_put_together_too() -> None:
    box = inbox(Fragment("a", False))
    assert box.next_message() is None
    box.clear()
    assert box.next_part(box.begin()) is None


messages = st.lists(
    st.tuples(st.lists(st.text("ab", max_size=2), min_size=1, max_size=4), st.integers(0, 5)),
    max_size=8,
)


@given(messages, st.booleans())
def test_whoever_asks_in_whatever_way_gets_beginnings_of_messages(
    sent: list[tuple[list[str], int]], arrive_first: bool
) -> None:
    """Each message is taken whole (0), or so many parts of it are."""
    box = inbox(*(part for data, _ in sent for part in parts(*data)) if arrive_first else ())
    for data, wanted in sent:
        if not arrive_first:
            box.extend(parts(*data))
        if wanted == 0:
            assert box.next_message() == "".join(data)
        else:
            reader = box.begin()
            taken = [take(box, reader) for _ in range(min(wanted, len(data)))]
            assert taken == data[:wanted]
            box.end(reader)
