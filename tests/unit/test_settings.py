"""Settings: defaults of the specification, keys, the bind rule, and the three places that list the variables."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ConfigurationError
from orchestrator.settings import (
    DEFAULT_KEY_SCOPES,
    SCOPES,
    CommitteeSettings,
    DatabaseSettings,
    EmbedderSettings,
    InfillSettings,
    JobSettings,
    ServerSettings,
    ToolSettings,
    allowed_hosts,
    check_bind,
    is_loopback,
    parse_api_keys,
    parse_members,
    parse_model_aliases,
    planner,
)

ROOT = Path(__file__).resolve().parents[2]
GROUPS = (
    ServerSettings,
    DatabaseSettings,
    CommitteeSettings,
    ToolSettings,
    JobSettings,
    EmbedderSettings,
    InfillSettings,
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for group in GROUPS:
        for name in group.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_those_of_the_specification() -> None:
    committee, tools = CommitteeSettings(), ToolSettings()
    assert committee.qwen_model_id == "qwen3:32b-instruct-q4_K_M"  # C009, C142
    assert committee.gptoss_model_id == "gpt-oss:20b"  # C010
    assert committee.default_num_ctx == 8192  # C011
    assert committee.default_temperature == 0.3  # C012
    assert committee.planner_model == "qwen3"  # C013, C142
    assert committee.enable_debate is True
    assert committee.max_debate_turns == 1
    assert tools.enable_websearch is True  # C016
    assert tools.auto_execute_tools is True  # C017
    assert tools.jobs_rag_index is True  # C116
    assert committee.ollama_keep_alive == "24h"


def test_quantisation_and_context_change_by_variable_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_MODEL_ID", "qwen3:32b-q8_0")
    monkeypatch.setenv("DEFAULT_NUM_CTX", "32768")
    settings = CommitteeSettings()
    assert settings.qwen_model_id == "qwen3:32b-q8_0"  # C019
    assert settings.default_num_ctx == 32768  # C020


def test_the_environment_beats_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=9001\nHOST=localhost\n")
    monkeypatch.setenv("PORT", "9002")
    settings = ServerSettings()
    assert (settings.port, settings.host) == (9002, "localhost")


def test_an_empty_variable_means_unset(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    for group in GROUPS:
        group()
    assert DatabaseSettings().external_dsn is None


def test_the_alias_of_auto_execute_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_TOOL_EXECUTION", "false")
    assert ToolSettings().auto_execute_tools is False


def test_postgres_parts_make_a_dsn_with_quoted_password() -> None:
    settings = DatabaseSettings(postgres_host="db", postgres_password="p@ss:/word")  # type: ignore[arg-type]
    assert settings.external_dsn == "postgresql://rag:p%40ss%3A%2Fword@db:5432/ragdb"


def test_every_variable_is_listed_where_a_user_looks_for_it() -> None:  # K012
    read = {name.upper() for group in GROUPS for name in group.model_fields}
    example = set(re.findall(r"^([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    manual = set(re.findall(r"^\| `([A-Z][A-Z0-9_]*)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    assert example == read
    assert manual == read


def test_a_variable_without_effect_says_so() -> None:
    code = "".join(
        path.read_text()
        for package in ("orchestrator", "tools", "committee")
        for path in (ROOT / package).rglob("*.py")
    )
    manual = (ROOT / "docs/operations.md").read_text()
    for name in (name for group in GROUPS for name in group.model_fields):
        used = re.search(rf"(?:settings|server|self|committee|tools|jobs|database)\.{name}\b", code) is not None
        line = re.search(rf"^\| `{name.upper()}`.*$", manual, re.MULTILINE)
        assert line is not None
        assert ("without effect" in line[0]) is not used, name


def test_the_example_file_holds_no_secret() -> None:  # K012
    text = (ROOT / ".env.example").read_text()
    for name in (
        "API_KEYS",
        "POSTGRES_PASSWORD",
        "DATABASE_URL",
        "QWEN_API_KEY",
        "GPTOSS_API_KEY",
        "EMBED_API_KEY",
        "FIM_API_KEY",
    ):
        assert re.search(rf"^{name}=$", text, re.MULTILINE)


def test_no_other_file_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for package in ("orchestrator", "tools", "committee", "rag")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"os\.environ|os\.getenv|getenv\(", path.read_text()) and path.name != "settings.py"
    ]
    assert readers == []


def test_keys_parse_with_and_without_scopes() -> None:
    anna, bob = parse_api_keys("anna:sk-0123456789abcdef, bob:sk-fedcba9876543210:chat+jobs:read")
    assert (anna.owner, anna.scopes) == ("anna", DEFAULT_KEY_SCOPES)
    assert (bob.owner, bob.scopes) == ("bob", frozenset({"chat", "jobs:read"}))
    assert "tools:exec" not in DEFAULT_KEY_SCOPES


@pytest.mark.parametrize(
    "text",
    [
        "sk-0123456789abcdef",
        "anna:0123456789abcdef",
        "anna:sk-short",
        "an na:sk-0123456789abcdef",
        "anna:sk-0123456789abcdef:root",
        "anna:sk-0123456789abcdef,bob:sk-0123456789abcdef",
    ],
)
def test_a_wrong_key_entry_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_api_keys(text)
    assert "0123456789abcdef" not in refused.value.message


@given(scopes=st.sets(st.sampled_from(sorted(SCOPES)), min_size=1))
def test_any_set_of_scopes_survives_the_round_trip(scopes: set[str]) -> None:
    (key,) = parse_api_keys("o:sk-0123456789abcdef:" + "+".join(sorted(scopes)))
    assert key.scopes == scopes


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "203.0.113.7", "2001:db8::1"])
def test_a_public_address_needs_keys(host: str) -> None:
    with pytest.raises(ConfigurationError, match="API_KEYS"):
        check_bind(ServerSettings(host=host))
    check_bind(ServerSettings(host=host, api_keys="me:sk-0123456789abcdef"))  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_needs_none(host: str) -> None:
    assert is_loopback(host)
    check_bind(ServerSettings(host=host))


def test_allowed_hosts_hold_loopback_docker_and_the_public_name() -> None:
    hosts = allowed_hosts(ServerSettings(public_base_url="https://Films.Example.org/x", allowed_hosts=["Box.lan"]))
    assert {"localhost", "127.0.0.1", "::1", "host.docker.internal", "films.example.org", "box.lan"} <= hosts
    assert not hosts & {"0.0.0.0", "", "evil.example"}


def test_aliases_of_models() -> None:
    entries = ["claude-haiku-*=gpt-oss:20b", "claude-*=committee"]
    assert parse_model_aliases(entries) == {"claude-haiku-*": "gpt-oss:20b", "claude-*": "committee"}
    for wrong in ("claude-*", "=committee", "claude-*="):
        with pytest.raises(ConfigurationError, match="MODEL_ALIASES"):
            parse_model_aliases([wrong])


def test_further_members() -> None:
    text = "mistral=mistral-small3.2:24b@http://127.0.0.1:11436, phi-4=hf.co/x/phi@q4@https://gpu.lan:8443/v1/"
    assert [(m.name, m.model, m.base_url) for m in parse_members(text)] == [
        ("mistral", "mistral-small3.2:24b", "http://127.0.0.1:11436"),
        ("phi-4", "hf.co/x/phi@q4", "https://gpu.lan:8443/v1"),
    ]
    assert parse_members("") == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mistral", "entry 1: write"),
        ("a=m@http://x, b=m", "entry 2: write"),
        ("Mistral=m@http://x", "lower-case"),
        ("qwen3=m@http://x", "already"),
        ("a=m@http://x,a=n@http://y", "entry 2: there is a member 'a' already"),
        ("a=@http://x", "model's name"),
        ("a=two words@http://x", "model's name"),
        ("a=m@ftp://x", "no http address"),
        ("a=m@http://", "no http address"),
        ("a=m@http://x?key=1", "no http address"),
    ],
)
def test_a_member_that_cannot_be_read_is_named(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        parse_members(text)


@pytest.mark.parametrize(
    ("asked", "meant"), [("qwen3", "qwen3"), ("qwen", "qwen3"), ("gptoss", "gptoss"), ("mistral", "mistral")]
)
def test_any_member_may_plan(asked: str, meant: str) -> None:  # C013
    settings = CommitteeSettings(planner_model=asked, committee_members="mistral=m@http://127.0.0.1:1")
    assert planner(settings) == meant


def test_a_planner_that_is_no_member_is_named() -> None:
    with pytest.raises(ConfigurationError, match="PLANNER_MODEL='mistral' is no member; there are qwen3, gptoss"):
        planner(CommitteeSettings(planner_model="mistral"))
