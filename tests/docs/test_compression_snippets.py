"""The programs of docs/compression.md."""

from __future__ import annotations

from fasterapi.protocol import (
    ClientHandshake,
    Closed,
    PerMessageDeflate,
    Role,
    ServerHandshake,
    WebSocketConnection,
)

from .snippets import SNIPPETS, load, running


def shake_hands(*names: str) -> tuple[WebSocketConnection, WebSocketConnection]:
    """Negotiate the extensions of these names; give the server's end and the client's."""
    module = load(SNIPPETS / "extension.py")
    known = {"x-checksum": module.ChecksumFactory(), "permessage-deflate": PerMessageDeflate()}
    client = ClientHandshake("ws://here.example/", extensions=[known[name] for name in names])
    server = ServerHandshake(client.request, extensions=list(known.values()))
    response = server.accept()
    return server.connection(), client.connection(response)


def test_the_extension_of_the_page_works_alone_and_under_compression() -> None:
    for names in (["x-checksum"], ["x-checksum", "permessage-deflate"]):
        for sender, receiver in (shake_hands(*names), shake_hands(*names)[::-1]):
            assert len(sender.extensions) == len(names)
            for message in ("text", b"binary", "long " * 99, ""):
                if isinstance(message, str):
                    sender.send_text(message)
                else:
                    sender.send_binary(message)
                data = sender.data_to_send()
                assert data[0] & 0x20
                assert receiver.receive_data(data) == [message]
            sender.send_fragment("two ", fin=False)
            sender.send_fragment("parts", fin=True)
            assert receiver.receive_data(sender.data_to_send()) == ["two parts"]


def test_it_is_only_used_where_both_know_it() -> None:
    server, client = shake_hands("permessage-deflate")
    assert len(server.extensions) == len(client.extensions) == 1
    client.send_text("text")
    assert server.receive_data(client.data_to_send()) == ["text"]


def test_a_wrong_checksum_fails_the_connection() -> None:
    server, _ = shake_hands("x-checksum")
    plain = WebSocketConnection(Role.CLIENT, masking_key=lambda: bytes(4))
    plain.send_text("text" + "\0\0\0\0")
    data = bytearray(plain.data_to_send())
    data[0] |= 0x20
    (event,) = server.receive_data(bytes(data))
    assert isinstance(event, Closed)
    assert (event.code, event.reason) == (1007, "a frame with the wrong checksum")


def test_what_is_compressed_and_what_is_not() -> None:
    with running("compression") as site:
        with site.c.websocket("/images", compression=True) as ws:
            assert ws.extensions == []
            ws.send("cat")
            assert len(ws.receive_bytes()) == 1004
        with site.c.websocket("/token", compression=True) as ws:
            assert ws.extensions
            ws.send("ada")
            assert ws.receive_json()["name"] == "ada"


def test_news_reach_all() -> None:
    with running("compression") as site:
        with (
            site.c.websocket("/news", compression=True) as ada,
            site.c.websocket("/news") as bob,
        ):
            ada.send("hello " * 50)
            assert [ws.receive_text() for ws in (ada, bob)] == ["hello " * 50] * 2
        assert site.module.members == set()
