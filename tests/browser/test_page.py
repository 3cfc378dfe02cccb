"""The chat page in a real browser: what a reader sees while an answer and a film come into being."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from committee import ToolCall
from committee.backends.orders import ordered
from orchestrator.chat.confirmation import announcement
from orchestrator.chat.wire import calls_of
from tests.browser.conftest import Watched, wait_until_playable
from tests.browser.page_server import BREAK, Hold, PageServer, chunk

pytestmark = pytest.mark.browser

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
FILM_STAGES = ["plan", "breakdown", "storyboard", "animatic", "final", "post", "qc", "export"]


def ask(page: Page, text: str = "Make a film") -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def step(seq: int, stage: str, member: str, event: str, detail: str = "") -> dict[str, Any]:
    return {"seq": seq, "stage": stage, "member": member, "event": event, "detail": detail}


def film_answer(job_id: str) -> list[dict[str, Any]]:
    section = f"\n\n### Tool Results\n- **jobs**: `{job_id}`\n- **watch**: http://films.example/#/jobs/{job_id}\n"
    results = [{"name": "film.run", "job_ids": [job_id], "error": None}]
    committee = {"agreement": "agreed", "degraded": False, "members": {"qwen": "ok"}, "tool_results": results}
    return [chunk("The film is on its way."), chunk(section), chunk(finish="stop", committee=committee)]


def test_tokens_appear_before_the_end(page: Page, server: PageServer) -> None:  # K010
    server.answer = [
        chunk(committee=step(1, "probe", "qwen", "started"), reasoning="probe qwen: started\n"),
        chunk(reasoning="[qwen] - Monarchs migrate.\n"),
        chunk("Monarchs "),
        Hold("middle"),
        chunk("fly south."),
        chunk(finish="stop", committee={"agreement": "agreed", "degraded": False, "members": {"qwen": "ok"}}),
    ]
    page.goto(server.url)
    ask(page, "Where do monarchs go?")
    answer = page.get_by_role("article", name="Committee")
    expect(answer).to_contain_text("Monarchs")
    expect(answer).to_have_attribute("data-state", "streaming")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    server.release("middle")
    expect(answer).to_contain_text("Monarchs fly south.")
    expect(answer).to_have_attribute("data-state", "done")

    deliberation = answer.locator(".deliberation")
    expect(deliberation).not_to_have_attribute("open", re.compile(".*"))
    deliberation.locator("> summary").click()
    expect(deliberation).to_contain_text("Thinking it over")
    deliberation.locator(".thoughts summary").click()
    expect(deliberation.locator(".reasoning")).to_have_text("[qwen] - Monarchs migrate.")
    expect(deliberation).to_contain_text("all agreed")


def test_how_it_was_decided_is_there_after_a_reload(page: Page, server: PageServer) -> None:
    account = {
        "agreement": "split",
        "degraded": False,
        "members": {"qwen": "ok", "gptoss": "ok"},
        "speaker": "qwen",
        "agreed": ["qwen"],
        "dissent": {"gptoss": "answers 41 <b>"},
        "decided_by": "verdicts",
        "spoke_because": "its position won",
        "mode": "deep",
        "context": {"fit": "packed", "detail": "12 of 40 messages were shortened."},
        "usage": {"qwen": {"prompt_tokens": 1200, "completion_tokens": 80, "hidden_tokens": 60, "calls": 2}},
    }
    server.answer = [
        chunk(committee=step(1, "probe", "qwen", "answered")),
        chunk("42."),
        chunk(finish="stop", committee=account),
    ]
    page.goto(server.url)
    ask(page, "How many?")
    answer = page.get_by_role("article", name="Committee")
    expect(answer).to_have_attribute("data-state", "done")
    for _ in ("at once", "after a reload"):
        answer.locator(".deliberation > summary").click()
        expect(answer.locator(".deliberation > summary")).to_have_text("How it was decidedthey did not agree")
        expect(answer.locator(".steps")).to_have_text("Thinking it overqwen")
        rows = answer.locator(".account div")
        expect(rows).to_have_text(
            [
                "Held byqwen",
                "gptoss held insteadanswers 41 <b>",
                "Settled bya blind vote in both orders",
                "Spokeqwen: its position won",
                "Modedeep: the answers were cross-checked in any case",
                "Conversation shortened12 of 40 messages were shortened.",
            ]
        )
        expect(answer.get_by_role("row")).to_have_text(
            ["MemberPartReadWroteNot shown", "qwenspoke1,2008060", "gptossheld something else"]
        )
        page.reload()


def test_the_stages_appear_while_they_happen(page: Page, server: PageServer) -> None:
    server.answer = [
        chunk(committee=step(1, "probe", "qwen", "started")),
        chunk(committee=step(2, "probe", "gptoss", "started")),
        chunk(committee=step(3, "probe", "qwen", "answered", "answer")),
        chunk(committee=step(4, "probe", "gptoss", "failed", "timeout")),
        Hold("cross-check"),
        chunk(committee=step(5, "compare", "", "conflict", "key")),
        chunk(committee=step(6, "cross-check", "qwen", "started")),
        Hold("speak"),
        chunk(committee=step(7, "speak", "qwen", "started")),
        chunk("42."),
        chunk(finish="stop", committee={"agreement": "decided", "members": {"qwen": "ok"}, "model": "offline-rules"}),
    ]
    page.goto(server.url)
    ask(page)
    answer = page.get_by_role("article", name="Committee")
    stages = answer.get_by_role("list", name="Stages").get_by_role("listitem")
    expect(stages).to_have_text(["Thinking it overqwenhas an answergptosstimeout"])
    expect(answer.get_by_label("failed")).to_be_visible()
    server.release("cross-check")
    expect(stages).to_have_count(3)
    expect(answer.locator("[aria-current=step]")).to_have_text("Looking at each other’s answersqwen")
    expect(answer.get_by_role("status")).to_have_text("Looking at each other’s answers")
    server.release("speak")
    expect(answer).to_have_attribute("data-state", "done")
    expect(answer.locator(".steps")).not_to_be_visible()
    expect(answer).to_contain_text("No language model answered")


def held_answer(*calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    waiting = [ToolCall(f"call_{n}", name, arguments) for n, (name, arguments) in enumerate(calls)]
    held = calls_of(waiting)
    asks = f"\n\n### Status\n{announcement(waiting)}\n"  # the server's own words, which the page has to know
    account = {"agreement": "agreed", "degraded": False, "members": {"qwen": "ok"}, "held": held}
    return [
        chunk(committee=step(1, "act", "", "held", "note_write")),
        chunk("The page says so."),
        chunk(asks),
        chunk(finish="stop", committee=account),
    ]


def test_a_call_that_waits_is_shown_and_run(page: Page, server: PageServer) -> None:
    hostile = "<img src=x onerror=alert(1)> \u202egnp.exe " + "long " * 400
    server.answer = held_answer(("note_write", {"text": hostile, "n": {"a": [1]}}), ("film_run", {}))
    page.goto(server.url)
    ask(page)
    answer = page.get_by_role("article", name="Committee")
    waiting = answer.get_by_role("region", name="Waits for your word")
    for _ in ("at once", "after a reload"):
        expect(waiting).to_contain_text("Not done yet")
        expect(waiting.get_by_role("group")).to_have_count(2)
        expect(waiting.get_by_role("group", name="note write")).to_contain_text("[U+202E]gnp.exe long long")
        expect(answer.locator(".markdown")).to_have_text("The page says so.")
        page.reload()
    server.answer = [chunk("Written."), Hold("end"), chunk(finish="stop")]
    waiting.get_by_role("button", name="Run it: note write").click()
    assert_said(page, server, "Run note_write.", {"confirm": ["call_0"], "leave": []})
    expect(waiting).to_be_focused()
    expect(waiting.get_by_role("button", name="Leave it: film run")).to_be_disabled()
    server.release("end")
    waiting.get_by_role("button", name="Leave it: film run").click()
    assert_said(page, server, "Leave film_run.", {"confirm": [], "leave": ["call_1"]})
    for _ in ("at once", "after a reload"):
        expect(waiting.get_by_role("group", name="note write")).to_contain_text("You let it run.")
        expect(waiting.get_by_role("group", name="film run")).to_contain_text("You left it.")
        expect(waiting.get_by_role("button")).to_have_count(0)
        page.reload()


def assert_said(page: Page, server: PageServer, words: str, decided: dict[str, Any]) -> None:
    expect(page.get_by_role("article", name="You").last).to_have_text(words)
    expect(page.get_by_text("Written.")).not_to_have_count(0)
    assert (server.said[-1]["content"], server.said[-1]["committee"]) == (words, decided)


def test_a_call_that_waits_is_found_though_the_answer_broke_off(page: Page, server: PageServer) -> None:
    *pieces, last = held_answer(("note_write", {"text": "x"}))
    server.answer = [*pieces[:2], Hold("cut"), BREAK]
    page.goto(server.url)
    ask(page)
    expect(page.get_by_text("The page says so.")).to_be_visible()
    ((_, stored),) = server.messages.values()
    stored["committee"] = {"held": last["committee"]["held"]}
    server.release("cut")
    expect(page.get_by_role("button", name="Run it: note write")).to_be_enabled()


def test_how_it_answers_is_chosen_and_remembered(page: Page, server: PageServer) -> None:
    page.goto(server.url)
    mode = page.get_by_role("combobox", name="How it answers")
    expect(mode).to_have_text("Auto")
    ask(page)
    expect(page.get_by_text("Hello.")).to_be_visible()
    assert server.said[-1]["committee"] == {"confirm": [], "leave": []}
    mode.click()
    page.get_by_role("option", name="Deep").click()
    page.reload()
    expect(mode).to_have_text("Deep")
    ask(page)
    expect(page.get_by_text("Hello.")).to_have_count(2)
    assert server.said[-1]["committee"]["mode"] == "deep"
    page.get_by_role("combobox", name="Who answers").click()
    page.get_by_role("option", name="gptoss alone").click()
    expect(mode).to_have_count(0)
    ask(page)
    expect(page.get_by_text("Hello.")).to_have_count(3)
    assert (server.said[-1]["model"], "mode" in server.said[-1]["committee"]) == ("gptoss", False)


def test_enter_during_an_upload_sends_when_it_is_done(page: Page, server: PageServer) -> None:
    server.uploads = Hold("upload")
    page.goto(server.url)
    page.get_by_label("Attach files").set_input_files({"name": "cat.png", "mimeType": "image/png", "buffer": PNG})
    expect(page.get_by_role("progressbar", name="Uploading cat.png")).to_be_visible()
    ask(page, "What is this?")
    expect(page.get_by_text("Sends when the files have arrived")).to_be_visible()
    assert server.said == []
    server.release("upload")
    expect(page.get_by_role("article", name="You").get_by_role("link", name="cat.png")).to_be_visible()
    assert [one["name"] for one in server.said[0]["attachments"]] == ["cat.png"]


def test_an_upload_can_be_called_off(page: Page, server: PageServer) -> None:
    server.uploads = Hold("never")
    page.goto(server.url)
    page.get_by_label("Attach files").set_input_files({"name": "cat.png", "mimeType": "image/png", "buffer": PNG})
    page.get_by_role("button", name="Do not upload cat.png").click()
    expect(page.locator(".composer").get_by_role("list", name="Attached")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_files_are_attached_shown_and_kept(page: Page, server: PageServer) -> None:
    page.goto(server.url)
    attach = page.get_by_label("Attach files")
    attach.set_input_files(
        [
            {"name": "cat.png", "mimeType": "image/png", "buffer": PNG},
            {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Monarchs"},
        ]
    )
    chosen = page.locator(".composer").get_by_role("list", name="Attached")
    expect(chosen.get_by_role("listitem")).to_have_text(["cat.png", "notes.txt"])
    expect(chosen.locator("img")).to_have_count(1)
    page.get_by_role("button", name="Remove notes.txt").click()
    expect(chosen.get_by_role("listitem")).to_have_text(["cat.png"])
    ask(page, "What is this?")
    question = page.get_by_role("article", name="You")
    expect(chosen).to_have_count(0)
    for _ in ("at once", "after a reload"):
        expect(question.get_by_role("link", name="cat.png")).to_have_attribute("href", "/uploads/cat.png")
        shown = "(image) => image.complete && image.naturalWidth > 0"
        expect(question.locator("img")).to_have_count(1)
        question.locator("img").evaluate("(image) => image.decode()")
        assert question.locator("img").evaluate(shown)
        page.reload()
    (kept,) = server.messages.values()
    assert kept[0]["attachments"] == [{"url": "/uploads/cat.png", "name": "cat.png"}]


def test_a_refused_file_is_said_to_be_so(page: Page, server: PageServer) -> None:
    server.faults["/api/upload"] = (413, {}, {"error": {"message": "The file is larger than 5 bytes."}})
    page.goto(server.url)
    page.get_by_label("Attach files").set_input_files({"name": "a.bin", "mimeType": "x/y", "buffer": b"123456"})
    expect(page.get_by_role("alert")).to_have_text("a.bin: The file is larger than 5 bytes.")
    expect(page.locator(".composer").get_by_role("list", name="Attached")).to_have_count(0)


def test_stop_ends_the_answer_and_keeps_what_came(page: Page, server: PageServer) -> None:
    server.answer = [chunk("So far"), Hold("never")]
    page.goto(server.url)
    ask(page)
    expect(page.get_by_text("So far")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("This answer was stopped.")).to_be_visible()
    expect(page.get_by_text("So far")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_shift_enter_makes_a_new_line(page: Page, server: PageServer) -> None:
    page.goto(server.url)
    field = page.get_by_label("Message", exact=True)
    field.press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    field.press_sequentially("two")
    expect(field).to_have_value("one\ntwo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="You")).to_have_text("one\ntwo")


def test_markdown_is_rendered(page: Page, server: PageServer) -> None:  # C075
    text = (
        "# Title\n\n1. first\n2. **bold** and `code`\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n"
        "```python\nprint('hello')\n```\n\n> said\n\n- [x] done\n\n[site](https://example.org/a)"
    )
    server.answer = [chunk(piece) for piece in re.findall(r"(?s).{1,7}", text)] + [chunk(finish="stop")]
    page.goto(server.url)
    ask(page)
    answer = page.locator(".markdown")
    expect(answer.get_by_role("heading", name="Title")).to_be_visible()
    expect(answer.locator("ol li")).to_have_count(2)
    expect(answer.locator("strong")).to_have_text("bold")
    expect(answer.locator("td").nth(1)).to_have_css("text-align", "right")
    expect(answer.locator("pre code")).to_have_text("print('hello')\n")
    expect(answer.locator("blockquote")).to_have_text("said")
    link = answer.get_by_role("link", name="site")
    expect(link).to_have_attribute("href", "https://example.org/a")
    expect(link).to_have_attribute("rel", re.compile("noopener"))


def test_code_can_be_copied(page: Page, context: BrowserContext, server: PageServer) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    server.answer = [chunk("```sh\nmake demo\n```"), chunk(finish="stop")]
    page.goto(server.url)
    ask(page)
    page.get_by_role("button", name="Copy code").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "make demo\n"


def test_a_film_is_followed_to_its_end(page: Page, server: PageServer, film_result: dict[str, Any]) -> None:
    # C077 C078 C079
    job_id = server.add_job()
    server.answer = film_answer(job_id)
    page.goto(server.url)
    ask(page)
    card = page.locator(".job-card")
    expect(card).to_contain_text("Butterflies")
    expect(card).to_contain_text("Waiting its turn")

    server.push(job_id, "stage", status="running", stage="plan", progress=0.05, eta_s=83.0)
    expect(card.locator("[aria-current=step]")).to_have_text("plan")
    expect(card).to_contain_text("5 % · about 1 min left")
    panels = film_result["storyboard"]
    server.films[job_id] = {"shots": [{"storyboard": panel} for panel in panels[:2]] + [{"storyboard": None}]}
    server.push(job_id, "stage", stage="storyboard/S1_SH02", progress=0.2)
    expect(card.locator(".pictures img")).to_have_count(2)
    server.push(job_id, "progress", stage="final/S1_SH02", progress=0.61, eta_s=20.0)
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "61")
    expect(card.locator("[aria-current=step]")).to_have_text("final")
    expect(card.locator("[data-state=done]")).to_have_count(4)
    expect(page.get_by_label("Recent jobs")).to_contain_text("61 %")

    server.push(job_id, "succeeded", status="succeeded", stage="export", progress=1.0, result=film_result)
    video = card.locator("video")
    expect(video).to_have_attribute("src", "/artifacts/butterflies.mp4")
    wait_until_playable(page)
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(2.0, abs=0.1)
    expect(card.locator(".pictures img")).to_have_count(5)
    assert page.evaluate("[...document.querySelectorAll('.pictures img')].every((image) => image.naturalWidth > 0)")
    expect(card.get_by_role("progressbar")).to_have_count(0)
    for label in ("Film, MP4", "Timeline, OTIO", "Edit list, EDL", "Quality report", "Subtitles"):
        expect(card.get_by_role("link", name=label)).to_have_attribute("href", re.compile("^/artifacts/"))
    for words in ("1920 × 1080", "30 fps", "20 s", "renderer: procedural-preview", "fidelity: preview"):
        expect(card).to_contain_text(words)
    expect(card).to_contain_text("Depicted: monarch butterflies, a meadow at dusk")
    expect(card).to_contain_text("Not depicted: the title card's hand lettering")


def test_a_panel_opens_large(page: Page, server: PageServer, film_result: dict[str, Any]) -> None:
    job_id = server.add_job()
    server.push(job_id, "succeeded", status="succeeded", progress=1.0, result=film_result)
    page.goto(f"{server.url}/#/jobs/{job_id}")
    page.get_by_role("button", name="Picture 2").click()
    expect(page.get_by_role("dialog").get_by_role("img")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_reload_resumes_a_running_film(page: Page, server: PageServer, film_result: dict[str, Any]) -> None:  # C077
    job_id = server.add_job()
    server.answer = film_answer(job_id)
    server.films[job_id] = {"shots": [{"storyboard": panel} for panel in film_result["storyboard"]]}
    page.goto(server.url)
    ask(page)
    server.push(job_id, "progress", status="running", stage="animatic", progress=0.4)
    expect(page.locator(".job-card")).to_contain_text("40 %")
    page.reload()
    card = page.locator(".job-card")
    expect(card).to_contain_text("40 %")
    expect(card.locator(".pictures img")).to_have_count(5)
    server.push(job_id, "succeeded", status="succeeded", progress=1.0, result=film_result)
    expect(card.locator("video")).to_be_visible()


def test_a_lost_job_stream_is_taken_up_again(page: Page, server: PageServer, film_result: dict[str, Any]) -> None:
    job_id = server.add_job()
    server.push(job_id, "progress", status="running", stage="plan", progress=0.1)
    page.goto(f"{server.url}/#/jobs/{job_id}")
    expect(page.locator(".job-card")).to_contain_text("10 %")
    server.push(job_id, "progress", stage="breakdown", progress=0.2)
    expect(page.locator(".job-card")).to_contain_text("20 %")
    server.drop_streams()
    server.push(job_id, "succeeded", status="succeeded", progress=1.0, result=film_result)
    expect(page.locator(".job-card video")).to_be_visible()
    streams = [headers for _, path, headers in server.requests if path.endswith("/stream")]
    assert len(streams) == 2
    assert streams[1]["Last-Event-ID"] == "2"


def test_a_failed_job_says_why(page: Page, server: PageServer) -> None:
    job_id = server.add_job()
    server.answer = film_answer(job_id)
    page.goto(server.url)
    ask(page)
    error = {"code": "render_failed", "message": "The encoder stopped at shot 3."}
    server.push(job_id, "failed", status="failed", stage="final", progress=0.5, error=error)
    expect(page.locator(".job-card").get_by_role("alert")).to_contain_text("The encoder stopped at shot 3.")
    expect(page.locator(".job-card .status")).to_have_text("Failed")


def test_a_running_job_can_be_cancelled(page: Page, server: PageServer) -> None:
    job_id = server.add_job()
    server.push(job_id, "progress", status="running", stage="plan", progress=0.1)
    page.goto(f"{server.url}/#/jobs/{job_id}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".job-card .status")).to_have_text("Cancelled")
    assert server.count("POST", f"/api/jobs/{job_id}/cancel") == 1


def test_an_unknown_job_is_said_to_be_unknown(page: Page, server: PageServer) -> None:
    page.goto(f"{server.url}/#/jobs/0190a000-0000-7000-8000-000000000000")
    expect(page.get_by_text("There is no such job.")).to_be_visible()


def test_the_job_list_outlives_errors(page: Page, server: PageServer) -> None:  # C149
    server.add_job(title="Lighthouse")
    page.goto(server.url)
    jobs = page.get_by_label("Recent jobs")
    expect(jobs).to_contain_text("Lighthouse")
    server.faults["/api/jobs"] = (503, {}, {"error": {"message": "The database does not answer."}})
    expect(jobs).to_contain_text("The database does not answer. Showing what was last known.")
    expect(jobs).to_contain_text("Lighthouse")
    del server.faults["/api/jobs"]
    expect(jobs).not_to_contain_text("last known")


def test_a_key_is_traded_for_a_cookie(page: Page, context: BrowserContext, server: PageServer) -> None:
    server.key = "sk-correct-horse"
    page.goto(server.url)
    dialog = page.get_by_role("dialog", name="This server asks for a key")
    dialog.get_by_label("Key").fill("sk-wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).to_have_text("The server does not know this key.")
    dialog.get_by_label("Key").fill("sk-correct-horse")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_have_count(0)
    ask(page, "Hi")
    expect(page.get_by_text("Hello.")).to_be_visible()
    cookie = next(cookie for cookie in context.cookies() if cookie["name"] == "committee_session")
    assert cookie["httpOnly"]
    assert page.evaluate("JSON.stringify([{...localStorage}, document.cookie])").find("sk-correct") < 0
    assert not [path for _, path, _ in server.requests if "sk-" in path]


def test_too_many_requests_say_when_to_come_back(page: Page, server: PageServer) -> None:
    page.goto(server.url)
    ask(page, "first")
    expect(page.get_by_text("Hello.")).to_be_visible()
    path = f"/api/conversations/{next(iter(server.conversations))}/messages"
    server.faults[path] = (429, {"Retry-After": "2"}, {"error": {"message": "256 turns are running; try again."}})
    ask(page, "second")
    expect(page.get_by_text("256 turns are running; try again.")).to_be_visible()
    button = page.get_by_role("button", name=re.compile("Try again"))
    expect(button).to_be_disabled()
    del server.faults[path]
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_text("Hello.")).to_have_count(2)
    expect(page.get_by_role("article", name="You")).to_have_text(["first", "second"])


def test_an_error_within_the_stream_is_shown(page: Page, server: PageServer) -> None:
    server.answer = [chunk("Half an "), {"error": {"message": "qwen went away.", "type": "server_error"}}]
    page.goto(server.url)
    ask(page)
    expect(page.get_by_text("Half an")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("qwen went away.")
    expect(page.get_by_role("button", name="Try again")).to_be_enabled()


def test_a_cut_stream_is_not_taken_for_an_answer(page: Page, server: PageServer) -> None:
    server.answer = [chunk("Half an "), Hold("cut"), BREAK]
    page.goto(server.url)
    ask(page)
    expect(page.get_by_text("Half an")).to_be_visible()
    server.release("cut")
    expect(page.get_by_role("article", name="Committee")).to_have_attribute("data-state", "failed")
    expect(page.get_by_role("alert")).to_be_visible()


def test_an_unreachable_server_is_said_to_be_so(page: Page, context: BrowserContext, server: PageServer) -> None:
    page.goto(server.url)
    expect(page.locator(".health")).to_have_text("qwen + gptoss")
    context.set_offline(True)
    ask(page, "anybody?")
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
    expect(page.get_by_label("Message", exact=True)).to_have_value("anybody?")
    context.set_offline(False)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Hello.")).to_be_visible()


def test_offline_and_missing_members_are_named(page: Page, server: PageServer) -> None:
    server.health["members"][1] |= {"reachable": False, "note": "Nothing listens at 127.0.0.1:11435."}
    page.goto(server.url)
    badge = page.locator(".health")
    expect(badge).to_have_text("gptoss down")
    badge.click()
    expect(page.get_by_role("dialog")).to_contain_text("Nothing listens at 127.0.0.1:11435.")
    for member in server.health["members"]:
        member |= {"reachable": False, "loaded": None, "stand_in": True, "note": ""}
    page.reload()
    expect(badge).to_have_text("Offline members")
    badge.click()
    expect(page.get_by_role("dialog")).to_contain_text("no language model is connected")


def test_a_degraded_answer_is_labelled(page: Page, server: PageServer) -> None:
    committee = {
        "agreement": "single",
        "degraded": True,
        "members": {"qwen": "ok", "gptoss": "timeout"},
        "causes": {"gptoss": "It was still thinking."},
    }
    server.answer = [chunk("Alone."), chunk(finish="stop", committee=committee)]
    page.goto(server.url)
    ask(page)
    expect(page.get_by_role("article", name="Committee")).to_contain_text("gptoss: It was still thinking.")


def test_conversations_are_kept_chosen_and_deleted(page: Page, server: PageServer) -> None:
    page.goto(server.url)
    sidebar = page.get_by_role("navigation", name="Conversations and jobs")
    ask(page, "About owls")
    expect(sidebar.get_by_role("link", name="About owls")).to_be_visible()
    sidebar.get_by_role("link", name="New conversation").click()
    expect(page.get_by_text("What shall we make?")).to_be_visible()
    ask(page, "About bats")
    expect(sidebar.get_by_role("link", name="About bats")).to_be_visible()
    sidebar.get_by_role("link", name="About owls").click()
    expect(page.get_by_role("article", name="You")).to_have_text("About owls")
    sidebar.get_by_role("button", name="Delete About owls").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(sidebar.get_by_role("link", name="About owls")).to_have_count(0)
    expect(page.get_by_text("What shall we make?")).to_be_visible()


def test_an_example_fills_the_composer(page: Page, server: PageServer) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="monarch butterflies").click()
    expected = "Make a 20-second film about monarch butterflies. Title: Butterflies"
    expect(page.get_by_label("Message", exact=True)).to_have_value(expected)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article", name="You")).to_have_text(expected)


def test_examples_work_without_a_model(page: Page, server: PageServer) -> None:
    page.goto(server.url)
    expect(page.locator(".welcome")).to_contain_text("Several models think")
    for member in server.health["members"]:
        member |= {"reachable": False, "loaded": None, "stand_in": True}
    page.reload()
    welcome = page.locator(".welcome")
    expect(welcome).to_contain_text("No language model is connected")
    expect(welcome).not_to_contain_text("Several models")
    examples = welcome.get_by_role("button").all_inner_texts()
    kinds = [ordered(text.strip()) for text in examples]
    assert kinds == ["film", "picture", "film"]


@pytest.mark.parametrize("width", [320, 390])
def test_narrow_screens(page: Page, server: PageServer, film_result: dict[str, Any], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 780})
    job_id = server.add_job(title="A rather long title for a film about monarch butterflies")
    server.answer = [chunk("```\n" + "x" * 300 + "\n```\n\n" + "y" * 200), *film_answer(job_id)]
    server.push(job_id, "progress", status="running", stage="storyboard", progress=0.3, eta_s=100.0)
    page.goto(server.url)
    ask(page, "z" * 120)
    expect(page.locator(".job-card")).to_contain_text("30 %")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('.messages').scrollWidth") <= width
    page.get_by_role("button", name="Conversations and jobs").click()
    drawer = page.get_by_role("dialog", name="Committee")
    drawer.get_by_role("link", name="New conversation").click()
    expect(drawer).to_have_count(0)


def test_a_long_conversation_opens_at_its_end(page: Page, server: PageServer) -> None:
    account = {"agreement": "agreed", "agreed": ["qwen", "gptoss"], "members": {"qwen": "ok"}, "speaker": "qwen"}
    steps = [step(n, "probe", "qwen", "answered", "answer") for n in range(20)]
    text = "# Title\n\n" + "A paragraph with `code`. " * 20 + "\n\n```\n" + "x = 1\n" * 20 + "```\n"
    server.conversations["long"] = {"id": "long", "title": "Long"}
    server.messages["long"] = [
        {"id": f"m{n}", "role": "user", "content": f"Question {n}"}
        if n % 2 == 0
        else {"id": f"m{n}", "role": "assistant", "content": text, "committee": account, "steps": steps}
        for n in range(200)
    ]
    page.goto(f"{server.url}/#/c/long")
    expect(page.get_by_role("article")).to_have_count(200)
    expect(page.locator(".deliberation > summary").last).to_be_in_viewport()
    # What is written is not held up by what is there: 200 keys would take minutes if each laid out everything.
    field = page.get_by_label("Message", exact=True)
    field.press_sequentially("x" * 200)
    expect(field).to_have_value("x" * 200)


def test_the_reader_who_scrolled_up_is_left_alone(page: Page, server: PageServer) -> None:
    lines = "\n\n".join(f"Line {number}" for number in range(80))
    server.answer = [chunk(lines), Hold("more"), chunk("\n\nThe last line."), chunk(finish="stop")]
    page.goto(server.url)
    ask(page)
    expect(page.get_by_text("Line 79")).to_be_in_viewport()
    page.locator(".scroller").evaluate("(element) => element.scrollTo(0, 0)")
    expect(page.get_by_role("button", name="Jump to the end")).to_be_visible()
    server.release("more")
    expect(page.get_by_text("The last line.")).to_be_attached()
    expect(page.get_by_text("The last line.")).not_to_be_in_viewport()
    page.get_by_role("button", name="Jump to the end").click()
    expect(page.get_by_text("The last line.")).to_be_in_viewport()


def test_colours_follow_the_system_until_chosen(page: Page, server: PageServer, watched: Watched) -> None:
    background = "getComputedStyle(document.documentElement).backgroundColor"
    page.emulate_media(color_scheme="dark")
    page.goto(server.url)
    dark = page.evaluate(background)
    page.get_by_role("button", name="Light colours").click()
    light = page.evaluate(background)
    assert light != dark
    page.reload()
    expect(page.get_by_role("button", name="Dark colours")).to_be_visible()
    assert page.evaluate(background) == light
