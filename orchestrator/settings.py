"""Every variable the server reads, in small groups, read once by the command line and passed on as values.

No other file touches the environment. Variables beat `.env`. A new setting comes with its line in `.env.example` and
in `docs/operations.md`; a test compares the three.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orchestrator.errors import ConfigurationError

SCOPES = frozenset({"chat", "jobs:read", "jobs:write", "films", "tools:exec", "tools:web", "admin"})
# A key without a scope list may chat and run media jobs; running code on the host has to be granted by name.
DEFAULT_KEY_SCOPES = frozenset({"chat", "jobs:read", "jobs:write", "films", "tools:web"})
LOCAL_OWNER = "local"

BUILT_IN_MEMBERS = ("qwen3", "gptoss")
_MEMBER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_OWNER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.IGNORECASE)


class _Group(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, frozen=True
    )


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


CommaList = Annotated[list[str], NoDecode]


class ServerSettings(_Group):
    """Where the server listens and what it calls itself."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    data_dir: Path = Path(".data")
    public_base_url: str = ""
    api_keys: SecretStr = SecretStr("")
    allowed_hosts: CommaList = []
    cors_allowed_origins: CommaList = []
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    max_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    max_upload_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    max_concurrent_turns: int = Field(default=256, ge=1)
    published_on_loopback: bool = False

    _lists = field_validator("allowed_hosts", "cors_allowed_origins", mode="before")(_split_commas)

    @property
    def base_url(self) -> str:
        """The address to put into links, without a trailing slash."""
        if self.public_base_url:
            return self.public_base_url.rstrip("/")
        host = self.host
        if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - recognised, not bound here
            host = "127.0.0.1"
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"http://{host}:{self.port}"


