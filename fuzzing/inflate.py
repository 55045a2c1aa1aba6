"""Never an exception, never more than the limit, and the same events however the bytes arrive.

    python -m fuzzing.inflate [FILE ...]      each file, or stdin, once: for AFL and its like
    python -m fuzzing.inflate --random 60     mutants of the corpus, for so many seconds

Input is what a client sends on a WebSocket that agreed on permessage-deflate; its first byte
chooses the window and whether a context is kept.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from fasterapi.limits import Limits
from fasterapi.protocol import Compression, PerMessageDeflate, Role, WebSocketConnection

__all__ = ["CORPUS", "check"]

CORPUS = Path(__file__).parent / "corpus" / "inflate"
LIMITS = Limits(max_message_size=4096, max_fragments=16)


def _receive(choice: int, reads: list[bytes]) -> list[object]:
    factory = PerMessageDeflate(
        Compression(window_bits=9 + choice % 7, context_takeover=choice < 128)
    )
    agreed = factory.respond((("client_max_window_bits", None),))
    assert agreed is not None
    connection = WebSocketConnection(Role.SERVER, limits=LIMITS, extensions=[agreed[1]])
    return [event for read in reads for event in connection.receive_data(read)]


def check(data: bytes) -> None:
    """Hold an input to the invariant.

    Raises:
        AssertionError: If it does not hold.
    """
    choice, data = data[0] if data else 0, data[1:]
    whole = _receive(choice, [data])
    for event in whole:
        if isinstance(event, (str, bytes)):
            size = len(event if isinstance(event, bytes) else event.encode())
            assert size <= LIMITS.max_message_size, size
    assert _receive(choice, [data[at : at + 1] for at in range(len(data))]) == whole


def _mutate(data: bytes, rng: random.Random) -> bytes:
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(mutant) + 1)
        mutant[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
    return bytes(mutant)


def main(arguments: list[str]) -> None:
    """Check what the command line names."""
    if arguments[:1] == ["--random"]:
        rng, end, count = random.Random(0), time.monotonic() + float(arguments[1]), 0
        seeds = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
        while time.monotonic() < end:
            data = _mutate(rng.choice(seeds), rng)
            try:
                check(data)
            except BaseException:
                print(data.hex(), file=sys.stderr)
                raise
            count += 1
        print(f"{count} inputs")
        return
    for path in arguments:
        check(Path(path).read_bytes())
    if not arguments:
        check(sys.stdin.buffer.read())


if __name__ == "__main__":
    main(sys.argv[1:])
