"""The queue in front of a member, the breaker behind it, and what tells a slow speaker from a lost one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from committee.budget import Budget
from committee.errors import MemberBusy, MemberFailed, MemberQueueFull, MemberResting, MemberTimeout, MemberUnreachable
from committee.listening import Pace
from committee.schema import ChatRequest, Delta, StageContext
from committee.seats import CommitteeConfig, Seat


class Backend:
    name = "a"
    parallel: int | None = 1


def seat(parallel: int | None = 1, **options: Any) -> Seat:
    backend = Backend()
    backend.parallel = parallel
    return Seat(backend, replace(CommitteeConfig(), **options))  # type: ignore[arg-type]


async def occupy(one: Seat, free: asyncio.Event, timeout_s: float = 5) -> float:
    async with one.place(timeout_s) as waited:
        await free.wait()
    return waited


async def settled(tasks: list[asyncio.Task[float]]) -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_more_than_fit_wait_in_order() -> None:
    one, order = seat(parallel=2), []
    gates = [asyncio.Event() for _ in range(5)]

    async def work(number: int) -> None:
        async with one.place(5):
            order.append(number)
            await gates[number].wait()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await settled([])
    assert order == [0, 1]
    gates[1].set()
    await settled([])
    assert order == [0, 1, 2]
    for gate in gates:
        gate.set()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]


async def test_a_full_queue_refuses_at_once() -> None:
    one, free = seat(queue_per_member=1), asyncio.Event()
    tasks = [asyncio.create_task(occupy(one, free)) for _ in range(2)]
    await settled(tasks)
    with pytest.raises(MemberQueueFull) as caught:
        async with one.place(5):
            pass
    assert isinstance(caught.value, MemberBusy)
    assert not caught.value.retryable
    free.set()
    await asyncio.gather(*tasks)


async def test_waiting_has_an_end() -> None:
    one, free = seat(queue_timeout_s=0.02), asyncio.Event()
    first = asyncio.create_task(occupy(one, free))
    await settled([first])
    with pytest.raises(MemberQueueFull, match="did not move"):
        async with one.place(5):
            pass
    free.set()
    await first
    async with one.place(5) as waited:
        assert waited == 0.0


async def test_a_turn_that_has_begun_goes_first_and_is_never_turned_away() -> None:
    one, order, free = seat(queue_per_member=2), [], asyncio.Event()

    async def work(name: str, *, begun: bool) -> None:
        async with one.place(5, begun=begun):
            order.append(name)

    first = asyncio.create_task(occupy(one, free))
    await settled([first])
    tasks = [asyncio.create_task(work(name, begun=False)) for name in ("new", "newer")]
    await settled([])
    tasks += [asyncio.create_task(work(name, begun=True)) for name in ("old", "older")]
    await settled([])
    with pytest.raises(MemberQueueFull):
        await work("newest", begun=False)
    free.set()
    await asyncio.gather(first, *tasks)
    assert order == ["old", "older", "new", "newer"]


async def test_an_answer_gets_half_of_its_time_whatever_the_queue_takes() -> None:
    one, free = seat(), asyncio.Event()
    asked = ChatRequest((), StageContext("probe"), total_s=0.2)
    first = asyncio.create_task(occupy(one, free))
    await settled([first])
    with pytest.raises(MemberQueueFull, match=r"did not move for 0\.1 s"):
        async with one.admit(asked):
            raise AssertionError

    async def too_slow() -> None:
        async with one.admit(asked) as granted:
            await asyncio.sleep(granted.total_s)
            raise MemberTimeout

    asyncio.get_running_loop().call_later(0.02, free.set)
    with pytest.raises(MemberQueueFull, match="the queue took"):  # our load, and no reason to leave the member alone
        await too_slow()
    with pytest.raises(MemberTimeout):
        await too_slow()
    await first


async def test_those_who_leave_the_queue_leave_no_hole() -> None:
    one, free = seat(), asyncio.Event()
    first = asyncio.create_task(occupy(one, free))
    await settled([first])
    waiting = [asyncio.create_task(occupy(one, free)) for _ in range(3)]
    await settled(waiting)
    waiting[0].cancel()
    free.set()
    waiting[1].cancel()  # perhaps just as it is its turn
    await asyncio.gather(first, *waiting, return_exceptions=True)
    async with asyncio.timeout(1), one.place(1):
        pass


async def test_without_a_limit_nobody_waits() -> None:
    one, free = seat(parallel=None), asyncio.Event()
    tasks = [asyncio.create_task(occupy(one, free)) for _ in range(50)]
    free.set()
    assert set(await asyncio.gather(*tasks)) == {0.0}


async def test_the_breaker_lets_one_trial_through() -> None:
    one = seat(parallel=None, breaker_failures=2, breaker_open_s=0.05)
    for _ in range(2):
        one.failed(MemberUnreachable())
    with pytest.raises(MemberResting):
        async with one.place(1):
            pass
    async with asyncio.timeout(5):
        while True:
            try:
                async with one.place(1):
                    # This is the trial: others do not get through beside it.
                    with pytest.raises(MemberResting):
                        async with one.place(1):
                            pass
                    one.failed(MemberTimeout())
                break
            except MemberResting:
                await asyncio.sleep(0.01)
    with pytest.raises(MemberResting):
        async with one.place(1):
            pass


async def test_success_closes_the_breaker() -> None:
    one = seat(parallel=None, breaker_failures=1, breaker_open_s=0.0)
    one.failed(MemberTimeout())
    async with one.place(1):
        one.succeeded()
    async with one.place(1), one.place(1):
        pass


async def test_not_having_been_asked_is_no_failure() -> None:
    one = seat(breaker_failures=1, breaker_open_s=60)
    for error in (MemberResting(), MemberFailed(), MemberQueueFull()):
        one.failed(error)
    async with one.place(1):
        pass


def test_a_drip_is_no_answer() -> None:
    pace = Pace(window_s=10, slowest=0.5)
    for second in (0.0, 4.0, 8.0):
        pace.feed(Delta(text="x"), second)
    with pytest.raises(MemberTimeout, match="fewer than 5 tokens in 10 s"):
        pace.feed(Delta(text="x"), 12.0)


@pytest.mark.parametrize("delta", [Delta(text="four"), Delta(thinking="four")])
def test_a_slow_machine_is_no_drip(delta: Delta) -> None:
    pace = Pace(window_s=10, slowest=0.5)
    for second in range(200):
        pace.feed(delta, float(second))


def test_a_pause_after_much_is_no_drip() -> None:
    pace = Pace(window_s=10, slowest=0.5)
    pace.feed(Delta(text="word " * 100), 0.0)
    pace.feed(Delta(text="x"), 9.0)


async def test_tools_do_not_use_up_the_budget() -> None:
    budget = Budget(hidden_tokens=100, wall_s=0.05)
    with budget.paused():
        await asyncio.sleep(0.1)
    assert budget.spent == ""
    budget.spend(60)
    assert budget.tokens(64) == 40
    budget.spend(60)
    assert budget.spent == "hidden tokens"
    assert budget.tokens(64) == 1
