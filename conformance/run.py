"""Grades a WebSocket server with the Autobahn cases, strictly, against a golden file.

    cases -> server -> verdicts -> what differs from golden.json

A verdict has two columns, what the server did and how it closed, and both have to be what the
golden file says: OK, or INFORMATIONAL for the three cases that only look. NON-STRICT is a failure
here, and so is a case that is missing. The cases run in kosoku, a native runner of Autobahn's own
case files, or with ``--docker`` in Autobahn's own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if __name__ == "__main__":  # run as a file: the folder above is the tree
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance.programs import RunError, echo_server, h2_relay

if TYPE_CHECKING:
    from kosoku._kosoku import CaseResult

HERE = Path(__file__).parent
GOLDEN = HERE / "golden.json"
REPORTS = HERE / "reports"

# Sections 12 and 13 are those of permessage-deflate.
DEFLATE = ("12.*", "13.*")
STRICT = ("OK", "INFORMATIONAL")
IMAGE = (
    "crossbario/autobahn-testsuite:25.10.1"
    "@sha256:519915fb568b04c9383f70a1c405ae3ff44ab9e35835b085239c258b6fac3074"
)

RUN_TIMEOUT = 600.0

Verdict = tuple[str, str]
"""What the server did, and how it closed, in Autobahn's words."""
Report = dict[str, dict[str, Any]]
"""Case to its entry in Autobahn's index: ``behavior``, ``behaviorClose`` and details."""


def verdicts(report: Report) -> dict[str, Verdict]:
    """Give the two graded columns of each case."""
    return {case: (row["behavior"], row["behaviorClose"]) for case, row in report.items()}


def differences(golden: Mapping[str, Verdict], report: Report) -> list[str]:
    """Give a line for each case whose verdict is not the golden one, or that one side lacks."""
    found = verdicts(report)
    cases = sorted(golden.keys() | found.keys(), key=case_order)
    return [
        f"{case:8}{_difference(golden.get(case), found.get(case), report.get(case, {}))}"
        for case in cases
        if golden.get(case) != found.get(case)
    ]


def _difference(expected: Verdict | None, got: Verdict | None, row: Mapping[str, Any]) -> str:
    if expected is None or got is None:
        return " is missing here" if got is None else " is not in the golden file"
    text = f" expected {' / '.join(expected)}, got {' / '.join(got)}"
    reasons = [row.get("result"), row.get("resultClose")]
    said = [why for why, a, b in zip(reasons, expected, got, strict=True) if why and a != b]
    return text + "".join(f"\n         {why}" for why in dict.fromkeys(said))


def case_order(case: str) -> list[int]:
    """Give the key by which cases sort as numbers: 1.1.2 before 1.1.10."""
    return [int(part) for part in case.split(".")]


def select(golden: Mapping[str, Verdict], patterns: Sequence[str]) -> dict[str, Verdict]:
    """Give the golden verdicts of the cases that match a pattern; of all without any."""
    return {
        case: verdict
        for case, verdict in golden.items()
        if not patterns or any(fnmatchcase(case, pattern) for pattern in patterns)
    }


def read_golden(path: Path = GOLDEN) -> dict[str, Verdict]:
    """Read the golden file."""
    return {
        case: (behavior, close)
        for case, (behavior, close) in json.loads(path.read_text(encoding="utf-8")).items()
    }


def write_golden(report: Report, path: Path = GOLDEN) -> None:
    """Write the golden file, a case a line.

    Raises:
        RunError: If a verdict is not a strict one: what fails is mended, not recorded.
    """
    found = verdicts(report)
    loose = [case for case, columns in found.items() if not set(columns) <= set(STRICT)]
    if loose:
        raise RunError(f"not written: {len(loose)} verdicts are not strict: {', '.join(loose)}")
    rows = (f'  "{case}": {json.dumps(found[case])}' for case in sorted(found, key=case_order))
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def run_cases(
    address: str, patterns: Sequence[str], parallel: int, excluded: Sequence[str] = ()
) -> Report:
    """Run the cases in kosoku against the server at ``address``.

    Args:
        address: Host and port.
        patterns: Of the cases to run; none: all.
        parallel: Cases at a time.
        excluded: Patterns of cases to leave out.

    Raises:
        RunError: If they have not ended after ``RUN_TIMEOUT`` seconds.
    """
    return to_report(asyncio.run(_fuzz(address, list(patterns) or None, parallel, list(excluded))))


