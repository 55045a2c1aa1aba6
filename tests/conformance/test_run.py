"""The grading is strict, and says what differs; the golden file is what it has to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance import programs, run

GOLDEN = {"1.1.2": ("OK", "OK"), "1.1.10": ("OK", "OK"), "7.1.6": ("INFORMATIONAL", "OK")}


def report(**changed: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """Give a report that meets GOLDEN, but for these: ``c1_1_2=(behavior, close)``."""
    changes = {
        case.removeprefix("c").replace("_", "."): columns for case, columns in changed.items()
    }
    return {
        case: {"behavior": columns[0], "behaviorClose": columns[1]}
        for case, columns in {**GOLDEN, **changes}.items()
    }


def test_the_golden_file_names_every_case() -> None:
    golden = run.read_golden()
    informational = [case for case, columns in golden.items() if columns != ("OK", "OK")]
    assert len(golden) == 517
    assert len(run.select(golden, run.DEFLATE)) == 216
    assert informational == ["7.1.6", "7.13.1", "7.13.2"]
    assert {golden[case] for case in informational} == {("INFORMATIONAL", "INFORMATIONAL")}
    assert list(golden) == sorted(golden, key=run.case_order)
    assert {case.partition(".")[0] for case in golden} == {*"12345679", "10", "12", "13"}


def test_a_report_as_the_golden_file_says_differs_in_nothing() -> None:
    assert run.differences(GOLDEN, report()) == []


@pytest.mark.parametrize(
    "columns", [("NON-STRICT", "OK"), ("OK", "WRONG CODE"), ("FAILED", "FAILED"), ("OK", "UNCLEAN")]
)
def test_anything_but_strict_differs(columns: tuple[str, str]) -> None:
    (line,) = run.differences(GOLDEN, report(c1_1_10=columns))
    assert line == f"1.1.10   expected OK / OK, got {' / '.join(columns)}"


def test_informational_where_it_has_to_be_ok_differs() -> None:
    assert len(run.differences(GOLDEN, report(c1_1_2=("INFORMATIONAL", "OK")))) == 1


def test_a_missing_and_an_extra_case_differ() -> None:
    found = report(c9_1_1=("OK", "OK"))
    del found["1.1.2"]
    assert run.differences(GOLDEN, found) == [
        "1.1.2    is missing here",
        "9.1.1    is not in the golden file",
    ]


def test_the_reason_is_given_once_and_for_the_column_that_differs() -> None:
    found = report(c1_1_2=("FAILED", "FAILED"), c1_1_10=("FAILED", "OK"))
    found["1.1.2"] |= {"result": "no answer", "resultClose": "no answer"}
    found["1.1.10"] |= {"result": "no answer", "resultClose": "was closed well"}
    lines = "\n".join(run.differences(GOLDEN, found))
    assert lines.count("no answer") == 2
    assert "closed well" not in lines


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [([], 3), (["1.*"], 2), (["1.1.2"], 1), (["1.1.2", "7.*"], 2), (["12.*"], 0)],
)
def test_patterns_select_cases(patterns: list[str], expected: int) -> None:
    assert len(run.select(GOLDEN, patterns)) == expected


def test_the_golden_file_is_written_in_order_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    run.write_golden(report(), path)
    assert list(run.read_golden(path).items()) == list(GOLDEN.items())
    assert len(path.read_text().splitlines()) == len(GOLDEN) + 2


def test_a_verdict_that_is_not_strict_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    with pytest.raises(programs.RunError, match=r"1\.1\.2"):
        run.write_golden(report(c1_1_2=("NON-STRICT", "OK")), path)
    assert not path.exists()


def test_a_kept_report_is_read_back(tmp_path: Path) -> None:
    run.write_report(report(), tmp_path)
    assert run.read_report(tmp_path / "index.json") == report()


@pytest.mark.parametrize("agents", [{}, {"a": {}, "b": {}}])
def test_a_report_of_no_agent_or_of_several_is_refused(
    tmp_path: Path, agents: dict[str, Any]
) -> None:
    path = tmp_path / "index.json"
    path.write_text(json.dumps(agents))
    with pytest.raises(programs.RunError, match="one agent"):
        run.read_report(path)


@pytest.mark.parametrize(
    ("changed", "printed", "success"),
    [
        ({}, "3 of 3 strict (1 informational)\n", True),
        ({"c1_1_2": ("FAILED", "OK")}, "2 of 3 strict (1 informational)\n", False),
        ({"c9_1_1": ("OK", "OK")}, "3 of 3 strict (1 informational)\n", False),
    ],
)
def test_the_count_is_printed_last(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, tuple[str, str]],
    printed: str,
    success: bool,
) -> None:
    monkeypatch.setattr(run, "read_golden", lambda: GOLDEN)
    assert run.grade(report(**changed), []) is success
    assert capsys.readouterr().out.endswith(printed)


def test_updating_from_a_part_of_the_suite_is_refused() -> None:
    with pytest.raises(SystemExit):
        run.parse(["--update", "--cases", "1.*"])


def test_a_server_that_does_not_start_is_reported_with_its_log() -> None:
    with (
        pytest.raises(programs.RunError, match="no-such-option"),
        programs.echo_server(["--no-such-option"]),
    ):
        pytest.fail("it started")
