"""The page against the server itself: a key, a sentence, a film that plays."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import ROOT, wait_until_playable

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

KEY = "sk-a-key-for-the-page"
SENTENCE = "Make a 6-second 320x180 12fps film about monarch butterflies with subtitles. Title: Butterflies."


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server with offline members and one key."""
    with tempfile.TemporaryDirectory(prefix="committee-page-") as folder:
        Path(folder).chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
        # Nothing listens on port 9: the members are the offline stand-ins, whatever runs on this machine.
        nobody = {"QWEN_BASE_URL": "http://127.0.0.1:9", "GPTOSS_BASE_URL": "http://127.0.0.1:9"}
        own = {"DATA_DIR": f"{folder}/data", "PORT": "0", "API_KEYS": f"reader:{KEY}", "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            [sys.executable, "-m", "orchestrator.cli", "serve"],
            env=kept | nobody | own,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            found = next(filter(None, (re.search(r"http://\S+", line) for line in process.stdout)), None)
            assert found, "the server ended before it listened"
            yield found[0]
            process.terminate()
            process.wait(30)


def sign_in(page: Page, address: str) -> None:
    page.goto(address)
    dialog = page.get_by_role("dialog", name="This server asks for a key")
    dialog.get_by_label("Key", exact=True).fill(KEY)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_have_count(0)


def test_a_sentence_becomes_a_film_that_plays(page: Page, context: BrowserContext, address: str) -> None:
    # K010 C075 C076 C077 C078 C079
    sign_in(page, address)
    expect(page.locator(".health")).to_have_text("Offline members")
    page.get_by_label("Message", exact=True).fill(SENTENCE)
    page.keyboard.press("Enter")

    card = page.locator(".job-card")
    expect(card).to_contain_text("Butterflies", timeout=30_000)
    expect(card.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text("Tool results")).to_be_visible()
    page.reload()
    expect(card.locator(".pictures img").first).to_be_visible(timeout=90_000)
    expect(card.locator("video")).to_be_visible(timeout=120_000)
    wait_until_playable(page)
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(6.0, abs=0.1)
    expect(card).to_contain_text("320 × 180")
    expect(card).to_contain_text("renderer: procedural-preview")
    for label in ("Film, MP4", "Subtitles", "Timeline, OTIO", "Edit list, EDL", "Quality report"):
        link = card.get_by_role("link", name=label, exact=True)
        assert context.request.get(address + (link.get_attribute("href") or "")).ok
    cookie = next(cookie for cookie in context.cookies() if cookie["value"])
    assert cookie["httpOnly"]
    assert KEY not in cookie["value"]


def test_an_answer_is_there_after_a_reload(page: Page, address: str) -> None:
    sign_in(page, address)
    page.get_by_label("Message", exact=True).fill("What can you do?")
    page.keyboard.press("Enter")
    answer = page.get_by_role("article", name="Committee")
    expect(answer).to_have_attribute("data-state", "done", timeout=30_000)
    text = answer.locator(".markdown").inner_text()
    assert text
    expect(answer).to_contain_text("No language model answered")
    page.reload()
    expect(answer).to_contain_text("No language model answered")
    expect(answer.locator(".deliberation > summary")).to_contain_text("How it was decided")
    expect(answer.locator(".markdown")).to_have_text(re.compile(re.escape(text.split("\n")[0])))
    page.get_by_role("button", name="Delete What can you do?").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="What can you do?")).to_have_count(0)
