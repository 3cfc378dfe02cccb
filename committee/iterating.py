"""A turn whose events are given away, as one whose events are fetched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from committee.asking import cancel
from committee.schema import Emit, Event, Finished

# How far the turn may be ahead of who fetches its events.
_MOST_AHEAD = 16


async def events_of(answer: Callable[[Emit], Coroutine[Any, Any, Finished]]) -> AsyncGenerator[Event, None]:
    """Run `answer` in a task of its own; yields what it emits, and at last what it returns. Raises what it raises.

    Closing the generator cancels the task and waits for its end.
    """
    room = asyncio.Semaphore(_MOST_AHEAD)
    queue: asyncio.Queue[Event | None] = asyncio.Queue()  # bounded by `room`

    async def emit(event: Event) -> None:
        await room.acquire()
        queue.put_nowait(event)

    task = asyncio.create_task(answer(emit))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (event := await queue.get()) is not None:
            room.release()
            yield event
        yield task.result()
    finally:
        await cancel([task])
