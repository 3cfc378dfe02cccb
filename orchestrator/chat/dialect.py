"""What every dialect of the API offers: a request translated into ours, and the answer in its own words.

A dialect is one function from a request's body to `Asked`; how a turn is run, streamed, kept alive and ended is the
same for all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from committee import ContentDelta, Finished, TokenLogprob, ToolCall
from orchestrator.chat.schema import CompletionRequest

ToolResultViews: TypeAlias = Sequence[Mapping[str, Any]]


class AnswerWriter(Protocol):
    """Encodes one streamed answer; every method gives complete SSE events, or nothing where the dialect has no word."""

    def begin(self) -> bytes:
        """What comes before everything else."""

    def content(self, text: str, index: int = 0, logprobs: Sequence[TokenLogprob] = ()) -> bytes:
        """A piece of the answer; `index` is not 0 only where the dialect asks for several answers."""

    def reasoning(self, text: str) -> bytes:
        """A line of what is shown as thoughts."""

    def stage(self, committee: Mapping[str, Any], reasoning: str = "") -> bytes:
        """The deliberation moved on, with a line of reasoning if one is to be shown."""

    def tool_calls(self, calls: Sequence[ToolCall]) -> bytes:
        """Calls for the client to run."""

    def end(self, finished: Finished, tool_results: ToolResultViews) -> bytes:
        """How the answer ended, and what it cost."""

    def last(self) -> bytes:
        """What says that nothing follows."""

    def error(self, error: Mapping[str, Any]) -> bytes:
        """The last thing in a stream that breaks, from OpenAI's inner error object."""

    def keep_alive(self) -> bytes:
        """What is sent when there has been silence for a while."""


@dataclass
class Choice:
    """One of the answers that a turn gives."""

    content: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.content)


@dataclass
class Answer:
    """What a turn has said so far. There is one choice unless several were asked for; `steps` are the minutes."""

    choices: list[Choice] = field(default_factory=lambda: [Choice()])
    reasoning: list[str] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    calls: tuple[ToolCall, ...] = ()
    finished: Finished | None = None
    failed: bool = False

    @property
    def text(self) -> str:
        return self.choices[0].text

    @property
    def written(self) -> bool:
        """Whether the first choice has any text."""
        return any(self.choices[0].content)

    def add(self, delta: ContentDelta) -> None:
        while len(self.choices) <= delta.index:
            self.choices.append(Choice())
        choice = self.choices[delta.index]
        choice.content.append(delta.text)
        choice.logprobs += delta.logprobs

    def append(self, section: str) -> None:
        """Text of the server itself."""
        if section:
            self.choices[0].content.append(section)


@dataclass(frozen=True)
class Asked:
    """A request, and how its answer is written. `whole` encodes an answer that is not streamed.

    conversation: the request's field that holds what is too long when it fits no window.
    """

    request: CompletionRequest
    writer: AnswerWriter
    whole: Callable[[Answer, ToolResultViews], bytes]
    shows_reasoning: bool = True
    conversation: str = "messages"


Dialect: TypeAlias = Callable[[bytes], Awaitable[Asked]]
