"""Finding an Ollama that already runs, the Windows side of WSL2 included."""

from pathlib import Path

from orchestrator.cli.discovery import candidate_urls, windows_side

ROUTES = "Iface\tDestination\tGateway \tFlags\n eth0\t00000000\t01801BAC\t0003\n eth0\t00801BAC\t00000000\t0001\n"


def _proc(tmp_path: Path, version: str) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "version").write_text(version)
    (tmp_path / "net/route").write_text(ROUTES)
    return tmp_path


def test_under_wsl2_the_windows_side_is_the_default_gateway(tmp_path: Path) -> None:
    proc = _proc(tmp_path, "Linux version 5.15.153.1-microsoft-standard-WSL2")
    assert windows_side(proc) == "172.27.128.1"
    assert "http://172.27.128.1:11434" in candidate_urls(proc=proc)


def test_on_plain_linux_there_is_no_windows_side(tmp_path: Path) -> None:
    assert windows_side(_proc(tmp_path, "Linux version 6.1.0 Debian")) is None
    assert windows_side(tmp_path / "nothing") is None


def test_configured_addresses_come_first_and_once(tmp_path: Path) -> None:
    urls = candidate_urls("http://gpu-box:9000/v1", "http://127.0.0.1:11434/", proc=tmp_path)
    assert urls[:2] == ("http://gpu-box:9000", "http://127.0.0.1:11434")
    assert len(set(urls)) == len(urls)
