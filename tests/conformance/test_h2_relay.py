"""The relay to HTTP/2 hands on what comes, and does not outlive its block."""

from __future__ import annotations

from websockets.sync.client import connect

from conformance.programs import echo_server, h2_relay
from conformance.run import differences, read_golden, select, share_cases

CASES = ["1.1.6", "2.1", "5.15", "7.7.3", "9.1.2"]


def test_a_websocket_over_http2() -> None:
    with echo_server(["--http2"]) as server, h2_relay(server) as address:
        with connect(f"ws://{address}/", max_size=None) as client:
            for message in ("text", b"", "x" * 300_000):
                client.send(message)
                assert client.recv() == message
            client.close(4000, "enough")
            assert (client.close_code, client.close_reason) == (4000, "enough")
        golden = select(read_golden(), CASES)
        assert differences(golden, share_cases(address, CASES, [], processes=1)) == []


def test_a_server_that_speaks_no_http2_is_not_reached() -> None:
    with echo_server() as server, h2_relay(server) as address:
        golden = select(read_golden(), ["1.1.1"])
        found = share_cases(address, ["1.1.1"], [], processes=1)
        assert len(differences(golden, found)) == 1
