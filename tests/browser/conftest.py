"""A real Chromium, one for each file, and a page that notices what a strict page must never do."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect, sync_playwright

from tests.browser.page_server import PageServer

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=10_000)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def built_page() -> None:
    """The page as it would be served, built from the present sources."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "build_ui.py"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing(f"the page cannot be built: {done.stdout}{done.stderr}")


# Not for the session: Playwright's loop runs in the main thread as long as it is open, and every asyncio test of
# another folder would fail beside it.
@pytest.fixture(scope="module")
def browser(built_page: None) -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if executable is None:
        missing("Chromium is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield chromium
        chromium.close()


def wait_until_playable(page: Page) -> None:
    """Wait for the video's metadata. `wait_for_function` polls with `eval`, which the page's policy rightly refuses."""
    page.locator("video").evaluate(
        "(video) => video.readyState >= 1 || new Promise((done) => video.addEventListener('loadedmetadata', done))"
    )


def missing(what: str) -> None:
    """A laptop may lack something; CI may not."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture
def server() -> Iterator[PageServer]:
    server = PageServer()
    yield server
    server.close()


@dataclass
class Watched:
    """What the browser complained about, and where it tried to go."""

    violations: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def address(server: PageServer) -> str:
    """Where the page is; a module may put another server in place of the fake one."""
    return server.url


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 850}, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, address: str, watched: Watched) -> Iterator[Page]:
    """A page on which every policy violation, script error, dialog and foreign request fails the test."""
    page = context.new_page()
    page.on("dialog", lambda dialog: _note_dialog(watched, dialog))
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("request", lambda request: _note_foreign(watched, request.url, address))
    page.expose_function("noteViolation", lambda what: watched.violations.append(what))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " (event) => window.noteViolation(event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample));"
    )
    yield page
    assert watched == Watched()


def _note_dialog(watched: Watched, dialog: Dialog) -> None:
    watched.dialogs.append(dialog.message)
    dialog.dismiss()


def _note_foreign(watched: Watched, address: str, own: str) -> None:
    if not address.startswith((own, "blob:")):
        watched.foreign.append(address)


@pytest.fixture(scope="session")
def film_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A short film that Chromium plays."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(path, "w", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(48):
            picture = np.asarray(dusk(640, 360, number / 48))
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path.read_bytes()


def dusk(width: int, height: int, when: float) -> Image.Image:
    """A sky that goes from gold to blue; enough of a picture to look at."""
    down = np.linspace(0, 1, height)[:, None, None]
    top = np.array([40 + 60 * when, 60, 120 + 60 * (1 - when)])
    low = np.array([250, 170 - 60 * when, 90 + 70 * when])
    sky = top * (1 - down) + low * down
    hills = height * (0.72 + 0.08 * np.sin(np.linspace(0, 7, width) + 3 * when))
    picture = np.repeat(sky, width, axis=1)
    picture[np.arange(height)[:, None] > hills[None, :]] = (36, 42, 50)
    return Image.fromarray(picture.astype(np.uint8))


@pytest.fixture
def film_result(server: PageServer, film_file: bytes) -> dict[str, Any]:
    """The result of a finished film, its files on the server. Addresses carry the server's public name."""
    public = "http://films.example"

    def put(name: str, media_type: str, body: bytes) -> dict[str, Any]:
        server.files[name] = (media_type, body)
        url = f"{public}/artifacts/{name}"
        return {"url": url, "uri": url, "sha256": "0" * 64, "name": name, "media_type": media_type}

    def picture(name: str, when: float) -> dict[str, Any]:
        out = io.BytesIO()
        dusk(640, 360, when).save(out, "PNG")
        return put(name, "image/png", out.getvalue())

    master = {"width": 1920, "height": 1080, "fps": 30, "duration_s": 20.0}
    return {
        "film_id": "f1",
        "title": "Butterflies",
        "master": put("butterflies.mp4", "video/mp4", film_file) | master,
        "poster": picture("poster.png", 0.4),
        "storyboard": [picture(f"panel-{number}.png", number / 6) for number in range(1, 6)],
        "edl": put("butterflies.edl", "text/plain", b"TITLE: Butterflies"),
        "otio": put("butterflies.otio", "application/json", b"{}"),
        "qc": put("qc.json", "application/json", b"{}"),
        "subtitles": put("butterflies.srt", "application/x-subrip", b"1"),
        "renderer": "procedural-preview",
        "fidelity": "preview",
        "depicted": ["monarch butterflies", "a meadow at dusk"],
        "not_depicted": ["the title card's hand lettering"],
    }
