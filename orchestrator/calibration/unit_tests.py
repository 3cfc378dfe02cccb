"""Runs a model's function against unit tests, in a process of its own with limits.

This is no sandbox. The process has five seconds of CPU, 512 MiB, an empty folder, no environment, and no network where
the kernel lets an ordinary user have a network namespace. It runs with the rights of whoever calibrates: it keeps
mistakes in bounds, not attackers.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 10.0
_MOST_OUTPUT = 1 << 16
_FENCE = re.compile(r"```[a-zA-Z0-9_+-]*[^\S\n]*\n(.*?)(?:\n```|\Z)", re.DOTALL)

# Runs as `python -I -c`. The results go to a descriptor of their own, so that what the code prints stays out of them.
_CHILD = """
import ctypes, importlib.abc, importlib.util, json, os, resource, sys
out = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
work = json.load(sys.stdin)
for name, limit in (("CPU", 5), ("AS", 512 << 20), ("FSIZE", 1 << 20), ("NOFILE", 32), ("CORE", 0)):
    try:
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (limit, limit))
    except (AttributeError, OSError, ValueError):
        pass
try:
    ctypes.CDLL(None).unshare(0x10000000 | 0x40000000)  # a user and a network namespace of its own
except (AttributeError, OSError):
    pass
class Answer(importlib.abc.SourceLoader):
    def get_filename(self, name):
        return "answer.py"
    def get_data(self, path):
        return work["source"].encode("utf-8", "replace")
results = []
try:
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("answer", Answer()))
    module.__spec__.loader.exec_module(module)
    entry = getattr(module, work["entry"])
except BaseException as error:
    results = [["error", type(error).__name__]] * len(work["tests"])
else:
    for args, _ in work["tests"]:
        try:
            value = entry(*args)
            results.append(["value", json.loads(json.dumps(value))])
        except BaseException as error:
            results.append(["error", type(error).__name__])
os.write(out, json.dumps(results).encode()[:65536])
"""


@dataclass(frozen=True, slots=True)
class TestRun:
    """passed: every test gave what it should. results: what each gave, in a form that can be compared."""

    __test__ = False

    passed: bool
    results: str


def code_in(text: str) -> str:
    """The program in an answer: its longest fenced block, else all of it."""
    return max(_FENCE.findall(text), key=len, default=text)


async def run_tests(source: str, entry: str, tests: Sequence[tuple[list[Any], Any]]) -> TestRun:
    """Run `entry` of `source` with the arguments of every test."""
    work = json.dumps({"source": source, "entry": entry, "tests": tests})
    with tempfile.TemporaryDirectory(prefix="calibrate-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _CHILD, cwd=folder, env={}, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(TIMEOUT_S):
                out, _ = await process.communicate(work.encode())
        except TimeoutError:
            return TestRun(False, "timeout")
        finally:
            # The whole group: what the code has started must not outlive it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return _judge(out[:_MOST_OUTPUT], tests)


def _judge(out: bytes, tests: Sequence[tuple[list[Any], Any]]) -> TestRun:
    try:
        results = json.loads(out)
    except ValueError:
        return TestRun(False, "broken off")
    wanted = [["value", expected] for _, expected in tests]
    return TestRun(results == wanted, json.dumps(results, sort_keys=True))
