"""Grades a client with the Autobahn cases, as strictly as ``run`` grades a server.

    fuzzing server <- cases <- client -> verdicts -> what differs from golden.json

The client is a program of its own, ``echo_client.py`` unless ``--command`` names another. Cases
that a server may only offer to who asks for compression without context (13.2, 13.5 and 13.6) are
taken in a second run, by a client that does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # run as a file: the folder above is the tree
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance.programs import RunError
from conformance.run import (
    DEFLATE,
    HERE,
    RUN_TIMEOUT,
    Report,
    grade,
    leave,
    read_golden,
    select,
    to_report,
    write_report,
)

if TYPE_CHECKING:
    from kosoku._kosoku import CaseResult

STATELESS = ("13.2.*", "13.5.*", "13.6.*")
"""Cases whose server wants ``client_no_context_takeover`` in the offer."""


async def _serve(cases: Sequence[str], command: Sequence[str]) -> list[CaseResult]:
    """Offer cases, and run the client that takes them."""
    from kosoku import FailureError, run_fuzzingserver

    results: list[CaseResult] = []
    async with run_fuzzingserver(list(cases), [], host="127.0.0.1", port=0) as server:
        process = await asyncio.create_subprocess_exec(
            *command, "--url", f"ws://127.0.0.1:{server.port}",
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        )  # fmt: skip
        try:
            async with asyncio.timeout(RUN_TIMEOUT):
                code = await process.wait()
                if code:
                    raise RunError(f"the client ended with code {code}")
                results = await server.get_result()
        except FailureError as failure:
            results = failure.results
        except TimeoutError:
            process.kill()
            raise RunError(f"the cases have not ended after {RUN_TIMEOUT:.0f} s") from None
    return results


def run_client(cases: Sequence[str], command: Sequence[str]) -> Report:
    """Have a client take cases, in one run or two.

    Raises:
        RunError: If it fails, or takes too long.
    """
    stateless = select(dict.fromkeys(cases, ("", "")), STATELESS)
    runs = [
        ([case for case in cases if case not in stateless], list(command)),
        (list(stateless), [*command, "--no-context-takeover"]),
    ]
    report: Report = {}
    for chosen, line in runs:
        if chosen:
            report |= to_report(asyncio.run(_serve(chosen, line)))
    return report


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Grade a client with the Autobahn cases, strictly."
    )
    add = parser.add_argument
    add(
        "--cases", action="append", default=[], metavar="GLOB",
        help="only these, as in 7.*; repeatable",
    )  # fmt: skip
    add("--client", choices=("aio", "sync"), default="aio", help="of fasterapi's two (aio)")
    add("--parallel", type=int, default=1, metavar="N", help="cases at a time (1)")
    add("--no-deflate", action="store_true", help="leave out sections 12 and 13, of compression")
    add("--command", metavar="LINE", help="another client, which gets --url and the rest as well")
    add("--keep-report", type=Path, metavar="DIR", help="write index.json there, with wire logs")
    return parser.parse_args(arguments)


def main() -> int:
    """Run, compare, print; the exit status: 0 as the golden file says, 1 not so, 2 not run."""
    options = parse()
    excluded = DEFLATE if options.no_deflate else ()
    golden = select(read_golden(), options.cases)
    cases = [case for case in golden if not (excluded and select({case: golden[case]}, excluded))]
    if options.command:
        command = shlex.split(options.command)
    else:
        command = [sys.executable, str(HERE / "echo_client.py"), "--client", options.client]
        command += ["--parallel", str(options.parallel)]
        command += ["--no-deflate"] if options.no_deflate else []
    try:
        report = run_client(cases, command)
        if options.keep_report:
            write_report(report, options.keep_report)
        return 0 if grade(report, options.cases, excluded) else 1
    except RunError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    leave(main())
