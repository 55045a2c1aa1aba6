"""Masking keys: four bytes each, none twice, also among threads, and asked for in batches."""

from __future__ import annotations

import secrets
import threading

import pytest

from fasterapi.protocol import Role, WebSocketConnection, masking
from fasterapi.protocol.masking import random_key

KEYS = 5000  # more than a few batches
THREADS = 4


def test_keys_come_from_secrets_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def token_bytes(size: int) -> bytes:
        asked.append(size)
        return bytes(range(256)) * (size // 256)

    monkeypatch.setattr(secrets, "token_bytes", token_bytes)
    monkeypatch.setattr(masking, "_keys", iter(()))
    assert [random_key() for _ in range(3)] == [b"\0\1\2\3", b"\4\5\6\7", b"\10\11\12\13"]
    for _ in range(1024):
        random_key()
    assert asked == [4096, 4096]


def test_keys_look_random() -> None:
    keys = [random_key() for _ in range(KEYS)]
    assert {len(key) for key in keys} == {4}
    # Of so many, a pair may be alike by chance; a hundred is beyond any.
    assert len(set(keys)) > KEYS - 100
    for position in range(4):
        assert len({key[position] for key in keys}) == 256


def test_no_key_is_handed_out_to_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(1 << 30))
    lock = threading.Lock()

    def token_bytes(size: int) -> bytes:
        with lock:
            return b"".join(next(numbers).to_bytes(4, "big") for _ in range(size // 4))

    monkeypatch.setattr(secrets, "token_bytes", token_bytes)
    monkeypatch.setattr(masking, "_keys", iter(()))
    taken: list[list[bytes]] = [[] for _ in range(THREADS)]

    def take(into: list[bytes]) -> None:
        into.extend(random_key() for _ in range(KEYS))

    threads = [threading.Thread(target=take, args=(into,)) for into in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [key for into in taken for key in into]
    assert len(set(keys)) == len(keys) == THREADS * KEYS


def test_a_client_masks_each_frame_with_another_key() -> None:
    connection = WebSocketConnection(Role.CLIENT)
    keys = set()
    for _ in range(20):
        connection.send_binary(b"")
        keys.add(connection.data_to_send()[2:])
    assert len(keys) > 15
