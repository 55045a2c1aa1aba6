"""permessage-deflate in the handshake, and the options that it is given."""

from __future__ import annotations

from typing import Any

import pytest

from fasterapi.errors import HandshakeError
from fasterapi.protocol import Frame, Opcode
from fasterapi.protocol.deflate import Compression, PerMessageDeflate, extension_factories


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ({}, {"server_max_window_bits": "12"}),
        ({"client_max_window_bits": None},
         {"server_max_window_bits": "12", "client_max_window_bits": "12"}),
        ({"client_max_window_bits": "10"},
         {"server_max_window_bits": "12", "client_max_window_bits": "10"}),
        ({"client_max_window_bits": "8"},
         {"server_max_window_bits": "12", "client_max_window_bits": "8"}),
        ({"client_max_window_bits": "15"},
         {"server_max_window_bits": "12", "client_max_window_bits": "12"}),
        ({"server_max_window_bits": "9"}, {"server_max_window_bits": "9"}),
        ({"server_max_window_bits": "15"}, {"server_max_window_bits": "12"}),
        ({"server_no_context_takeover": None},
         {"server_no_context_takeover": None, "server_max_window_bits": "12"}),
        ({"client_no_context_takeover": None},
         {"client_no_context_takeover": None, "server_max_window_bits": "12"}),
    ],
)  # fmt: skip
def test_what_a_server_answers(offer: dict[str, str | None], answer: dict[str, str | None]) -> None:
    agreed = PerMessageDeflate().respond(tuple(offer.items()))
    assert agreed is not None
    assert dict(agreed[0]) == answer


@pytest.mark.parametrize(
    "offer",
    [
        (("server_max_window_bits", None),),
        (("server_max_window_bits", "8"),),  # which zlib can't compress with
        (("server_max_window_bits", "7"),),
        (("server_max_window_bits", "16"),),
        (("server_max_window_bits", "99"),),
        (("server_max_window_bits", "012"),),
        (("server_max_window_bits", "+9"),),
        (("client_max_window_bits", "7"),),
        (("client_max_window_bits", ""),),
        (("server_no_context_takeover", "1"),),
        (("client_no_context_takeover", "yes"),),
        (("client_max_window_bits", None), ("client_max_window_bits", "10")),
        (("server_no_context_takeover", None), ("server_no_context_takeover", None)),
        (("constructor", None),),
        (("mux", "1"),),
    ],
)
def test_what_a_server_declines(offer: tuple[tuple[str, str | None], ...]) -> None:
    assert PerMessageDeflate().respond(offer) is None


def test_a_server_that_keeps_no_context_says_so() -> None:
    agreed = PerMessageDeflate(Compression(window_bits=15, context_takeover=False)).respond(())
    assert agreed is not None
    assert dict(agreed[0]) == dict.fromkeys(
        ("server_no_context_takeover", "client_no_context_takeover")
    )


def test_what_a_client_offers() -> None:
    bits = ("client_max_window_bits", None)
    assert PerMessageDeflate(Compression(window_bits=15)).offers() == [(bits,)]
    assert PerMessageDeflate().offers() == [(bits, ("server_max_window_bits", "12")), (bits,)]
    flags = (("server_no_context_takeover", None), ("client_no_context_takeover", None))
    offers = PerMessageDeflate(Compression(window_bits=15, context_takeover=False)).offers()
    assert offers == [(*flags, bits)]


@pytest.mark.parametrize(
    "answer",
    [
        (("client_max_window_bits", None),),
        (("server_max_window_bits", "7"),),
        (("mux", None),),
        (("server_no_context_takeover", "0"),),
    ],
)
def test_an_answer_that_makes_no_sense(answer: tuple[tuple[str, str | None], ...]) -> None:
    with pytest.raises(HandshakeError):
        PerMessageDeflate().accept(answer)


def test_a_server_that_keeps_a_context_it_was_asked_not_to_keep() -> None:
    factory = PerMessageDeflate(Compression(context_takeover=False))
    with pytest.raises(HandshakeError, match="without server_no_context_takeover"):
        factory.accept((("client_no_context_takeover", None),))
    factory.accept((("server_no_context_takeover", None),))


def test_a_client_that_is_asked_for_what_zlib_can_not_do_compresses_nothing() -> None:
    extension = PerMessageDeflate().accept((("client_max_window_bits", "8"),))
    sent = Frame(Opcode.TEXT, b"x" * 1000)
    assert extension.encode(sent, compress=True) is sent


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_bits", 8), ("window_bits", 16), ("memory_level", 0), ("memory_level", 10),
        ("level", 10), ("level", 0), ("level", -2), ("minimum_size", -1),
    ],
)  # fmt: skip
def test_options_out_of_range(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{name} has to be .*, not {value}$"):
        Compression(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["window_bits", "memory_level", "level", "minimum_size"])
@pytest.mark.parametrize("value", [5.5, 12.0, "9", None])
def test_options_that_are_no_whole_numbers(name: str, value: Any) -> None:
    # They once failed in the first connection that compressed.
    with pytest.raises(TypeError, match=f"^{name} has to be an int, not {value!r}$"):
        Compression(**{name: value})


class Other:
    """An extension's factory, by name."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_compression_stands_behind_the_other_extensions() -> None:
    one = Other("one")
    factories = extension_factories(Compression(level=1), [one])  # type: ignore[list-item]
    assert [factory.name for factory in factories] == ["one", "permessage-deflate"]
    for none in (None, False):
        assert extension_factories(none, [one]) == (one,)  # type: ignore[list-item]
    (default,) = extension_factories(True, ())
    assert isinstance(default, PerMessageDeflate)
    assert default.compression == Compression()


def test_what_is_no_compression_or_is_there_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="has to be a Compression, True, False or None, not 'on'"):
        extension_factories("on", ())  # type: ignore[arg-type]
    twice = [Other("permessage-deflate")]
    with pytest.raises(ValueError, match="two extensions of the same name"):
        extension_factories(Compression(), twice)  # type: ignore[arg-type]
