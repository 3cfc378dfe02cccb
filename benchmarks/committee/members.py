"""Simulated members behind the real port: they read the stage's facts and answer in the stage's JSON."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

from benchmarks.committee.world import RIGHT, MemberTraits, World, uniform
from committee.errors import MemberFailed, MemberTimeout, StreamCut
from committee.schema import ChatRequest, Delta, Done, MemberHealth

# Output tokens per stage, and the conversation that stands before each of them.
TOKENS = {"probe": 225, "cross-check": 160, "verdict": 60, "choose": 40, "replan": 120, "speak": 600, "solo": 600}
PROMPT_TOKENS, STAGE_PROMPT_TOKENS = 4000, 400
_ITEM = re.compile(r"question (\d+)")
_TOLD = re.compile(r"The answer is (\d+)\.")
FAULTS = ("error", "stall", "cut", "garbage", "empty", "slow")


class SimulatedMember:
    """One member of a world. `held` is for how long requests were open beyond their deadline, in virtual seconds."""

    stand_in = False
    window: int | None = None
    parallel: int | None = 1

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.model = f"simulated-{name}"
        self.first: dict[int, str] = {}
        self.asked: dict[str, int] = {}
        self.overrun = 0.0
        self._world = world
        self._traits: MemberTraits = world.members[name]
        self._read: set[int] = set()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        stage = request.context.stage
        self.asked[stage] = self.asked.get(stage, 0) + 1
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            # The port's promise: a request is over at its deadline. Unless the member forgets it.
            async with asyncio.timeout(None if self._traits.hangs else request.total_s):
                async for delta in self._answer(stage, request):
                    yield delta
        except TimeoutError:
            raise MemberTimeout from None
        finally:
            self.overrun = max(self.overrun, loop.time() - started - request.total_s)

    async def _answer(self, stage: str, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        found = _ITEM.search(request.context.user_text)
        item = int(found[1]) if found else 0
        fault = self._fault(stage, item, request.seed)
        await self._break(fault, stage, request)
        text = '{"act' if fault == "garbage" else "" if fault == "empty" else self._text(stage, item, request)
        tokens = min(TOKENS[stage], request.max_tokens or TOKENS[stage])
        slow = 20.0 if fault == "slow" else 1.0
        await asyncio.sleep(slow * self._reading(item) / self._traits.prefill)
        if stage in ("speak", "solo"):
            yield Delta(text=text)
        await asyncio.sleep(slow * tokens / self._traits.decode)
        if fault == "cut":
            raise StreamCut
        if stage in ("speak", "solo"):
            text = ""
        yield Delta(text=text, done=Done("stop", STAGE_PROMPT_TOKENS + PROMPT_TOKENS, tokens))

    def _fault(self, stage: str, item: int, seed: int | None) -> str:
        if not self._traits.fails or uniform("fault", self.name, stage, item, seed) >= self._traits.fails:
            return ""
        # A retry has the same seed; what failed once works the second time for half of the faults.
        attempt = self.asked[stage] % 2
        kinds = FAULTS if attempt else FAULTS[: len(FAULTS) // 2]
        return kinds[int(len(kinds) * uniform("kind", self.name, stage, item, seed))]

    async def _break(self, fault: str, stage: str, request: ChatRequest) -> None:
        if fault == "error":
            raise MemberFailed
        if fault == "stall":
            await asyncio.sleep(request.first_byte_s)
            raise MemberTimeout
        if self._traits.hangs and fault and stage not in ("speak", "solo"):
            await asyncio.sleep(1e6)

    def _reading(self, item: int) -> int:
        """Prompt tokens that are not in the cache yet."""
        cached = item in self._read
        self._read.add(item)
        return STAGE_PROMPT_TOKENS + (0 if cached else PROMPT_TOKENS)

    # -- what it says ------------------------------------------------------------------------------------------------

    def _text(self, stage: str, item: int, request: ChatRequest) -> str:
        answers: dict[str, Callable[[int, ChatRequest], Any]] = {
            "probe": self._probe, "cross-check": self._cross_check, "verdict": self._verdict,
        }  # fmt: skip
        if answer := answers.get(stage):
            return json.dumps(answer(item, request))
        # It follows what was established, and where nothing was, it says what it thinks itself.
        told = _TOLD.findall(request.messages[-1].content)
        return f"The answer is {told[0] if told else self.first.get(item, RIGHT)}."

    def _probe(self, item: int, request: ChatRequest) -> dict[str, Any]:
        key = self._world.answer(self.name, item, request.seed or 0)
        self.first.setdefault(item, key)
        return {
            "work": "Counted step by step.", "action": "answer", "decline_kind": "", "calls": [], "key": key,
            "points": ["Say how it was counted."], "risks": [], "confidence": 0.8,
        }  # fmt: skip

    def _cross_check(self, item: int, request: ChatRequest) -> dict[str, Any]:
        mine, *others = request.context.positions
        key, defect = mine.key, ""
        other = next((one for one in others if (one.key == RIGHT) != (mine.key == RIGHT)), None)
        if other is not None:
            turns = self._traits.spoils if mine.key == RIGHT else self._traits.repairs
            if self._chance("turn", item, turns):
                key, defect = other.key, "A step was counted twice."
            elif self._chance("chatter", item, self._traits.chatter):
                key = other.key
        return {"defect_in_mine": defect, "defect_in_other": "", "approve": [], "action": "answer", "calls": [],
                "key": key}  # fmt: skip

    def _verdict(self, item: int, request: ChatRequest) -> dict[str, Any]:
        keys = [one.key for one in request.context.positions]
        ranked = sorted(range(len(keys)), key=lambda place: self._liking(item, keys[place]), reverse=True)
        if self._chance("bias", item, self._traits.bias):
            ranked = list(range(len(keys)))
        if len(keys) == 2 and self._chance("bias", item, self._traits.abstains):
            return {"reason": "", "pick": "tie"}
        numbers = [place + 1 for place in ranked]
        return {"reason": "", "pick": str(numbers[0])} if len(keys) == 2 else {"reason": "", "ranking": numbers}

    def _liking(self, item: int, key: str) -> float:
        """An opinion of an answer that does not depend on where it stands; above 1 or below 0 for the right one."""
        if key == RIGHT:
            return 2.0 if self._chance("judge", item, self._traits.judge) else -1.0
        return uniform(self._world.seed, "liking", self.name, item, key)

    def _chance(self, what: str, item: int, probability: float) -> bool:
        return uniform(self._world.seed, what, self.name, item) < probability

    # -- the rest of the port ----------------------------------------------------------------------------------------

    async def health(self) -> MemberHealth:
        return MemberHealth(self.name, "simulated", None, self.model, self.model, True)

    async def warm(self) -> None:
        return None

    async def aclose(self) -> None:
        return None