def to_report(results: Sequence[CaseResult]) -> Report:
    """Bring kosoku's results into the form of Autobahn's index."""
    return {
        result.case_id: {
            "behavior": result.behavior.value,
            "behaviorClose": result.behavior_close.value,
            "remoteCloseCode": result.remote_close_code,
            "duration": result.duration,
            "description": result.description,
            "expectation": result.expectation,
            "result": result.result,
            "resultClose": result.result_close,
            "wirelog": result.wirelog,
        }
        for result in results
    }


def share_cases(
    address: str, patterns: Sequence[str], excluded: Sequence[str], processes: int
) -> Report:
    """Run the golden cases in several processes at once; each takes the next when it is done.

    Raises:
        RunError: As ``run_cases``.
    """
    cases = [
        case
        for case in select(read_golden(), patterns)
        if not any(fnmatchcase(case, pattern) for pattern in excluded)
    ]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        parts = [pool.submit(run_cases, address, [case], 1) for case in cases]
        if wait(parts, RUN_TIMEOUT).not_done:
            pool.shutdown(cancel_futures=True)
            raise RunError(f"the cases have not ended after {RUN_TIMEOUT:.0f} s")
        return {case: row for part in parts for case, row in part.result().items()}


async def _fuzz(
    address: str, cases: list[str] | None, parallel: int, excluded: list[str]
) -> list[CaseResult]:
    # Imported here: loading it puts the suite's own modules on the path.
    from kosoku import FailureError, run_fuzzingclient

    try:
        async with asyncio.timeout(RUN_TIMEOUT):
            return await run_fuzzingclient(address, cases, excluded, concurrency=parallel)
    except FailureError as failure:
        return failure.results
    except TimeoutError:
        raise RunError(f"the cases have not ended after {RUN_TIMEOUT:.0f} s") from None


