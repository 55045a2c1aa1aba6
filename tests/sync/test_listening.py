"""What both servers share: options, addresses, names."""

from __future__ import annotations

import inspect
import socket
from typing import Any

import pytest

from fasterapi import App, aio, sync
from fasterapi.app.serving import ServerOptions, ServingOptions
from fasterapi.sync.listening import DateField, ServerBase, client_name, set_tcp_options


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (("192.0.2.1", 4711), "192.0.2.1:4711"),
        (("2001:db8::1", 4711, 0, 0), "[2001:db8::1]:4711"),
        ("", ""),
        (None, ""),
    ],
)
def test_names_of_clients(address: Any, name: str) -> None:
    assert client_name(address) == name


def test_both_servers_take_the_same_options() -> None:
    assert issubclass(aio.Server, ServerBase)
    signature = inspect.signature(ServerBase)
    assert inspect.signature(sync.Server) == inspect.signature(aio.Server) == signature
    app, *named = signature.parameters.values()
    assert app.name == "app"
    assert {each.name for each in named} == set(ServerOptions.__annotations__)
    assert {each.kind for each in named} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("function", [aio.serve, sync.serve, aio.run, sync.run])
def test_options_that_are_handed_on_are_known(function: Any) -> None:
    options = inspect.signature(function).parameters["options"]
    assert options.annotation == "Unpack[ServerOptions]"


@pytest.mark.parametrize("function", [aio.serve, sync.serve])
def test_options_that_are_handed_on_are_named(function: Any) -> None:
    documented = (inspect.getdoc(ServerOptions) or "") + (inspect.getdoc(ServingOptions) or "")
    for option in ServerOptions.__annotations__:
        assert option in documented
        assert f"``{option}``" in function.__doc__


def test_the_defaults_that_are_told_are_those() -> None:
    defaults = inspect.signature(ServerBase).parameters
    told = (inspect.getdoc(ServerOptions) or "") + (inspect.getdoc(ServingOptions) or "")
    assert f'``"{defaults["host"].default}"`` by default' in told
    assert f"{defaults['port'].default} by default" in told
    assert f"{defaults['grace'].default:g} by default" in told
    assert f"{defaults['backlog'].default} by default" in told


def test_the_blocking_server_has_no_http2() -> None:
    with pytest.raises(ValueError, match=r"HTTP/1\.1 only; leave http2 out"):
        sync.serve(App(), http2=True)
    with sync.serve(App(), port=0, http2=False) as server:
        assert server.port


def test_both_ways_to_run_take_the_same_options_apart_from_the_loop() -> None:
    blocking, with_loop = (inspect.signature(module.run).parameters for module in (sync, aio))
    assert [name for name in with_loop if name != "loop"] == list(blocking)
    for name, parameter in blocking.items():
        assert parameter.default == with_loop[name].default


@pytest.mark.parametrize("server", [aio.Server, sync.Server])
def test_a_key_needs_its_certificate(server: Any) -> None:
    with pytest.raises(ValueError, match="ssl_certfile"):
        server(App(), ssl_keyfile="key.pem")


def test_the_date_is_made_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000_000.2
    monkeypatch.setattr("time.time", lambda: now)
    date = DateField()
    assert date() == [("Date", "Sun, 09 Sep 2001 01:46:40 GMT")]
    first = date()[0]
    assert date()[0][1] is first[1]
    now += 1
    assert date() == [("Date", "Sun, 09 Sep 2001 01:46:41 GMT")]


def test_tcp_notices_a_client_that_has_vanished() -> None:
    with socket.socket() as sock:
        set_tcp_options(sock, 30.0)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    with socket.socket(socket.AF_UNIX) as sock:
        set_tcp_options(sock, 30.0)
