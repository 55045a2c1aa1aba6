"""A race of a name's addresses, on a loop whose sockets connect when the test says so."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Coroutine
from typing import Any

import pytest

from fasterapi.aio.race import connect_to_name, interleaved

V4, V6 = socket.AF_INET, socket.AF_INET6
SECONDS = 10.0


def info(family: int, host: str) -> tuple[int, int, int, str, Any]:
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, 80)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, SECONDS))


class Net:
    """Addresses of one name, and what becomes of a connection to each: ``outcome`` is the test's.

    Attributes:
        asked: Where to connections were begun, in this order.
        open: Those whose sockets are open.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
        self.found = [info(V4, host) for host in hosts]  # a kind that every machine has
        self.asked: list[str] = []
        self.sockets: dict[str, socket.socket] = {}
        self.outcome: dict[str, asyncio.Future[None]] = {}
        self.look_ups = 0
        loop = asyncio.BaseEventLoop
        monkeypatch.setattr(loop, "getaddrinfo", self.getaddrinfo)
        monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", self.sock_connect)

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> list[Any]:
        assert (host, port, options) == ("name", 80, {"type": socket.SOCK_STREAM})
        self.look_ups += 1
        return self.found

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        assert not sock.getblocking()
        self.asked.append(address[0])
        self.sockets[address[0]] = sock
        self.outcome[address[0]] = asyncio.get_running_loop().create_future()
        await self.outcome[address[0]]

    async def begun(self, count: int) -> None:
        """Wait until so many attempts have begun."""
        while len(self.asked) < count:
            await asyncio.sleep(0)

    @property
    def open(self) -> set[str]:
        return {host for host, sock in self.sockets.items() if sock.fileno() >= 0}


def refused() -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, "refused")


def test_the_order_of_attempts() -> None:
    found = [info(V6, "a::1"), info(V6, "a::2"), info(V4, "1.1.1.1"), info(V6, "a::1")]
    found += [info(V6, "a::3"), info(V4, "2.2.2.2")]
    order = [address[4][0] for address in interleaved(found)]
    assert order == ["a::1", "1.1.1.1", "a::2", "2.2.2.2", "a::3"]


def test_one_address_is_not_raced(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net(monkeypatch, "1.1.1.1", "1.1.1.1")
    tasks: list[Any] = []

    async def main() -> None:
        connecting = asyncio.create_task(connect_to_name("name", 80))
        await net.begun(1)
        tasks.extend(asyncio.all_tasks() - {connecting, asyncio.current_task()})
        net.outcome["1.1.1.1"].set_result(None)
        (await connecting).close()

    run(main())
    assert len(tasks) <= 1  # of asyncio.wait_for, where it has one
    assert (net.asked, net.look_ups) == (["1.1.1.1"], 1)


def test_one_address_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net(monkeypatch, "1.1.1.1")

    async def main() -> None:
        connecting = asyncio.create_task(connect_to_name("name", 80))
        await net.begun(1)
        net.outcome["1.1.1.1"].set_exception(refused())
        with pytest.raises(ConnectionRefusedError):
            await connecting

    run(main())
    assert net.open == set()


def test_the_first_that_answers_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net(monkeypatch, "a::1", "1.1.1.1", "2.2.2.2")

    async def main() -> None:
        connecting = asyncio.create_task(connect_to_name("name", 80, delay=0))
        await net.begun(3)
        net.outcome["1.1.1.1"].set_result(None)
        sock = await connecting
        assert sock is net.sockets["1.1.1.1"]
        assert net.open == {"1.1.1.1"}
        sock.close()

    run(main())


def test_the_next_begins_as_soon_as_one_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net(monkeypatch, "a::1", "1.1.1.1")

    async def main() -> None:
        connecting = asyncio.create_task(connect_to_name("name", 80, delay=1000))
        await net.begun(1)
        net.outcome["a::1"].set_exception(refused())
        await net.begun(2)
        net.outcome["1.1.1.1"].set_result(None)
        (await connecting).close()

    run(main())
    assert net.asked == ["a::1", "1.1.1.1"]


def test_two_that_answer_at_once_leave_one(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net(monkeypatch, "a::1", "1.1.1.1")

    async def main() -> None:
        connecting = asyncio.create_task(connect_to_name("name", 80, delay=0))
        await net.begun(2)
        for outcome in net.outcome.values():
            outcome.set_result(None)
        sock = await connecting
        assert [net.sockets[host] for host in net.open] == [sock]
        sock.close()

    run(main())


@pytest.mark.parametrize("answered", [False, True])
def test_who_gives_up_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch, answered: bool) -> None:
    net = Net(monkeypatch, "a::1", "1.1.1.1")

    async def main() -> None:
        connecting = asyncio.create_task(connect_to_name("name", 80, delay=0))
        await net.begun(2)
        if answered:  # and nobody has noticed yet: asyncio's own race leaves such a socket behind
            net.outcome["1.1.1.1"].set_result(None)
            await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting

    run(main())
    assert net.open == set()


@pytest.mark.parametrize(
    ("second", "kind", "text"),
    [
        (refused(), ConnectionRefusedError, "refused"),
        (
            OSError(errno.ENETUNREACH, "no way"),
            OSError,
            r"no address of name(?=.*refused)(?=.*no way)",
        ),
    ],
)
def test_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, second: OSError, kind: type[OSError], text: str
) -> None:
    net = Net(monkeypatch, "a::1", "1.1.1.1")

    async def main() -> None:
        connecting = asyncio.create_task(connect_to_name("name", 80, delay=0))
        await net.begun(2)
        net.outcome["a::1"].set_exception(refused())
        net.outcome["1.1.1.1"].set_exception(second)
        with pytest.raises(kind, match=text):
            await connecting

    run(main())
    assert net.open == set()


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    Net(monkeypatch)
    with pytest.raises(OSError, match="name has no address"):
        run(connect_to_name("name", 80))  # type: ignore[arg-type]
