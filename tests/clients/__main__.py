"""Point real coding agents and client libraries at a real server, and look whether they get their work done.

    python -m tests.clients [name …] [--keep]

Installs each client under `.clients/` (from npm or PyPI), starts two scripted models (see `coder`) and `committee
serve`, and runs one task per client in a folder of its own. Prints one line per client; exit status 1 when one failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.clients import coder
from tests.e2e.serving import Served
from tests.fakes.ollama import FakeOllama

HOME = Path(".clients").resolve()
MODEL = "committee-qwen3-gpt-oss"
LIMIT_S = 180
SCRIPTS = {path.name: path for path in Path(__file__).with_name("scripts").iterdir()}


@dataclass(frozen=True)
class Client:
    """One program: how it is installed, configured, run and judged.

    npm, pypi: packages to install. command: the arguments, with {url}, {model}, {task} and {bin} filled in; `before`
    runs first, to configure it. files: written into its folder before that. edits: it has to change the file;
    otherwise its exit status tells.
    """

    name: str
    command: tuple[str, ...]
    before: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    edits: bool = True


_OPENCODE = {
    "$schema": "https://opencode.ai/config.json",
    "autoupdate": False,
    "provider": {
        "committee": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Committee",
            "options": {"baseURL": "{url}/v1", "apiKey": "none"},
            "models": {MODEL: {"name": "Committee", "limit": {"context": 32768, "output": 4096}}},
        }
    },
    "permission": {"edit": "allow", "bash": "allow"},
}

_CODEX = """\
model = "{model}"
model_provider = "committee"
[model_providers.committee]
name = "Committee"
base_url = "{url}/v1"
wire_api = "responses"
"""

_CONTINUE = """\
name: committee
version: 0.0.1
schema: v1
models:
  - name: committee
    provider: openai
    model: {model}
    apiBase: {url}/v1
    apiKey: none
    roles: [chat, edit, apply]
