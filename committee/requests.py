"""The requests of one turn to its members, one function a stage.

All begin with the same bytes (preface, system prompt, conversation) and end with the stage's instruction, so that a
model server reads the conversation once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from committee import crosscheck, prompts, proposal, verdicts
from committee.budget import Budget
from committee.schema import ChatRequest, Message, Position, StageContext, ToolCall, ToolOutcome, ToolSpec, Turn
from committee.seats import CommitteeConfig

# A third opinion at a low temperature is the second one again.
_SAMPLE_TEMPERATURE = 0.7


def stage_seed(seed: int, stage: str, member: str) -> int:
    """A 31-bit seed for one member in one stage: the same turn samples the same, two stages do not share a stream."""
    digest = hashlib.sha256(f"{seed}|{stage}|{member}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


class Requests:
    """Builds the requests of one turn."""

    def __init__(
        self, turn: Turn, messages: Sequence[Message], tools: tuple[ToolSpec, ...], *, must_call: bool,
        config: CommitteeConfig, budget: Budget,
    ) -> None:  # fmt: skip
        self.prefix = prefix(messages)
        self.tools = tools
        self.must_call = must_call
        self.user_text = last_user_text(turn.messages)
        self._turn = turn
        self._config = config
        self._budget = budget

    def probe(self, member: str, outcomes: Sequence[ToolOutcome] = (), *, stage: str = "probe") -> ChatRequest:
        """What the member thinks should be done; stage "replan" after actions have run, "sample" to break a tie."""
        config = self._config
        must_call = self.must_call and not outcomes
        request = self._short(
            "probe" if stage == "sample" else stage,
            prompts.probe(self.tools, must_call=must_call, outcomes=outcomes),
            proposal.schema(self.tools, must_call=must_call),
            seed=stage_seed(self._turn.seed, f"{stage}{len(outcomes) or ''}", member),
            max_tokens=config.probe_max_tokens,
            total_s=config.probe_timeout_s,
        )
        context = replace(request.context, outcomes=tuple(outcomes), must_call=must_call)
        temperature = max(self.temperature, _SAMPLE_TEMPERATURE) if stage == "sample" else self.temperature
        return replace(request, context=context, top_p=self._turn.top_p, temperature=temperature)

    def cross_check(
        self, member: str, mine: Position, others: Sequence[Position], *, evidence: Sequence[str],
        approve: Sequence[ToolCall], round_number: int,
    ) -> ChatRequest:  # fmt: skip
        return self._short(
            "cross-check",
            prompts.cross_check(mine, others, tools=self.tools, evidence=evidence, approve=approve),
            crosscheck.schema(self.tools),
            positions=(mine, *others),
            seed=stage_seed(self._turn.seed, f"cross-check{round_number}", member),
            max_tokens=self._config.cross_check_max_tokens,
            total_s=self._config.cross_check_timeout_s,
        )

    def verdict(self, member: str, candidates: Sequence[Position], *, order: int) -> ChatRequest:
        return self._short(
            "verdict",
            prompts.verdict(candidates),
            verdicts.schema(len(candidates)),
            positions=tuple(candidates),
            seed=stage_seed(self._turn.seed, f"verdict{order}", member),
            max_tokens=self._config.verdict_max_tokens,
            total_s=self._config.verdict_timeout_s,
        )

    def choose(self, member: str, calls: Sequence[ToolCall], schema: Mapping[str, Any]) -> ChatRequest:
        return self._short(
            "choose",
            prompts.choose(calls, schema.get("properties", {})),
            schema,
            seed=stage_seed(self._turn.seed, "choose", member),
            max_tokens=self._config.choose_max_tokens,
            total_s=self._config.choose_timeout_s,
        )

    def speak(
        self, member: str, outline: prompts.Outline, outcomes: Sequence[ToolOutcome], *, index: int = 0, again: int = 0
    ) -> ChatRequest:
        """Write the answer; `index` of several, `again` times after more tools have run."""
        structured = self._turn.response_schema is not None
        instruction = prompts.speak(outline, outcomes, structured=structured)
        messages = (*self.prefix, Message("user", instruction))
        context = StageContext("speak", self.user_text, self.tools, tuple(outcomes))
        return self._long(member, messages, context, salt=(index, again))

    def native(
        self, member: str, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...],
        outcomes: tuple[ToolOutcome, ...] = (), *, stage: str = "solo", index: int = 0,
    ) -> ChatRequest:  # fmt: skip
        """Answer the conversation as it stands, with native tools; the client's schema binds it only without them."""
        context = StageContext(stage, self.user_text, tools, outcomes)
        return self._long(member, messages, context, tools, salt=(index, 0))

    @property
    def temperature(self) -> float:
        given = self._turn.temperature
        return self._config.temperature if given is None else given

    def _short(
        self, stage: str, instruction: str, schema: Mapping[str, Any], *, seed: int, max_tokens: int, total_s: float,
        positions: tuple[Position, ...] = (),
    ) -> ChatRequest:  # fmt: skip
        """A hidden stage: JSON, no thinking, within the budget."""
        return ChatRequest(
            messages=(*self.prefix, Message("user", instruction)),
            context=StageContext(stage, self.user_text, self.tools, positions=positions),
            response_schema=schema,
            think="off",
            temperature=self.temperature,
            max_tokens=self._budget.tokens(max_tokens),
            seed=seed,
            total_s=total_s,
            first_byte_s=self._config.first_byte_timeout_s,
            idle_s=min(self._config.speak_idle_timeout_s, total_s),
        )

    def _long(
        self, member: str, messages: tuple[Message, ...], context: StageContext, tools: tuple[ToolSpec, ...] = (), *,
        salt: tuple[int, int],
    ) -> ChatRequest:  # fmt: skip
        turn = self._turn
        # A grammar for the answer leaves a member no way to call a tool, so one request never carries both.
        schema = None if tools else turn.response_schema
        stage = context.stage + "".join(str(number) for number in salt if any(salt))
        return ChatRequest(
            messages=messages,
            context=context,
            tools=tools,
            response_schema=schema,
            think="off" if schema is not None else (turn.effort or "off"),
            temperature=self.temperature,
            top_p=turn.top_p,
            max_tokens=turn.max_tokens,
            stop=tuple(turn.stop),
            seed=stage_seed(turn.seed, stage, member),
            presence_penalty=turn.presence_penalty,
            frequency_penalty=turn.frequency_penalty,
            logprobs=turn.logprobs,
            total_s=self._config.speak_timeout_s,
            first_byte_s=self._config.first_byte_timeout_s,
            idle_s=self._config.speak_idle_timeout_s,
        )


def prefix(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Our preface and the conversation. Leading system messages become one: many chat templates accept only that."""
    rest = list(messages)
    system = [prompts.PREFACE]
    while rest and rest[0].role == "system":
        system.append(rest.pop(0).content)
    return (Message("system", "\n\n".join(system)), *rest)


def last_user_text(messages: Sequence[Message]) -> str:
    return next((message.content for message in reversed(messages) if message.role == "user"), "")


def tool_messages(outcomes: Sequence[ToolOutcome]) -> tuple[Message, ...]:
    """The results as the tool messages that a model with native tools expects."""
    return tuple(
        Message("tool", prompts.outcome_json(o), tool_call_id=o.call.id, name=prompts.wire_name(o.call.name))
        for o in outcomes
    )