def run_docker(address: str, patterns: Sequence[str], excluded: Sequence[str]) -> Report:
    """Run the cases in Autobahn's container against the server at ``address``.

    Raises:
        RunError: If there is no Docker engine, or the container fails.
    """
    folder = REPORTS / "docker"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    specification = {
        "outdir": "/reports",
        "servers": [{"agent": "fasterapi", "url": f"ws://{address}"}],
        "cases": list(patterns) or ["*"],
        "exclude-cases": list(excluded),
        "exclude-agent-cases": {},
    }
    (folder / "fuzzingclient.json").write_text(json.dumps(specification), encoding="utf-8")
    result = subprocess.run(
        [
            *(_docker(), "run", "--rm", "--network", "host"),
            *("--volume", f"{folder.resolve()}:/reports", IMAGE),
            *("wstest", "-m", "fuzzingclient", "-s", "/reports/fuzzingclient.json"),
        ],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode:
        raise RunError(f"the container failed:\n{result.stdout}{result.stderr}")
    return read_report(folder / "index.json")


def _docker() -> str:
    docker = shutil.which("docker")
    if docker:
        answer = subprocess.run([docker, "info"], check=False, capture_output=True)
        if answer.returncode == 0:
            return docker
    raise RunError(
        "no Docker engine answers here; start one, or use `make conformance`, which needs none"
    )


def read_report(path: Path) -> Report:
    """Read the index of an Autobahn report, one agent's.

    Raises:
        RunError: If it holds no agent, or several.
    """
    agents: dict[str, Report] = json.loads(path.read_text(encoding="utf-8"))
    if len(agents) != 1:
        raise RunError(f"{path} has to hold one agent's report, and holds {len(agents)}")
    return next(iter(agents.values()))


def write_report(report: Report, folder: Path) -> None:
    """Write the report, with wire logs, in the form of Autobahn's index."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"server": report}, indent=1, default=str)
    (folder / "index.json").write_text(text, encoding="utf-8")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Grade a server with the Autobahn cases, strictly.",
        epilog="Without --url or --from-report, the cases run against conformance/echo_server.py.",
    )
    add = parser.add_argument
    add(
        "--cases",
        action="append",
        default=[],
        metavar="GLOB",
        help="only these, as in 7.*; repeatable",
    )
    add("--parallel", type=int, default=1, metavar="N", help="cases at a time (1)")
    add("--processes", type=int, default=1, metavar="N", help="processes, a case each (1)")
    add("--no-deflate", action="store_true", help="leave out sections 12 and 13, of compression")
    add(
        "--server-args",
        default="",
        metavar="ARGS",
        help="arguments of the echo server, in one string",
    )
    add("--http2", action="store_true", help="have a relay carry the cases over HTTP/2")
    add("--docker", action="store_true", help="run Autobahn's own runner, in its container")
    add("--keep-report", type=Path, metavar="DIR", help="write index.json there, with wire logs")
    add("--update", action="store_true", help="write golden.json, if every verdict is strict")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--url", metavar="HOST:PORT", help="grade a server that runs already")
    source.add_argument(
        "--from-report", type=Path, metavar="FILE", help="grade an Autobahn index.json"
    )
    options = parser.parse_args(arguments)
    if options.update and (options.cases or options.no_deflate or options.processes > 1):
        parser.error("--update takes the whole suite, in one process")
    return options


def obtain(options: argparse.Namespace) -> Report:
    """Get the report that the options ask for, by running the cases or from a file."""
    if options.from_report:
        return read_report(options.from_report)
    if options.url:
        return _run(options, options.url.removeprefix("ws://").rstrip("/"))
    if options.docker:
        _docker()
    arguments = ["--no-deflate"] if options.no_deflate else []
    arguments += ["--http2"] if options.http2 else []
    with echo_server([*arguments, *shlex.split(options.server_args)]) as address:
        if not options.http2:
            return _run(options, address)
        with h2_relay(address) as relayed:
            return _run(options, relayed)


def _run(options: argparse.Namespace, address: str) -> Report:
    excluded = DEFLATE if options.no_deflate else ()
    if options.docker:
        return run_docker(address, options.cases, excluded)
    if options.processes > 1:
        return share_cases(address, options.cases, excluded, options.processes)
    return run_cases(address, options.cases, options.parallel, excluded)


def grade(report: Report, patterns: Sequence[str], excluded: Sequence[str] = ()) -> bool:
    """Print what differs from the golden file and the count; tell whether nothing did."""
    golden = select(read_golden(), patterns)
    for case in select(golden, excluded) if excluded else ():
        del golden[case]
    lines = differences(golden, report)
    print(*lines, sep="\n", end="\n" if lines else "")
    same = [columns for case, columns in verdicts(report).items() if columns == golden.get(case)]
    informational = sum("INFORMATIONAL" in columns for columns in same)
    print(f"{len(same)} of {len(golden)} strict ({informational} informational)")
    return not lines


def main() -> int:
    """Run, compare, print; the exit status: 0 as the golden file says, 1 not so, 2 not run."""
    options = parse()
    try:
        report = obtain(options)
        if options.keep_report:
            write_report(report, options.keep_report)
        if options.update:
            write_golden(report)
        excluded = DEFLATE if options.no_deflate else ()
        return 0 if grade(report, options.cases, excluded) else 1
    except RunError as error:
        print(error, file=sys.stderr)
        return 2


def leave(status: int) -> NoReturn:
    """End the process without Python's own end, in which a thread of kosoku's may abort it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
