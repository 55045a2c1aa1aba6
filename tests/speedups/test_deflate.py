"""The implementations of DEFLATE: which one is chosen, and that they understand each other."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fasterapi
from fasterapi._speedups import deflate

NAMES = ("isal", "zlib", "zlib-ng")
LEVELS = range(-1, 10)
FIXTURE = [HealthCheck.function_scoped_fixture]  # the same for all examples


def install(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let only these modules load."""

    def load(name: str) -> ModuleType:
        if name not in modules:
            raise ImportError(f"no {name} here")
        return ModuleType(name)

    monkeypatch.setattr(deflate, "import_module", load)


@pytest.fixture(params=NAMES)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have one do the work."""
    name: str = request.param
    pytest.importorskip(deflate._IMPLEMENTATIONS[name].module)
    chosen = deflate._choose(name)
    monkeypatch.setattr(deflate, "_module", chosen.deflating)
    monkeypatch.setattr(deflate, "_inflating", chosen.inflating)
    monkeypatch.setattr(deflate, "_levels", chosen.levels)
    return name


@pytest.mark.parametrize(
    ("installed", "wish", "deflates", "inflates"),
    [
        (["isal.isal_zlib", "zlib_ng.zlib_ng"], "", "isal", "zlib-ng"),
        (["isal.isal_zlib", "zlib_ng.zlib_ng"], "isal", "isal", "zlib-ng"),
        (["isal.isal_zlib", "zlib_ng.zlib_ng"], "zlib", "zlib", "zlib"),
        (["isal.isal_zlib"], "", "isal", "zlib"),
        (["isal.isal_zlib"], "isal", "isal", "zlib"),
        (["zlib_ng.zlib_ng"], "", "zlib", "zlib"),
        (["zlib_ng.zlib_ng"], "zlib-ng", "zlib-ng", "zlib-ng"),
        ([], "", "zlib", "zlib"),
    ],
)
def test_the_wish_decides_and_then_the_fastest_that_is_there(
    monkeypatch: pytest.MonkeyPatch, installed: list[str], wish: str, deflates: str, inflates: str
) -> None:
    install(monkeypatch, "zlib", *installed)
    chosen = deflate._choose(wish)
    assert (chosen.deflate, chosen.inflate) == (deflates, inflates)
    modules = [deflate._IMPLEMENTATIONS[name].module for name in (deflates, inflates)]
    assert [chosen.deflating.__name__, chosen.inflating.__name__] == modules
    assert set(chosen.levels) == set(LEVELS)


def test_one_that_is_missing_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "zlib")
    expected = r"FASTERAPI_DEFLATE=isal asks for .* \(no isal.isal_zlib here\); .*pip install isal"
    with pytest.raises(ImportError, match=expected):
        deflate._choose("isal")


@pytest.mark.parametrize("wish", ["ZLIB", "zopfli", " "])
def test_a_wish_that_names_none_raises(wish: str) -> None:
    with pytest.raises(ImportError, match="it has to be one of isal, zlib, zlib-ng, or unset"):
        deflate._choose(wish)


def test_the_environment_is_read() -> None:
    code = "import fasterapi; print(fasterapi.__deflate__, fasterapi.__inflate__)"
    unasked = f"{fasterapi.__deflate__} {fasterapi.__inflate__}\n"
    for wish, told in (("zlib", "zlib zlib\n"), ("", unasked)):
        environment = {**os.environ, "FASTERAPI_DEFLATE": wish}
        if not wish and os.environ.get("FASTERAPI_DEFLATE"):
            continue
        command = [sys.executable, "-c", code]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert result.stdout == told


# ------------------------------------------------------------------------ what they agree on

some_bytes = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda word, count: word * count, st.binary(min_size=1, max_size=40),
              st.integers(0, 3000)),
)  # fmt: skip


def inflate_tightly(inflater: Any, data: bytes) -> bytes:
    """Inflate without more room than a byte, so that what is referred to is in the window."""
    out = b""
    while piece := inflater.decompress(data, 64):
        out += piece
        data = inflater.unconsumed_tail
    return out


@pytest.mark.parametrize("flush", [deflate.SYNC_FLUSH, deflate.FULL_FLUSH])
@settings(deadline=None, max_examples=20, suppress_health_check=FIXTURE)
@given(
    messages=st.lists(some_bytes, max_size=4),
    level=st.sampled_from(LEVELS),
    bits=st.integers(9, 15),
    memory=st.integers(1, 9),
)
def test_each_writes_what_zlib_reads(
    implementation: str, flush: int, messages: list[bytes], level: int, bits: int, memory: int
) -> None:
    deflater = deflate.new_deflater(level, bits, memory)
    inflater = zlib.decompressobj(-bits)
    for message in messages:
        data = deflater.compress(message) + deflater.flush(flush)
        if message:
            assert data.endswith(b"\0\0\xff\xff")
        if flush == deflate.FULL_FLUSH:
            inflater = zlib.decompressobj(-bits)  # it refers to nothing before
        assert inflate_tightly(inflater, data) == message


@settings(deadline=None, max_examples=30, suppress_health_check=FIXTURE)
@given(messages=st.lists(some_bytes, max_size=4), bits=st.integers(9, 15), limit=st.integers(0, 99))
def test_each_reads_what_zlib_writes(
    implementation: str, messages: list[bytes], bits: int, limit: int
) -> None:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -bits)
    inflater = deflate.new_inflater(bits)
    for message in messages:
        data = deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH)
        assert inflater.decompress(data, len(message) + 1) == message
        assert not inflater.eof
    data = deflater.compress(bytes(100)) + deflater.flush(zlib.Z_FINISH)
    assert inflater.decompress(data + b"junk", limit + 1) == bytes(limit + 1)
    assert inflater.decompress(inflater.unconsumed_tail, 101) == bytes(99 - limit)
    assert inflater.eof
    assert inflater.unused_data == b"junk"


def test_each_reads_the_window_that_none_writes(implementation: str) -> None:
    period = bytes(range(256))  # as far back as 8 bits reach, and each byte of it but once
    data = zlib.compress(period * 3, 9, -15)
    assert inflate_tightly(deflate.new_inflater(8), data) == period * 3
    with pytest.raises(ValueError, match=r"wbits|initialization"):
        deflate.new_deflater(6, 8, 5)


def test_each_begins_with_a_history(implementation: str) -> None:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -12, zdict=b"what was said before")
    data = deflater.compress(b"what was said before, again") + deflater.flush(zlib.Z_SYNC_FLUSH)
    inflater = deflate.new_inflater(12, b"what was said before")
    assert inflater.decompress(data, 100) == b"what was said before, again"


@pytest.mark.parametrize("junk", [b"\xff" * 5, b"\x07", b"\x06" * 9])
def test_each_refuses_junk(implementation: str, junk: bytes) -> None:
    with pytest.raises(deflate._inflating.error):
        deflate.new_inflater(12).decompress(junk, 100)
