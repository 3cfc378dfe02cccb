#!/usr/bin/env bash
# Sets everything up: a Python from 3.11 to 3.13, the system libraries that skia loads, the locked
# packages in .venv, and the chat page. Safe to run again: a second run only checks.
#
#   scripts/setup.sh          what serving needs
#   scripts/setup.sh --dev    also what tests and checks need
set -euo pipefail
cd "$(dirname "$0")/.."

group_flags=(--no-dev)
profile=serve
if [[ "${1:-}" == "--dev" ]]; then
  group_flags=(--group dev)
  profile=dev
fi

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# What was set up for which lock file and profile; lets `make run` start at once the second time.
stamp=.venv/.setup-$profile
fingerprint() { cat pyproject.toml uv.lock scripts/setup.sh | sha256sum | cut -d' ' -f1; }

may_install() { [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null; }

install_packages() { # names...
  if may_install; then
    say "Installing $* (Debian packages)"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
      >/dev/null 2>.setup.log || { cat .setup.log >&2; rm -f .setup.log; die "apt-get could not install: $*"; }
    rm -f .setup.log
  elif command -v apt-get >/dev/null; then
    die "this machine lacks $*. Type: sudo apt-get install -y $*"
  elif command -v dnf >/dev/null; then
    die "this machine lacks a system library. Type: sudo dnf install -y python3 mesa-libGL mesa-libEGL fontconfig"
  else
    die "this machine lacks these Debian packages or their equal: $*"
  fi
}

suitable() { "$1" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    if [[ -n "$candidate" ]] && command -v "$candidate" >/dev/null && suitable "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

ensure_python() {
  python=$(find_python) || {
    may_install || die "no Python from 3.11 to 3.13 found. Install one, or type: sudo apt-get install -y python3 python3-venv"
    install_packages python3 python3-venv
    python=$(find_python) || die "the system's Python is not 3.11 to 3.13; set PYTHON=/path/to/python3.12"
  }
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    install_packages "$("$python" -c 'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")')"
  fi
}

ensure_libraries() {
  [[ "$(uname -s)" == Linux ]] || return 0
  local missing=()
  # An ordinary user's PATH on Debian has no /sbin, where ldconfig lives.
  local known
  known=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null || true)
  has() {
    [[ "$known" == *"$1"* ]] || compgen -G "/usr/lib*/$1*" >/dev/null || compgen -G "/usr/lib/*/$1*" >/dev/null
  }
  has libGL.so.1 || missing+=(libgl1)
  has libEGL.so.1 || missing+=(libegl1)
  has libfontconfig.so.1 || missing+=(libfontconfig1)
  if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
}

ensure_environment() {
  if [[ ! -x .venv/bin/python ]] || ! suitable .venv/bin/python; then
    say "Creating .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
  fi
  if [[ ! -x .venv/bin/uv ]] && ! command -v uv >/dev/null; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
  fi
  local uv
  uv=$(command -v .venv/bin/uv || command -v uv)
  say "Installing the locked packages (the first time this downloads about 250 MB)"
  # --inexact leaves uv itself, and what you added by hand, in place.
  export VIRTUAL_ENV=$PWD/.venv UV_PYTHON_DOWNLOADS=never
  local sync=("$uv" sync --quiet --frozen --inexact "${group_flags[@]}")
  # Behind a proxy that signs for every site, only the system's certificates know its name.
  "${sync[@]}" 2>.setup.log || "${sync[@]}" --system-certs || {
    cat .setup.log >&2
    die "the packages could not be installed; the reasons are above"
  }
  rm -f .setup.log
}

ensure_python
ensure_libraries
if [[ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint)" ]]; then
  ensure_environment
  fingerprint >"$stamp"
fi
.venv/bin/python scripts/build_ui.py