"""

CLIENTS = (
    Client(
        "aider",
        ("{bin}/aider", "--model", "openai/{model}", "--openai-api-base", "{url}/v1", "--openai-api-key", "none",
         "--no-git", "--yes-always", "--no-check-update", "--no-show-model-warnings", "--analytics-disable",
         "--no-show-release-notes", "--message", "{task}", coder.FILE),
        pypi=("aider-chat",),
    ),
    Client(
        "opencode",
        ("{bin}/opencode", "run", "-m", "committee/{model}", "{task}"),
        npm=("opencode-ai",),
        files={"opencode.json": json.dumps(_OPENCODE)},
    ),
    Client(
        "codex",
        ("{bin}/codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "{task}"),
        npm=("@openai/codex",),
        files={".codex/config.toml": _CODEX},
    ),
    Client(
        "claude-code",
        ("{bin}/claude", "-p", "{task}", "--model", "{model}", "--allowedTools", "Read,Edit,Write"),
        npm=("@anthropic-ai/claude-code",),
        variables={
            "ANTHROPIC_BASE_URL": "{url}",
            "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_SMALL_FAST_MODEL": MODEL,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
    ),
    Client(
        "qwen-code",
        ("{bin}/qwen", "-p", "{task}", "--approval-mode", "yolo", "--auth-type", "openai"),
        npm=("@qwen-code/qwen-code",),
        variables={"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "none", "OPENAI_MODEL": MODEL},
    ),
    Client(
        "continue",
        ("{bin}/cn", "-p", "{task}", "--config", "config.yaml", "--auto"),
        npm=("@continuedev/cli",),
        variables={"CONTINUE_TELEMETRY_ENABLED": "0"},
        files={"config.yaml": _CONTINUE},
    ),
    Client(
        "cline",
        ("{bin}/cline", "{task}"),
        before=("{bin}/cline", "auth", "-p", "openai", "-k", "none", "-b", "{url}/v1", "-m", "{model}"),
        npm=("cline",),
    ),
    Client("openai-node", ("node", "openai.mjs", "{url}", "{model}"), npm=("openai",), edits=False),
    Client(
        "ai-sdk", ("node", "ai_sdk.mjs", "{url}", "{model}"),
        npm=("ai", "@ai-sdk/openai", "@ai-sdk/openai-compatible", "zod"), edits=False,
    ),
    Client("openai-python", ("{bin}/python", "openai_python.py", "{url}", "{model}"), pypi=("openai",), edits=False),
    Client("langchain", ("{bin}/python", "langchain.py", "{url}", "{model}"), pypi=("langchain-openai",), edits=False),
    Client("litellm", ("{bin}/python", "litellm.py", "{url}", "{model}"), pypi=("litellm", "mcp"), edits=False),
)  # fmt: skip


def install(client: Client) -> Path:
    """Install once; returns the folder of its programs."""
    home = HOME / client.name
    done = home / "installed"
    programs = home / ("node_modules/.bin" if client.npm else "venv/bin")
    if done.exists():
        return programs
    home.mkdir(parents=True, exist_ok=True)
    if client.npm:
        (home / "package.json").write_text("{}")
        _run(["npm", "install", "--silent", "--no-audit", "--no-fund", *client.npm], home, 600)
    if client.pypi:
        uv = Path(sys.executable).with_name("uv")
        _run([str(uv), "venv", "-q", "--clear", "venv"], home, 120)
        _run([str(uv), "pip", "install", "-q", "-p", "venv/bin/python", *client.pypi], home, 600)
    done.touch()
    return programs


def _run(command: list[str], cwd: Path, limit_s: int) -> None:
    subprocess.run(command, cwd=cwd, check=True, timeout=limit_s, stdin=subprocess.DEVNULL)


def try_out(client: Client, programs: Path, folder: Path, url: str) -> tuple[bool, str]:
    """Run the client on its task in `folder`; whether it did it, and the end of what it printed."""
    fill: Callable[[str], str] = lambda text: (  # noqa: E731 - a template with braces of JSON in it
        text.replace("{url}", url).replace("{model}", MODEL).replace("{task}", coder.TASK)
        .replace("{bin}", str(programs))
    )  # fmt: skip
    target = folder / coder.FILE
    target.write_text(coder.OLD + "\n")
    for name, text in client.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(fill(text))
    command = [fill(part) for part in client.command]
    if not client.edits:
        script = next(part for part in command if part in SCRIPTS)
        # Beside its packages: that is where Node looks for them.
        place = HOME / client.name / script
        place.write_text(SCRIPTS[script].read_text())
        command[command.index(script)] = str(place)
    variables = {name: fill(value) for name, value in client.variables.items()}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **variables}
    for arguments in filter(None, ([fill(part) for part in client.before], command)):
        ended = subprocess.run(
            arguments, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S,
        )  # fmt: skip
    good = target.read_text().strip() == coder.NEW if client.edits else ended.returncode == 0
    return good, ended.stdout[-3000:]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="clients to run; all when none is named")
    parser.add_argument("--verbose", action="store_true", help="show what every client printed")
    options = parser.parse_args()
    chosen = [client for client in CLIENTS if not options.names or client.name in options.names]
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        async with FakeOllama("qwen3:32b") as qwen, FakeOllama("gpt-oss:20b") as gptoss:
            data = Path(place, "data")
            data.mkdir()
            served = Served(
                data, QWEN_BASE_URL=qwen.base_url, GPTOSS_BASE_URL=gptoss.base_url, QWEN_MODEL_ID="qwen3:32b",
                QWEN_NUM_CTX="65536", GPTOSS_NUM_CTX="65536",
            )  # fmt: skip
            await asyncio.to_thread(served.start)
            try:
                for client in chosen:
                    folder = Path(place, client.name)
                    folder.mkdir()
                    for fake in (qwen, gptoss):
                        fake.answer = partial(coder.answer, path=str(folder / coder.FILE))
                    failed += not await _report(client, folder, served.url, verbose=options.verbose)
            finally:
                await asyncio.to_thread(served.close)
    return 1 if failed else 0


async def _report(client: Client, folder: Path, url: str, *, verbose: bool) -> bool:
    started = time.monotonic()
    try:
        programs = await asyncio.to_thread(install, client)
        started = time.monotonic()
        good, said = await asyncio.to_thread(try_out, client, programs, folder, url)
    except (subprocess.SubprocessError, OSError) as error:
        good, said = False, str(error)
    print(f"{client.name:14} {'ok' if good else 'FAILED':7} {time.monotonic() - started:6.1f} s", flush=True)
    if verbose or not good:
        print(said)
    return good


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
