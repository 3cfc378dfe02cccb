"""Static checks of what a stranger starts with: compose, Dockerfile, README, layout."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_both_members_have_a_gpu_and_a_port_of_their_own(compose: dict[str, Any]) -> None:
    services = compose["services"]
    qwen, gptoss = services["ollama_qwen"], services["ollama_gptoss"]  # C001
    assert qwen["environment"]["NVIDIA_VISIBLE_DEVICES"] == "0"  # C130
    assert gptoss["environment"]["NVIDIA_VISIBLE_DEVICES"] == "1"
    assert qwen["ports"] == ["127.0.0.1:11434:11434"]
    assert gptoss["ports"] == ["127.0.0.1:11435:11434"]
    for member in (qwen, gptoss):
        assert member["runtime"] == "nvidia"
        assert member["environment"]["OLLAMA_KEEP_ALIVE"] == "${OLLAMA_KEEP_ALIVE:-24h}"  # C081


def test_up_starts_the_server_with_its_database(compose: dict[str, Any]) -> None:
    started = {name for name, service in compose["services"].items() if "profiles" not in service}
    assert started == {"ollama_qwen", "ollama_gptoss", "postgres", "orchestrator"}  # C003, C006
    assert compose["services"]["orchestrator"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_every_built_image_has_its_dockerfile(compose: dict[str, Any]) -> None:  # C006
    built = [service["build"] for service in compose["services"].values() if "build" in service]
    assert built
    for context in built:
        assert (ROOT / context / "Dockerfile").is_file()


def test_every_copied_path_exists(compose: dict[str, Any]) -> None:
    for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_no_port_is_published_beyond_loopback_and_our_images_are_hardened(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert "no-new-privileges:true" in service["security_opt"], name
        if "build" in service:
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert not any(volume.startswith(".") for volume in service["volumes"]), "the project is never mounted"


def test_a_user_can_bring_an_ollama_a_comfyui_and_a_postgres(compose: dict[str, Any]) -> None:
    own = compose["services"]["orchestrator_byo"]
    assert own["profiles"] == ["byo"]
    assert "depends_on" not in own
    assert own["environment"]["QWEN_BASE_URL"].startswith("${QWEN_BASE_URL:-http://host.docker.internal")


def test_the_layout_is_the_promised_one() -> None:  # K002
    for name in ("orchestrator", "tools", "committee", "rag", "tests"):
        assert (ROOT / name).is_dir()
    for name in ("docker-compose.yml", ".env.example", "README.md"):
        assert (ROOT / name).is_file()


def test_asyncpg_is_the_only_database_driver() -> None:  # C135, C136
    for package in ("orchestrator", "tools", "committee", "rag"):
        for path in (ROOT / package).rglob("*.py"):
            found = re.search(r"^\s*(?:import|from)\s+(sqlalchemy|psycopg2?|sqlite3)\b", path.read_text(), re.MULTILINE)
            assert found is None, path


def test_nothing_is_evaluated_or_unpickled() -> None:
    forbidden = re.compile(r"(?<![\w.])(?:eval|exec)\(|pickle\.loads?\(|shell=True|yaml\.load\(")
    for package in ("orchestrator", "tools", "committee", "rag"):
        for path in (ROOT / package).rglob("*.py"):
            assert forbidden.search(path.read_text()) is None, path


def test_readme_names_the_prerequisites_and_how_to_pull() -> None:
    readme = (ROOT / "README.md").read_text() + (ROOT / "docs/two-gpus.md").read_text()
    for words in ("Windows 10/11", "WSL2", "NVIDIA", "24 GB", "Docker"):  # C005
        assert words in readme
    assert 'docker exec -it ollama_qwen bash -lc "ollama pull $QWEN_MODEL_ID"' in readme  # C007
    assert 'docker exec -it ollama_gptoss bash -lc "ollama pull gpt-oss:20b"' in readme
