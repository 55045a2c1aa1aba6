"""Draws ``docs/state.md`` from the state table: ``python docs/draw_state.py``.

A test fails when the page is stale. Nothing is decided here; the table is
``fasterapi/protocol/state.py``.
"""

from __future__ import annotations

from pathlib import Path

from fasterapi.protocol import TRANSITIONS, State

PAGE = Path(__file__).with_name("state.md")

_HEAD = """\
# The life of a WebSocket

Drawn by `python docs/draw_state.py` from the table in `fasterapi/protocol/state.py`, where its
rules stand as well. A state takes the triggers on its arrows and refuses every other one.

```mermaid
stateDiagram-v2
    direction TB
"""


def render() -> str:
    """Give the page: a Mermaid diagram with every state and every transition."""
    lines = [f'    state "{state.value}" as {state.name}' for state in State]
    lines.append(f"    [*] --> {State.CONNECTING.name}")
    for state, row in TRANSITIONS.items():
        lines += [f"    {state.name} --> {to.name}: {by.value}" for by, to in row.items()]
        if not row:
            lines.append(f"    {state.name} --> [*]")
    return _HEAD + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
