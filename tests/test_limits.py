"""The limits: the documented defaults, and no limit that would switch its check off by accident."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from fasterapi.limits import DEFAULT_LIMITS, MESSAGE_OVERHEAD, STREAM_PIECE, Limits

DEFAULTS = {
    "max_message_size": 1_048_576,
    "max_fragments": 1024,
    "max_queued_pongs": 64,
    "receive_high_water": 65_536,
    "write_high_water": 65_536,
    "max_write_buffer": 1_048_576,
    "write_timeout": 30.0,
    "close_timeout": 5.0,
    "ping_interval": 20.0,
    "ping_timeout": 20.0,
    "handshake_timeout": 10.0,
    "open_timeout": 10.0,
    "max_redirects": 10,
    "keep_alive_timeout": 15.0,
    "max_head_size": 16_384,
    "max_headers": 100,
    "max_header_line": 8192,
    "max_body_size": 1_048_576,
    "sse_keepalive": 15.0,
    "sse_start_delay": 0.5,
    "max_event_size": 1_048_576,
    "max_reconnect_delay": 60.0,
    "max_connections": 10_000,
    "max_threads": 200,
}


def test_the_defaults_are_the_documented_ones() -> None:
    actual = {field.name: getattr(DEFAULT_LIMITS, field.name) for field in fields(Limits)}
    assert {name: actual[name] for name in DEFAULTS} == DEFAULTS
    assert (MESSAGE_OVERHEAD, STREAM_PIECE) == (128, 65_536)


def test_every_limit_is_documented() -> None:
    for field in fields(Limits):
        assert f"\n    {field.name}: " in (inspect.getdoc(Limits) or "")


def test_replace_changes_a_single_one() -> None:
    limits = replace(DEFAULT_LIMITS, max_message_size=10)
    assert limits.max_message_size == 10
    assert limits.max_fragments == DEFAULT_LIMITS.max_fragments


@pytest.mark.parametrize("field", [field.name for field in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_positive(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"Limits\.{field} must be positive"):
        Limits(**{field: value})


@pytest.mark.parametrize(
    "field", ["ping_interval", "ping_timeout", "sse_keepalive", "open_timeout"]
)
def test_none_switches_a_timer_off(field: str) -> None:
    assert getattr(Limits(**{field: None}), field) is None


def test_limits_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        DEFAULT_LIMITS.max_message_size = 1  # type: ignore[misc]
