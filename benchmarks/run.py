"""Measures our servers beside others: ``make bench``, or ``python -m benchmarks.run``.

What counts is the server's CPU time for a message, as the kernel accounts for it, and the ratio
between servers in one run; throughput depends on the load generator and on what else the machine
does. Servers run one at a time on one core, the load generator on another; rounds go over all
servers in turn, and the median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path
from statistics import median
from typing import Any

from . import micro
from .servers import ECHO, EVENTS

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"
LOAD = BUILD / "load"
RESULTS = BUILD / "bench.json"
PEERS = ("websockets", "aiohttp", "uvicorn", "wsproto", "starlette", "sse-starlette", "uvloop")
NEEDS = {
    "bare": "os",
    "sse-starlette": "sse_starlette",
    "uvicorn-sansio": "uvicorn",
    "uvicorn-wsproto": "uvicorn",
}

Sample = dict[str, float]


def build() -> None:
    """Compile the load generator, if it is not."""
    source = HERE / "load.c"
    if not LOAD.exists() or LOAD.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-O2", "-o", LOAD, source], check=True)


def cpu_seconds(pid: int) -> float:
    """Give the CPU time of a process's threads, in nanosecond resolution."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def resident(pid: int) -> int:
    """Give a process's resident memory in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@contextmanager
def serving(name: str, loop: str) -> Iterator[tuple[int, int]]:
    """Run a server on the first core; give its pid and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["taskset", "-c", "0", sys.executable, "-m", "benchmarks.servers", name, str(port)]
    process = subprocess.Popen([*command, loop], stderr=subprocess.DEVNULL, cwd=HERE.parent)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


def load(mode: str, port: int, *numbers: int) -> Sample:
    """Run the load generator on the last core."""
    core = str(max(os.sched_getaffinity(0)))
    command = ["taskset", "-c", core, LOAD, mode, str(port), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    messages, seconds, p50, p99 = map(float, done.stdout.split())
    return {"messages": messages, "rate": messages / seconds, "p50": p50, "p99": p99}


def measure(name: str, loop: str, mode: str, numbers: tuple[int, ...]) -> Sample:
    """Give one sample of one server; the last of ``numbers`` is how many messages."""
    with serving(name, loop) as (pid, port):
        load(mode, port, *numbers[:-1], max(numbers[-1] // 20, 200))
        before = cpu_seconds(pid)
        sample = load(mode, port, *numbers)
        sample["cpu"] = (cpu_seconds(pid) - before) / sample["messages"] * 1e6
        return sample


def measure_idle(name: str, loop: str, connections: int) -> Sample:
    """Give what an idle connection costs: KiB of memory, and us of CPU for its handshake."""
    with serving(name, loop) as (pid, port):
        load_command = [LOAD, "connect", str(port)]
        warm = subprocess.Popen(
            [*load_command, "200"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert warm.stdout is not None
        warm.stdout.readline()
        memory, cpu = resident(pid), cpu_seconds(pid)
        held = subprocess.Popen(
            [*load_command, str(connections)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert held.stdout is not None
        held.stdout.readline()
        sample = {
            "kib": (resident(pid) - memory) / connections,
            "cpu": (cpu_seconds(pid) - cpu) / connections * 1e6,
        }
        for process in (warm, held):
            process.communicate()
        return sample


def rounds(names: list[str], count: int, sample: Any) -> dict[str, Sample]:
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


def table(title: str, columns: dict[str, str], results: dict[str, Sample]) -> str:
    """Write results as a Markdown table; CPU is given relative to ours too."""
    ours = results.get("fasterapi", {}).get("cpu")
    lines = [f"### {title}", "", f"| server | {' | '.join(columns.values())} | CPU, ours = 1 |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for name, sample in results.items():
        cells = [
            f"{sample[key]:,.2f}" if sample[key] < 100 else f"{sample[key]:,.0f}" for key in columns
        ]
        ratio = f"{sample['cpu'] / ours:.2f}" if ours else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {ratio} |")
    return "\n".join([*lines, ""])


def machine() -> dict[str, str]:
    """Tell what this ran on."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), "unknown",
    )  # fmt: skip
    import fasterapi

    found = {"fasterapi": f"{fasterapi.__version__} ({fasterapi.__impl__} backend)"}
    for peer in PEERS:
        try:
            found[peer] = metadata.version(peer)
        except metadata.PackageNotFoundError:
            continue
    return {"cpu": f"{model}, {os.cpu_count()} cores", "kernel": platform.release(),
            "python": platform.python_version(), **found}  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one round")
    parser.add_argument("--only", default="echo,events,idle,micro", help="which parts, by comma")
    options = parser.parse_args()
    build()
    scale, count = (10, 1) if options.quick else (1, options.rounds)
    parts = options.only.split(",")
    echo, events = installed(list(ECHO)), installed(list(EVENTS))
    figures = {"cpu": "CPU, us", "rate": "messages/s", "p50": "p50, us", "p99": "p99, us"}
    results: dict[str, Any] = {"machine": machine(), "loop": options.loop}
    about = ", ".join(f"{key} {value}" for key, value in results["machine"].items())
    print(f"{about}; {options.loop}; medians of {count} rounds\n")
    for title, numbers in (
        ("Echo, 64 bytes, 16 connections, one in flight", (16, 1, 40_000 // scale)),
        ("Echo, 64 bytes, 4 connections, 64 in flight", (4, 64, 200_000 // scale)),
    ):
        if "echo" in parts:
            results[title] = rounds(
                echo, count, lambda name, n=numbers: measure(name, options.loop, "echo", n)
            )
            print(table(title, figures, results[title]))
    if "events" in parts:
        title = "Event streams, 16 of them, as fast as they go"
        results[title] = rounds(
            events,
            count,
            lambda name: measure(name, options.loop, "events", (16, 400_000 // scale)),
        )
        print(table(title, {"cpu": "CPU, us", "rate": "events/s"}, results[title]))
    if "idle" in parts:
        title = "An idle WebSocket, and its handshake"
        results[title] = rounds(
            [name for name in echo if name not in ("bare", "fasterapi-threads")],
            count,
            lambda name: measure_idle(name, options.loop, 2000 // scale),
        )
        print(table(title, {"kib": "memory, KiB", "cpu": "CPU of a handshake, us"}, results[title]))
    if "micro" in parts:
        results["micro"] = micro.run()
        print(micro.table(results["micro"]))
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
