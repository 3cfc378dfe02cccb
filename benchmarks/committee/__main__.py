"""The command line: `simulate` and `replay`."""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.committee", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulated = commands.add_parser("simulate", help="simulated members through the real committee")
    simulated.add_argument("--items", type=int, default=120_000, help="questions in all scenarios together, about")
    simulated.add_argument("--json", type=Path, help="write all figures there")
    replayed = commands.add_parser("replay", help="evaluate recorded answers (JSONL) without asking a model")
    replayed.add_argument("file", type=Path)
    replayed.add_argument("--json", type=Path, help="write all figures there")
    given = parser.parse_args()
    if given.command == "simulate":
        from benchmarks.committee.simulate import main as run

        return run(given.items, given.json)
    from benchmarks.committee.replay import main as replay

    return replay(given.file, given.json)


if __name__ == "__main__":
    raise SystemExit(main())
