"""Which run a request belongs to."""

from __future__ import annotations

from orchestrator.chat.runs import REMEMBER_S, SHORTENED, Effect, Runs
from tools.registry import ToolResult


def test_a_delivered_turn_never_matches() -> None:
    runs = Runs()
    first = runs.begin("a")
    runs.end("a", first, delivered=True)
    assert runs.begin("a").id != first.id


def test_an_undelivered_turn_is_attached_to_once() -> None:
    runs = Runs()
    first = runs.begin("a")
    assert runs.begin("a").id != first.id  # still running: somebody else's
    runs.end("a", first, delivered=False)
    assert runs.begin("b").id != first.id
    assert runs.begin("a").id == first.id
    assert runs.begin("a").id != first.id


def test_a_request_that_came_before_the_break_was_noticed_acts_in_the_run_that_broke() -> None:
    runs = Runs()
    first, again, third = runs.begin("a"), runs.begin("a"), runs.begin("a")
    assert runs.before_acting("a", again) is again  # the first one is still at it
    first.effects.append(Effect(0, "film_run", "{}"))
    runs.end("a", first, delivered=False)
    assert runs.before_acting("a", again) is first
    assert runs.before_acting("a", third) is third  # one repetition only
    assert runs.before_acting("a", first) is first
    runs.end("a", first, delivered=True)
    runs.end("a", third, delivered=True)
    assert runs.begin("a").id not in {first.id, again.id, third.id}


def test_who_has_acted_stays_in_its_own_run() -> None:
    runs = Runs()
    first, again = runs.begin("a"), runs.begin("a")
    again.effects.append(Effect(0, "film_run", "{}"))
    runs.end("a", first, delivered=False)
    assert runs.before_acting("a", again) is again


def test_a_client_that_says_so_is_believed() -> None:
    runs = Runs()
    first = runs.begin("a")
    runs.end("a", first, delivered=True)
    assert runs.begin("a", retry=True).id == first.id


def test_a_retry_shares_a_run_that_goes_on() -> None:
    runs = Runs()
    first, twin = runs.begin("a"), runs.begin("a")
    assert twin.id != first.id
    retry = runs.begin("a", retry=True)
    assert retry is twin
    assert runs.begin("b", retry=True).id not in {first.id, twin.id}
    runs.end("a", retry, delivered=True)
    runs.end("a", twin, delivered=False)  # its client is gone, but the retry has the answer
    assert runs.begin("a").id not in {first.id, twin.id}


def test_ten_minutes_later_it_is_a_new_turn() -> None:
    now = [0.0]
    runs = Runs(clock=lambda: now[0])
    first = runs.begin("a")
    runs.end("a", first, delivered=False)
    now[0] = REMEMBER_S + 1
    assert runs.begin("a").id != first.id


def test_memory_is_bounded() -> None:
    runs = Runs()
    for number in range(20_000):
        runs.end(str(number), runs.begin(str(number)), delivered=True)
    assert len(runs._ended) == 10_000


def test_results_in_memory_are_bounded_and_the_oldest_are_shortened() -> None:
    runs = Runs(most_bytes=100)
    for name in "abc":
        run = runs.begin(name)
        run.effects.append(Effect(0, "note_write", "{}", ToolResult({"text": name}, ("job",)), size=40))
        runs.end(name, run, delivered=False)
    first, last = runs.begin("a"), runs.begin("c")
    assert first.effects[0].result == ToolResult(SHORTENED, ("job",))  # what it did is still known
    assert last.effects[0].result == ToolResult({"text": "c"}, ("job",))
    for again in range(3):
        runs.end("b", runs.begin("b"), delivered=bool(again))
    assert 0 <= runs._bytes <= 100