class DatabaseSettings(_Group):
    """An external Postgres, or the embedded one when nothing is set."""

    database_url: SecretStr | None = None
    postgres_host: str | None = None
    postgres_port: int = 5432
    postgres_db: str = "ragdb"
    postgres_user: str = "rag"
    postgres_password: SecretStr = SecretStr("")
    db_timeout_s: float = Field(default=5.0, gt=0)
    db_pool_size: int = Field(default=10, ge=2)

    @property
    def external_dsn(self) -> str | None:
        """The DSN of the Postgres that the user runs, or None for the embedded one."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if self.postgres_host:
            from urllib.parse import quote

            password = quote(self.postgres_password.get_secret_value(), safe="")
            return (
                f"postgresql://{quote(self.postgres_user, safe='')}:{password}"
                f"@{self.postgres_host}:{self.postgres_port}/{self.postgres_db}"
            )
        return None


class CommitteeSettings(_Group):
    """Who the members are and how they deliberate."""

    qwen_model_id: str = "qwen3:32b-instruct-q4_K_M"
    gptoss_model_id: str = "gpt-oss:20b"
    qwen_base_url: str = "http://127.0.0.1:11434"
    gptoss_base_url: str = "http://127.0.0.1:11435"
    qwen_api: Literal["auto", "ollama", "openai", "offline"] = "auto"
    gptoss_api: Literal["auto", "ollama", "openai", "offline"] = "auto"
    qwen_api_key: SecretStr = SecretStr("")
    gptoss_api_key: SecretStr = SecretStr("")
    default_num_ctx: int = Field(default=8192, ge=512)
    qwen_num_ctx: int | None = Field(default=None, ge=512)
    gptoss_num_ctx: int | None = Field(default=None, ge=512)
    model_aliases: CommaList = []
    default_temperature: float = Field(default=0.3, ge=0, le=2)
    committee_members: str = ""
    planner_model: str = "qwen3"
    enable_debate: bool = True
    max_debate_turns: int = Field(default=1, ge=0, le=2)
    calibration_table: Path | None = None
    ollama_keep_alive: str = "24h"
    icw_enabled: bool = True
    committee_show_reasoning: Literal["off", "status", "full"] = "status"
    stream_chunk_size_chars: int = Field(default=0, ge=0)
    stream_chunk_interval_ms: int = Field(default=50, ge=0, le=5000)
    ollama_num_parallel: int = Field(default=1, ge=1, le=256)
    member_queue_max: int = Field(default=64, ge=0, le=10_000)
    member_queue_timeout_s: float = Field(default=60.0, gt=0)
    hidden_tokens_max: int = Field(default=4000, ge=1)
    probe_timeout_s: float = Field(default=45.0, gt=0)
    cross_check_timeout_s: float = Field(default=30.0, gt=0)
    verdict_timeout_s: float = Field(default=15.0, gt=0)
    choose_timeout_s: float = Field(default=20.0, gt=0)
    evidence_timeout_s: float = Field(default=10.0, gt=0)
    grace_s: float = Field(default=12.0, gt=0)
    first_byte_timeout_s: float = Field(default=20.0, gt=0)
    speak_timeout_s: float = Field(default=600.0, gt=0)
    slow_window_s: float = Field(default=30.0, gt=0)
    slowest_tokens_per_s: float = Field(default=0.5, ge=0)
    speak_idle_timeout_s: float = Field(default=60.0, gt=0)
    turn_timeout_s: float = Field(default=120.0, gt=0)
    cold_load_timeout_s: float = Field(default=180.0, gt=0)

    _lists = field_validator("model_aliases", mode="before")(_split_commas)

    @property
    def given_num_ctx(self) -> int | None:
        """DEFAULT_NUM_CTX where the user has set it; else a member takes over what its server has loaded."""
        return self.default_num_ctx if "default_num_ctx" in self.model_fields_set else None


class InfillSettings(_Group):
    """The model that completes code in an editor; none unless named."""

    fim_model_id: str = ""
    fim_base_url: str = "http://127.0.0.1:11434"
    fim_api: Literal["auto", "ollama", "openai"] = "auto"
    fim_api_key: SecretStr = SecretStr("")
    fim_num_ctx: int = Field(default=8192, ge=512)
    fim_timeout_s: float = Field(default=30.0, gt=0)


class EmbedderSettings(_Group):
    """The model behind embeddings; the lexical embedder when none is named."""

    embed_model_id: str = ""
    embed_base_url: str = "http://127.0.0.1:11434"
    embed_api: Literal["auto", "ollama", "openai", "lexical"] = "auto"
    embed_api_key: SecretStr = SecretStr("")


class ToolSettings(_Group):
    """What the committee may do by itself."""

    auto_execute_tools: bool = Field(
        default=True, validation_alias=AliasChoices("AUTO_EXECUTE_TOOLS", "ALLOW_TOOL_EXECUTION")
    )
    enable_websearch: bool = True
    jobs_rag_index: bool = True
    film_enabled: bool = True


class JobSettings(_Group):
    """How durable work is run."""

    worker_concurrency: int = Field(default=2, ge=1, le=64)
    job_queue_max: int = Field(default=1000, ge=1)
    image_wait_s: float = Field(default=60.0, gt=0)
    render_processes: int | None = Field(default=None, ge=1, le=64)


class Settings:
    """All groups together; built once by the command line."""

    def __init__(
        self,
        *,
        server: ServerSettings | None = None,
        database: DatabaseSettings | None = None,
        committee: CommitteeSettings | None = None,
        tools: ToolSettings | None = None,
        jobs: JobSettings | None = None,
        embedder: EmbedderSettings | None = None,
        infill: InfillSettings | None = None,
    ) -> None:
        self.server = server or ServerSettings()
        self.database = database or DatabaseSettings()
        self.committee = committee or CommitteeSettings()
        self.tools = tools or ToolSettings()
        self.jobs = jobs or JobSettings()
        self.embedder = embedder or EmbedderSettings()
        self.infill = infill or InfillSettings()


class ApiKey:
    """One parsed entry of `API_KEYS`."""

    __slots__ = ("owner", "scopes", "secret")

    def __init__(self, owner: str, secret: str, scopes: frozenset[str]) -> None:
        self.owner = owner
        self.secret = secret
        self.scopes = scopes


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """Parse `name:sk-…[:scope+scope],…`.

    Raises ConfigurationError that names the entry by position, never by its secret.
    """
    keys: list[ApiKey] = []
    for position, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        owner, _, rest = entry.partition(":")
        secret, _, scope_text = rest.partition(":")
        # Scopes contain colons themselves ("jobs:read"), so only the first two colons separate fields.
        if not _OWNER.fullmatch(owner):
            raise ConfigurationError(f"API_KEYS entry {position}: the name must be letters, digits, '_', '.' or '-'.")
        if not secret.startswith("sk-") or len(secret) < 16:
            raise ConfigurationError(
                f"API_KEYS entry {position}: a key starts with 'sk-' and has 16 characters or more."
            )
        scopes = frozenset(filter(None, scope_text.split("+"))) if scope_text else DEFAULT_KEY_SCOPES
        if unknown := scopes - SCOPES:
            raise ConfigurationError(
                f"API_KEYS entry {position}: unknown scope {sorted(unknown)[0]!r}; known: {', '.join(sorted(SCOPES))}."
            )
        keys.append(ApiKey(owner, secret, scopes))
    if len({key.secret for key in keys}) != len(keys):
        raise ConfigurationError("API_KEYS: the same key stands twice.")
    return tuple(keys)


def parse_model_aliases(entries: list[str]) -> dict[str, str]:
    """Parse `pattern=id` entries, e.g. `claude-*=committee`. Raises ConfigurationError that names the entry."""
    aliases: dict[str, str] = {}
    for position, entry in enumerate(entries, start=1):
        pattern, _, model = (part.strip() for part in entry.partition("="))
        if not pattern or not model:
            raise ConfigurationError(f"MODEL_ALIASES entry {position}: write 'asked-for=answering', not {entry!r}.")
        aliases.setdefault(pattern, model)
    return aliases


@dataclass(frozen=True, slots=True)
class ExtraMember:
    """One parsed entry of `COMMITTEE_MEMBERS`."""

    name: str
    model: str
    base_url: str


def parse_members(text: str) -> tuple[ExtraMember, ...]:
    """Parse `name=model@http://host:port,…`. Raises ConfigurationError that names the entry and what is wrong."""
    members: list[ExtraMember] = []
    for position, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        where = f"COMMITTEE_MEMBERS entry {position}"
        name, equals, rest = entry.partition("=")
        model, at, url = rest.rpartition("@")
        if not equals or not at:
            raise ConfigurationError(f"{where}: write 'name=model@http://host:port', not {entry[:120]!r}.")
        if not _MEMBER.fullmatch(name):
            raise ConfigurationError(
                f"{where}: the name {name[:40]!r} must be lower-case letters, digits, '_' or '-', a letter first."
            )
        if name in {*BUILT_IN_MEMBERS, *(member.name for member in members)}:
            raise ConfigurationError(f"{where}: there is a member {name!r} already.")
        if not model or any(char.isspace() for char in model):
            raise ConfigurationError(f"{where}: the model's name is missing or has blanks in it.")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ConfigurationError(f"{where}: {url[:120]!r} is no http address of a model server.")
        members.append(ExtraMember(name, model, url.rstrip("/")))
    return tuple(members)


def planner(settings: CommitteeSettings) -> str:
    """The name of the member that plans and speaks. Raises ConfigurationError when there is no such member."""
    names = (*BUILT_IN_MEMBERS, *(member.name for member in parse_members(settings.committee_members)))
    wanted = "qwen3" if settings.planner_model == "qwen" else settings.planner_model
    if wanted not in names:
        raise ConfigurationError(f"PLANNER_MODEL={wanted[:40]!r} is no member; there are {', '.join(names)}.")
    return wanted


def is_loopback(host: str) -> bool:
    """Whether binding to `host` can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").split("%", 1)[0]).is_loopback
    except ValueError:
        return False


