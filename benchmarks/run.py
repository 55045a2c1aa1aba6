"""Measures our servers and clients beside others: ``make bench``, or ``python -m benchmarks.run``.

What counts is the server's CPU time for a message, as the kernel accounts for it, and the ratio
between servers in one run; throughput depends on the load generator and on what else the machine
does. Servers run one at a time on one core, the load generator on another; rounds go over all
servers in turn, and the median of the rounds is shown.

Results go to ``build/bench.json`` and ``build/bench.md``; ``--publish`` puts them into the docs,
with a plot.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path
from statistics import median
from typing import Any

from . import report
from .event_clients import CLIENTS
from .servers import ECHO, EVENTS

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"
LOAD = BUILD / "load"
MICRO = BUILD / "micro.json"
OLD_UVLOOP = "uvloop-0.22.1"
"""It joins what one turn of the loop writes; later ones write at once."""
LOOPS = ("uvloop", OLD_UVLOOP, "asyncio")
PEERS = (
    "websockets", "wsproto", "aiohttp", "picows", "uvicorn", "fastapi", "starlette",
    "sse-starlette", "tornado", "granian", "uvloop", "httpx-sse",
)  # fmt: skip
NEEDS = {
    "bare": "os",
    "bare-sync": "os",
    "sse-starlette": "sse_starlette",
    "uvicorn-fasterapi": "uvicorn",
    "uvicorn-sansio": "uvicorn",
    "uvicorn-wsproto": "uvicorn",
}
OWN_LOOP = ("granian", "bare-sync", "fasterapi-sync", "websockets-sync")
DEFLATERS = (
    "fasterapi", "fasterapi-zlib", "fasterapi-zlib-1", "fasterapi-zlib-ng", "fasterapi-zlib-ng-1",
    "websockets", "aiohttp", "uvicorn-sansio", "uvicorn-wsproto",
)  # fmt: skip
STREAMERS = ("fasterapi", "websockets", "aiohttp", "uvicorn-sansio", "picows", "tornado")

Sample = dict[str, float]


def build() -> None:
    """Compile the load generator, and fetch the older uvloop, if that is not done."""
    source = HERE / "load.c"
    if not LOAD.exists() or LOAD.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-O2", "-o", LOAD, source, "-lz"], check=True)


def fetch_old_uvloop() -> None:
    """Install the older uvloop beside the newer one, for servers that are started with it."""
    if not (BUILD / OLD_UVLOOP).exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        subprocess.run([*command, BUILD / OLD_UVLOOP, "uvloop==0.22.1"], check=True)


def family(pid: int) -> list[int]:
    """Give a process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(found for child in children for found in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Give the processor time that a server has used, threads that have ended included."""
    # The clock of another process, as clock_getcpuclockid(3) makes its number.
    return sum(time.clock_gettime((~process << 3) | 2) for process in family(pid))


def resident(pid: int) -> int:
    """Give the resident memory of a process and its descendants, in KiB."""
    states = [Path(f"/proc/{one}/status").read_text() for one in family(pid)]
    return sum(int(state.partition("VmRSS:")[2].split()[0]) for state in states)


def wait_for(port: int) -> None:
    """Wait until a server listens."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)


@contextmanager
def serving(name: str, loop: str) -> Iterator[tuple[int, int]]:
    """Run a server on the first core; give its pid and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["taskset", "-c", "0", sys.executable, "-m", "benchmarks.servers", name, str(port)]
    environment = dict(os.environ)
    if loop == OLD_UVLOOP:
        environment["PYTHONPATH"] = str(BUILD / OLD_UVLOOP)
    process = subprocess.Popen(
        [*command, loop], cwd=HERE.parent, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(port)
        yield process.pid, port
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # a server may have started others
        process.wait()


def load(mode: str, port: int, *numbers: int) -> Sample:
    """Run the load generator on the last core."""
    core = str(max(os.sched_getaffinity(0)))
    command = ["taskset", "-c", core, LOAD, mode, str(port), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    messages, seconds, p50, p99, *wire = map(float, done.stdout.split())
    sample = {"messages": messages, "rate": messages / seconds, "p50": p50, "p99": p99}
    if wire:
        sample["bytes"] = wire[0]
    return sample


def measure(name: str, loop: str, mode: str, numbers: tuple[int, ...]) -> Sample:
    """Give one sample of one server; the last of ``numbers`` is how many messages."""
    with serving(name, loop) as (pid, port):
        load(mode, port, *numbers[:-1], max(numbers[-1] // 20, 8 if mode == "large" else 200))
        before = cpu_seconds(pid)
        sample = load(mode, port, *numbers)
        sample["cpu"] = (cpu_seconds(pid) - before) / sample["messages"] * 1e6
        return sample


def measure_events(name: str, loop: str, streams: int, events: int) -> Sample:
    """Give one sample of a server that streams events, once it can't send ahead any more."""
    with serving(name, loop) as (pid, port):
        core = str(max(os.sched_getaffinity(0)))
        command = ["taskset", "-c", core, LOAD, "events", str(port), str(streams), str(events)]
        reader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert reader.stdout is not None
        reader.stdout.readline()
        before = cpu_seconds(pid)
        _, seconds, *_ = map(float, reader.stdout.readline().split())
        sample = {"cpu": (cpu_seconds(pid) - before) / events * 1e6, "rate": events / seconds}
        reader.wait()
        return sample


def measure_idle(name: str, loop: str, connections: int) -> Sample:
    """Give what an idle connection costs: KiB of memory, and us of CPU for its handshake."""
    with serving(name, loop) as (pid, port):
        core = str(max(os.sched_getaffinity(0)))
        command = ["taskset", "-c", core, LOAD, "connect", str(port)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        warm = subprocess.Popen([*command, "200"], **pipes)  # type: ignore[call-overload]
        warm.stdout.readline()
        memory, cpu = resident(pid), cpu_seconds(pid)
        held = subprocess.Popen([*command, str(connections)], **pipes)  # type: ignore[call-overload]
        held.stdout.readline()
        used = (cpu_seconds(pid) - cpu) / connections
        sample = {
            "kib": (resident(pid) - memory) / connections,
            "cpu": used * 1e6,
            "rate": 1 / used,
        }
        for process in (warm, held):
            process.communicate()
        return sample


def measure_client(name: str, per_chunk: int, events: int) -> Sample:
    """Give one sample of a client that reads one event stream."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    module = [sys.executable, "-m", "benchmarks.event_clients"]
    numbers = [str(per_chunk), str(events)]
    server = subprocess.Popen(
        ["taskset", "-c", "0", *module, "serve", port, *numbers], cwd=HERE.parent
    )
    try:
        wait_for(int(port))
        command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *module, name, port]
        done = subprocess.run(
            command, cwd=HERE.parent, capture_output=True, text=True, timeout=120, check=True
        )
    finally:
        server.kill()
        server.wait()
    cpu, rate = map(float, done.stdout.split())
    return {"cpu": cpu, "rate": rate}


def rounds(names: list[str], count: int, sample: Callable[[str], Sample]) -> dict[str, Sample]:
    """Take samples of all servers in turn; give the median of each figure."""
    taken: dict[str, list[Sample]] = {name: [] for name in names}
    for _ in range(count):
        for name in names:
            taken[name].append(sample(name))
    return {
        name: {key: median(one[key] for one in samples) for key in samples[0]}
        for name, samples in taken.items()
    }


def installed(names: list[str]) -> list[str]:
    """Leave out servers whose library is not installed."""
    return [n for n in names if util.find_spec(NEEDS.get(n, n.partition("-")[0]))]


def measure_micro(quick: bool) -> dict[str, float]:
    """Give the medians of single parts, in microseconds, as pyperf measures them."""
    import pyperf

    MICRO.unlink(missing_ok=True)
    speed = ["--processes", "2", "--values", "3"] if quick else ["--fast"]
    command = [sys.executable, "-m", "benchmarks.micro", "--quiet", *speed, "-o", MICRO]
    subprocess.run(command, cwd=HERE.parent, check=True, stdout=subprocess.DEVNULL)
    suite = pyperf.BenchmarkSuite.load(str(MICRO))
    return {part.get_name(): part.median() * 1e6 for part in suite.get_benchmarks()}


def machine() -> dict[str, str]:
    """Tell what this ran on."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), "unknown",
    )  # fmt: skip
    import fasterapi

    found = {"fasterapi": f"{fasterapi.__version__} ({fasterapi.__impl__} kernels)"}
    for peer in PEERS:
        try:
            found[peer] = metadata.version(peer)
        except metadata.PackageNotFoundError:
            continue
    return {"CPU": f"{model}, {os.cpu_count()} cores", "Linux": platform.release(),
            "Python": platform.python_version(), **found}  # fmt: skip


def plan(parts: list[str], loop: str, count: int, scale: int) -> Iterator[tuple[str, str, Any]]:
    """Give each table that is asked for: its title, its kind, and a call that measures it."""
    echo, events = installed(list(ECHO)), installed(list(EVENTS))
    echo = [name for name in echo if not name.startswith("fasterapi-zlib")]  # see plan_deflate
    if loop != LOOPS[0]:
        echo = [name for name in echo if name not in OWN_LOOP]
    echoes = (
        ("Echo of 64 bytes, 16 connections, one message in flight on each", (16, 1, 60_000)),
        ("Echo of 64 bytes, 4 connections, 64 messages in flight on each", (4, 64, 200_000)),
    )
    for title, (connections, flight, messages) in echoes if "echo" in parts else ():
        numbers = (connections, flight, messages // scale)
        yield (
            title,
            "echo",
            lambda n=numbers: rounds(echo, count, lambda name: measure(name, loop, "echo", n)),
        )
    sizes = (("64 KiB", 1 << 16, 4000), ("1 MiB", 1 << 20, 300), ("16 MiB", 1 << 24, 20))
    large = [name for name in echo if name in STREAMERS]
    for size, length, messages in sizes if "large" in parts else ():
        numbers = (2, length, max(messages // scale, 8))
        yield (
            f"Echo of {size} of text, 2 connections, one message in flight",
            "large",
            (lambda n=numbers: rounds(large, count, lambda name: measure(name, loop, "large", n))),
        )
    if "deflate" in parts:
        yield from plan_deflate(loop, count, scale)
    if "events" in parts:
        yield (
            "Event streams, 16 of them, as fast as they go",
            "events",
            lambda: rounds(
                events,
                count,
                lambda name: measure_events(name, loop, 16, 400_000 // min(scale, 4)),
            ),
        )
    streams = (("190 events in each chunk", 190, 400_000), ("one event in each chunk", 1, 100_000))
    for title, per_chunk, number in streams if "clients" in parts else ():
        numbers = (per_chunk, number // min(scale, 4))
        yield (
            f"Clients: one event stream, {title}",
            "clients",
            lambda n=numbers: rounds(list(CLIENTS), count, lambda name: measure_client(name, *n)),
        )
    if "idle" in parts:
        names = [name for name in echo if name != "fasterapi-threads"]
        yield (
            "An idle WebSocket, and its handshake",
            "idle",
            lambda: rounds(names, count, lambda name: measure_idle(name, loop, 2000 // scale)),
        )


def plan_deflate(loop: str, count: int, scale: int) -> Iterator[tuple[str, str, Any]]:
    """Give the tables of compressed connections."""
    names = installed(list(DEFLATERS))

    def compressed(take: Callable[[], Sample]) -> Sample:
        os.environ["BENCH_DEFLATE"] = "1"
        try:
            return take()
        finally:
            del os.environ["BENCH_DEFLATE"]

    talks = (
        ("JSON of 200 bytes, 16 connections, one message", (16, 1, 200, 40_000)),
        ("JSON of 200 bytes, 4 connections, 64 messages", (4, 64, 200, 80_000)),
        ("JSON of 16 KiB, 4 connections, one message", (4, 1, 16_384, 4_000)),
    )
    for title, (connections, flight, size, messages) in talks:
        numbers = (connections, flight, size, messages // scale)
        yield (
            f"Compressed echo of {title} in flight on each",
            "deflate",
            lambda n=numbers: rounds(
                names, count, lambda name: compressed(lambda: measure(name, loop, "deflate", n))
            ),
        )
    yield (
        "An idle WebSocket with compression agreed on, and its handshake",
        "idle",
        lambda: rounds(
            names,
            count,
            lambda name: compressed(lambda: measure_idle(name, loop, 2000 // scale)),
        ),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--loop", default="uvloop", help=f"by comma: {', '.join(LOOPS)}; or all (%(default)s)")
    add("--rounds", type=int, default=3, help="samples of each figure (%(default)s)")
    add("--quick", action="store_true", help="a tenth of the messages, one round")
    parts = "echo,large,deflate,events,clients,idle,micro"
    add("--only", default=parts, help="by comma (%(default)s)")
    add("--publish", action="store_true", help="put tables and a plot into the docs")
    options = parser.parse_args()
    loops = LOOPS if options.loop == "all" else options.loop.split(",")
    for unknown in set(loops) - set(LOOPS):
        parser.error(f"no such loop: {unknown!r}; there are {', '.join(LOOPS)}")
    build()
    if OLD_UVLOOP in loops:
        fetch_old_uvloop()
    scale, count = (10, 1) if options.quick else (1, options.rounds)
    parts = options.only.split(",")
    results = report.Results(machine(), count)
    print(f"{results.about}\n")
    for loop in loops:
        # On the loops that fewer people use, what differs between loops is enough.
        wanted = parts if loop == loops[0] else [part for part in parts if part == "echo"]
        for title, kind, take in plan(wanted, loop, count, scale):
            where = "asyncio" if kind == "clients" else loop
            table = results.add(title, kind, where, take())
            print(f"{table}\n", flush=True)
    if "micro" in parts:
        print(results.add_micro(measure_micro(options.quick)))
    (BUILD / "bench.json").write_text(json.dumps(results.data, indent=1) + "\n")
    (BUILD / "bench.md").write_text(results.markdown)
    if options.publish:
        report.publish(results, HERE.parent / "docs")


if __name__ == "__main__":
    main()
