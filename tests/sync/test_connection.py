"""A connection of the blocking server in its own thread: requests, one after the other."""

from __future__ import annotations

import socket

import pytest

from .pairs import SECONDS, wait_until
from .stage import GET, HANDSHAKE, Stage, read_until


def test_frames_that_come_before_the_handshake_is_accepted() -> None:
    stage = Stage()
    with stage.serving() as (_, client):
        client.sendall(HANDSHAKE + b"\x89\x80\0\0\0\0")  # a ping
        assert stage.entered.wait(SECONDS)
        stage.gate.set()
        head = read_until(client, b"\x8a\x00")
        assert head.startswith(b"HTTP/1.1 101 ")


def test_an_idle_connection_is_closed_in_the_end() -> None:
    stage = Stage(keep_alive_timeout=0.05)
    with stage.serving() as (_, client):
        client.sendall(GET % b"/")
        read_until(client, b"page")
        assert client.recv(100) == b""


def test_a_request_that_takes_too_long_is_answered() -> None:
    stage = Stage(handshake_timeout=0.05)
    with stage.serving() as (_, client):
        client.sendall(b"GET / HT")
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 408 ")


def test_requests_are_answered_in_their_order() -> None:
    stage = Stage()
    with stage.serving() as (_, client):
        client.sendall(GET % b"/" + GET % b"/nothing" + b"GET / HTTP/1.1\r\nHost: a\r\n")
        heads = read_until(client, b"404 ")
        assert heads.index(b" 200 OK") < heads.index(b" 404 ")
        client.sendall(b"Connection: close\r\n\r\n")
        assert b" 200 OK" in read_until(client, b"page")
        assert client.recv(100) == b""


def test_a_client_that_ends_its_half_is_answered_all_the_same() -> None:
    stage = Stage()
    with stage.serving() as (server, client):
        client.sendall(GET % b"/")
        client.shutdown(socket.SHUT_WR)
        read_until(client, b"page")
        assert client.recv(100) == b""
        wait_until(lambda: not server.connections and not server.working)


def test_a_fault_of_ours_is_told_and_ends_only_its_connection(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    with stage.serving() as (server, client):
        monkeypatch.setattr(stage.app, "dispatch", lambda request: 1 / 0)
        client.sendall(GET % b"/")
        assert client.recv(100) == b""
        wait_until(lambda: not server.connections and not server.working)
    (record,) = caplog.records
    assert record.getMessage().endswith(" could not be served")
    assert record.exc_info is not None