def check_bind(server: ServerSettings) -> None:
    """Refuse a public address without keys (one clear line).

    `PUBLISHED_ON_LOOPBACK` is for a container that must listen on all of its own addresses while its port is published
    on the host's loopback only, as our compose file does.
    """
    if server.published_on_loopback or is_loopback(server.host):
        return
    if not parse_api_keys(server.api_keys.get_secret_value()):
        raise ConfigurationError(
            f"HOST={server.host} is reachable from other machines, so API_KEYS must be set"
            " (API_KEYS=name:sk-...), or use HOST=127.0.0.1."
        )


def allowed_hosts(server: ServerSettings) -> frozenset[str]:
    """Lower-case host names (no port) that a Host header may carry.

    "Bound to loopback" does not keep a browser out: a page whose name is rebound to 127.0.0.1 reaches us with its own
    name in `Host`, so the header is checked on every request.
    """
    names = {"localhost", "127.0.0.1", "::1", "host.docker.internal", server.host.lower().strip("[]")}
    names |= {name.lower() for name in server.allowed_hosts}
    if hostname := urlsplit(server.public_base_url).hostname:
        names.add(hostname.lower())
    hostname = socket.gethostname().lower()
    names |= {hostname, f"{hostname}.local"}
    if not is_loopback(server.host):
        names |= _own_addresses(hostname)
    names -= {"0.0.0.0", "::", ""}  # noqa: S104
    return frozenset(names)


def _own_addresses(hostname: str) -> set[str]:
    try:
        return {str(info[4][0]).lower() for info in socket.getaddrinfo(hostname, None)}
    except OSError:
        return set()
