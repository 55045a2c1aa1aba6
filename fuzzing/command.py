"""What the command line of every target does.

python -m fuzzing.TARGET [FILE ...]      each file, or stdin, once: for AFL and its like
python -m fuzzing.TARGET --random 60     mutants of the corpus, for so many seconds
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["corpus", "run"]

Check = Callable[[bytes], None]


def corpus(name: str) -> Path:
    """Give where a target's inputs are."""
    return Path(__file__).parent / "corpus" / name


def run(check: Check, inputs: Path) -> None:
    """Check what the command line names."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--random"]:
        print(f"{_run_mutants(check, inputs, float(arguments[1]))} inputs")
        return
    for path in arguments:
        check(Path(path).read_bytes())
    if not arguments:
        check(sys.stdin.buffer.read())


def _run_mutants(check: Check, inputs: Path, seconds: float) -> int:
    rng, end, count = random.Random(0), time.monotonic() + seconds, 0
    seeds = [path.read_bytes() for path in sorted(inputs.iterdir())]
    while time.monotonic() < end:
        data = _mutate(rng.choice(seeds), rng)
        try:
            check(data)
        except BaseException:
            print(data.hex(), file=sys.stderr)
            raise
        count += 1
    return count


def _mutate(data: bytes, rng: random.Random) -> bytes:
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(mutant) + 1)
        mutant[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
    return bytes(mutant)
