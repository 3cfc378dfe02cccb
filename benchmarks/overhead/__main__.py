"""Run the comparison, print one table, and fail with `--check` when a budget is missed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import uvloop

from benchmarks.overhead import mock, targets
from benchmarks.overhead.measure import Plan, measure
from benchmarks.overhead.report import misses, table

LITELLM_VENV = Path("build/litellm")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--with-litellm", action="store_true", help=f"install LiteLLM into {LITELLM_VENV} if need be")
    parser.add_argument("--litellm", type=Path, metavar="EXE", help="an installed `litellm` to compare with")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, for a first look")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="how often every target has its turn")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help="keep streams coming for that long")
    parser.add_argument("--only", default="", metavar="TARGETS", help="comma-separated names of targets")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--check", action="store_true", help="fail when a budget is missed")
    parser.add_argument("--role", choices=["mock", "relay", "application"], help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        return _play(options.role, options.arguments)
    only = set(filter(None, options.only.split(",")))
    plan = Plan(
        quick=options.quick,
        soak_s=options.soak * 60,
        litellm=_litellm(options),
        only=only,
        rounds=options.rounds or (1 if options.quick else 3),
    )
    figures = uvloop.run(measure(plan))
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps({name: asdict(row) for name, row in figures.items()}, indent=2) + "\n")
    missed = misses(figures)
    for miss in missed:
        print(f"over budget: {miss}", file=sys.stderr)
    return 1 if missed and options.check else 0


def _play(role: str, arguments: list[str]) -> int:
    if role == "mock":
        uvloop.run(mock.serve())
    elif role == "relay":
        uvloop.run(targets.serve_relay(int(arguments[0])))
    else:
        uvloop.run(targets.serve_application(int(arguments[0]), arguments[1]))
    return 0


def _litellm(options: argparse.Namespace) -> Path | None:
    """The executable to compare with, installed on demand into an environment of its own; None: not run."""
    if options.litellm:
        return Path(options.litellm)
    executable = LITELLM_VENV.resolve() / "bin/litellm"
    if options.with_litellm and not executable.exists():
        print(f"installing LiteLLM into {LITELLM_VENV} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(LITELLM_VENV)], check=True)
        pip = [str(LITELLM_VENV / "bin/pip"), "install", "--quiet", "litellm[proxy]"]
        if subprocess.run(pip, check=False).returncode:
            print("LiteLLM could not be installed: not run", file=sys.stderr)
    return executable if options.with_litellm and executable.exists() else None


if __name__ == "__main__":
    sys.exit(main())
