"""What was measured, as Markdown tables, as data, and as a plot."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import wrap
from typing import Any

__all__ = ["Results", "publish"]

Sample = dict[str, float]

COLUMNS = {
    "echo": {"cpu": "CPU, us", "rate": "messages/s", "p50": "p50, us", "p99": "p99, us"},
    "large": {"cpu": "CPU, us", "rate": "messages/s", "p50": "p50, us", "p99": "p99, us"},
    "deflate": {
        "cpu": "CPU, us",
        "bytes": "bytes of an echo",
        "rate": "messages/s",
        "p50": "p50, us",
        "p99": "p99, us",
    },
    "events": {"cpu": "CPU, us", "rate": "events/s"},
    "clients": {"cpu": "CPU, us", "rate": "events/s"},
    "idle": {"kib": "memory, KiB", "cpu": "CPU of a handshake, us", "rate": "handshakes/s"},
}
OURS = "fasterapi"
MARK = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)
PLOT = "performance.svg"
COLOURS = {"ours": "#0f766e", "others": "#94a3b8", "text": "#64748b"}


class Results:
    """The tables of one run.

    Args:
        machine: What it ran on: names and versions.
        count: How many samples each figure is the median of.
    """

    def __init__(self, machine: dict[str, str], count: int) -> None:
        versions = ", ".join(f"{key} {value}" for key, value in machine.items())
        about = f"{versions}; medians of {count} round{'s' * (count > 1)}."
        self.about = "\n".join(wrap(about, 100))
        self.data: dict[str, Any] = {"machine": machine, "rounds": count, "tables": []}
        self._written: list[str] = []

    @property
    def markdown(self) -> str:
        """All of it, to be read."""
        return "\n\n".join([self.about, *self._written]) + "\n"

    def add(self, title: str, kind: str, loop: str, samples: dict[str, Sample]) -> str:
        """Keep a table, and give it as Markdown."""
        entry = {"title": title, "kind": kind, "loop": loop, "samples": samples}
        self.data["tables"].append(entry)
        return self._keep(f"### {title} ({loop})\n\n{table(COLUMNS[kind], samples)}")

    def add_micro(self, parts: dict[str, float]) -> str:
        """Keep what single parts take, and give it as Markdown."""
        self.data["micro"] = parts
        rows = [f"| {name} | {figure(value)} |" for name, value in parts.items()]
        lines = ["### Single parts, in memory", "", "| part | us |", "|---|--:|", *rows]
        return self._keep("\n".join(lines))

    def _keep(self, text: str) -> str:
        self._written.append(text)
        return text


def figure(value: float) -> str:
    """Write a figure with as many digits as it deserves."""
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def table(columns: dict[str, str], samples: dict[str, Sample]) -> str:
    """Write samples as a table; CPU is given relative to ours too."""
    ours = samples.get(OURS, {}).get("cpu")
    subject = "client" if columns is COLUMNS["clients"] else "server"
    lines = [
        f"| {subject} | {' | '.join(columns.values())} | CPU, ours = 1 |",
        "|---" + "|--:" * (len(columns) + 1) + "|",
    ]
    for name, sample in samples.items():
        cells = [figure(sample[key]) for key in columns]
        ratio = f"{sample['cpu'] / ours:.2f}" if ours else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines)


def publish(results: Results, docs: Path) -> None:
    """Put the tables between the marks of the page on performance, and draw its plot."""
    page = docs / "performance.md"
    text = page.read_text(encoding="utf-8")
    if not MARK.search(text):
        raise SystemExit(f"{page} has no marks to put tables between")
    page.write_text(MARK.sub(lambda _: f"{results.markdown}", text), encoding="utf-8")
    draw(results, docs / PLOT)


def draw(results: Results, path: Path) -> None:
    """Plot the echoes and the event streams of the first loop: CPU, the shorter the better."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "fasterapi", "font.size": 9, "svg.fonttype": "none"})
    from matplotlib import pyplot

    entries = [e for e in results.data["tables"] if e["kind"] in ("echo", "events")]
    entries = [e for e in entries if e["loop"] == entries[0]["loop"]]
    figure_, axes = pyplot.subplots(1, len(entries), figsize=(4.2 * len(entries), 3.6))
    for axis, entry in zip([axes] if len(entries) == 1 else axes, entries, strict=True):
        samples = {n: s for n, s in entry["samples"].items() if n != "bare"}
        names = sorted(samples, key=lambda name: -samples[name]["cpu"])
        values = [samples[name]["cpu"] for name in names]
        colours = [COLOURS["ours" if name.startswith(OURS) else "others"] for name in names]
        bars = axis.barh(names, values, color=colours, height=0.7)
        axis.bar_label(bars, [figure(v) for v in values], padding=3, color=COLOURS["text"])
        axis.set_title(entry["title"].replace(", ", ",\n", 1), fontsize=9, color=COLOURS["text"])
        axis.set_xlabel("us of server CPU", color=COLOURS["text"])
        axis.set_xlim(0, max(values) * 1.18)
        axis.tick_params(colors=COLOURS["text"], length=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.spines["bottom"].set_color(COLOURS["others"])
    figure_.tight_layout()
    figure_.savefig(path, transparent=True, metadata={"Date": None})
