"""Every policy on recorded answers, without asking a model."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import msgspec

from committee.errors import CalibrationInvalid
from committee.measurement import records
from committee.measurement.report import in_words, report


def main(path: Path, output: Path | None) -> int:
    """Print the report of a file. Returns the exit code: 2 when it cannot be read."""
    try:
        found = report(records.read(path))
    except CalibrationInvalid as error:
        print(error.message, file=sys.stderr)
        return 2
    for category in found:
        print("\n".join(in_words(category)), end="\n\n")
    if output is not None:
        figures = [asdict(one) for one in found]
        output.write_text(json.dumps(msgspec.to_builtins(figures), indent=1) + "\n")
    return 0
