"""The whole story as a stranger types it: one sentence, one command, one film on the disk, nothing left running."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import av
import pytest

from tests.e2e.serving import environment, none_left

SENTENCE = "Make a 4-second 320x180 12fps film about monarch butterflies with interpolation. Title: Butterflies."


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_sentence_becomes_a_film_and_nothing_stays_behind(tmp_path: Path) -> None:  # K005, C026, C032, C101
    data_dir = tmp_path / "data"
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "film", SENTENCE],
        env=environment(data_dir),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + (data_dir / "server.log").read_text()[-4000:]
    (uri,) = re.findall(r"file://\S+", done.stdout)
    film = Path(unquote(urlsplit(uri).path))
    with av.open(str(film)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == (320, 180)  # C047
        assert video.average_rate == 12  # C048
        assert sum(1 for _ in container.decode(video)) == 48  # C046
        assert container.streams.audio
    assert "### Tool Results" in done.stdout  # C076
    assert "procedural-preview" in done.stdout
    none_left([], data_dir, within_s=10)


@pytest.mark.timeout(120)
def test_ctrl_c_cancels_the_film_and_leaves_nothing(data_dir: Path) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli", "film", "a lighthouse in a storm"],
        env=environment(data_dir),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert command.stdout is not None
    said = []
    for line in command.stdout:
        said.append(line)
        if re.match(r"  \S+ +\d+\.\d %", line):
            break
    pressed = time.monotonic()
    os.killpg(command.pid, signal.SIGINT)  # as a terminal does: the whole foreground group gets it
    rest, _ = command.communicate(timeout=30)
    assert command.returncode == 130, "".join(said) + rest
    assert time.monotonic() - pressed < 8
    assert "Stopping…" in rest
    assert "The film is cancelled." in rest
    assert "Traceback" not in rest
    assert "Aborted" not in rest
    none_left([], data_dir)


def test_a_public_address_without_keys_is_one_clear_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "serve"],
        env=environment(tmp_path) | {"HOST": "0.0.0.0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "API_KEYS" in done.stderr


def test_a_worker_without_a_server_says_what_it_needs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "worker"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr
