"""A conversation in windows of any size: whole, routed or packed, and never shortened in silence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from committee import ContextLengthExceeded, Message, ToolCall
from committee.context import tokens
from committee.context.conversation import Fitted, fit


def talk(pairs: int, *, size: int = 400) -> list[Message]:
    messages = [Message("system", "You are a careful gardener.")]
    for number in range(pairs):
        words = f"plant{number} " * (size // 8)
        messages.append(Message("user", f"Question {number} about roses. {words}"))
        messages.append(Message("assistant", f"Answer {number}: water them. {words}"))
    return [*messages, Message("user", "What did I ask first about roses?")]


def fitted(messages: list[Message], windows: dict[str, int | None], *, pack: bool = True, reserve: int = 200) -> Fitted:
    return fit(messages, windows=windows, reserve=reserve, overhead_tokens=100, pack=pack, seed=7)


def test_a_short_talk_stays_whole() -> None:
    messages = talk(2)
    found = fitted(messages, {"qwen3": 8192, "gptoss": None})
    assert found.messages == tuple(messages)
    assert found.members == ("qwen3", "gptoss")
    assert found.use.fit == "whole"
    assert found.use.detail == ""


def test_what_fits_one_window_goes_to_that_member() -> None:
    messages = talk(60)
    found = fitted(messages, {"qwen3": 4096, "gptoss": 65536})
    assert found.members == ("gptoss",)
    assert found.messages == tuple(messages)
    assert found.use.fit == "routed"
    assert "qwen3 (4096)" in found.use.detail
    assert "gptoss" in found.use.detail


def test_what_fits_nobody_is_packed_for_all() -> None:
    messages = talk(60)
    found = fitted(messages, {"qwen3": 4096, "gptoss": 6000})
    assert found.members == ("qwen3", "gptoss")
    assert found.use.fit == "packed"
    assert tokens.of_messages(found.messages) <= 4096 - 300
    assert found.messages[0] == messages[0]
    assert found.messages[-1] == messages[-1]
    note = found.messages[1]
    assert note.role == "user"
    assert note.content.startswith("[Note: this conversation is longer")
    assert "[#m2]" in note.content
    assert "Question 0 about roses" in note.content
    assert found.messages[2:] == tuple(messages[-len(found.messages[2:]) :])
    assert "121" in found.use.detail or "122" in found.use.detail


def test_packing_can_be_switched_off() -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        fitted(talk(60), {"qwen3": 4096, "gptoss": 6000}, pack=False)
    assert "4096" in caught.value.message
    assert "6000" in caught.value.message
    assert "DEFAULT_NUM_CTX" in caught.value.message
    assert caught.value.retry_after is None


def test_a_last_message_that_fits_nobody_is_refused_by_name() -> None:
    messages = [*talk(3), Message("user", "x" * 100_000)]
    with pytest.raises(ContextLengthExceeded) as caught:
        fit(
            messages, windows={"qwen3": 8192, "gptoss": 16384}, reserve=100, overhead_tokens=0, pack=True, seed=1,
            variables={"qwen3": "QWEN_NUM_CTX", "gptoss": "GPTOSS_NUM_CTX"},
        )  # fmt: skip
    assert "raise QWEN_NUM_CTX" in caught.value.message
    assert "raise GPTOSS_NUM_CTX" in caught.value.message
    assert "25" in caught.value.message  # 25 thousand tokens


def test_rather_the_wider_member_alone_than_no_answer() -> None:
    messages = [*talk(60), Message("user", "Roses? " + "z" * 12_000)]
    found = fitted(messages, {"qwen3": 2048, "gptoss": 6000})
    assert found.members == ("gptoss",)
    assert found.use.fit == "packed"
    assert found.messages[-1] == messages[-1]


def test_calls_stay_with_their_results() -> None:
    messages = [Message("system", "s"), Message("user", "Fix it.")]
    for number in range(40):
        call = ToolCall(f"c{number}", "read_file", {"path": f"/src/{number}.py"})
        messages.append(Message("assistant", "", tool_calls=(call,)))
        messages.append(Message("tool", f"line {number}\n" * 200, tool_call_id=f"c{number}", name="read_file"))
    found = fitted(messages, {"qwen3": 4096})
    assert found.use.fit == "packed"
    kept = found.messages
    assert kept[2] == messages[1]  # the task itself
    assert kept[-2:] == tuple(messages[-2:])
    assert all(right.tool_call_id == left.tool_calls[0].id for left, right in zip(kept[3::2], kept[4::2], strict=True))
    assert "called read_file" in kept[1].content
    assert "since the user's last message" in kept[1].content


def test_an_answer_of_any_length_leaves_three_quarters_of_the_window() -> None:
    messages = talk(30)
    assert tokens.of_messages(messages) > 6000
    assert fitted(messages, {"qwen3": 10_000}, reserve=32_000).use.fit == "whole"


def test_a_note_on_tainted_text_is_tainted() -> None:
    messages = talk(60)
    messages[5] = Message("user", messages[5].content, tainted=True)
    assert fitted(messages, {"qwen3": 4096}).messages[1].tainted


def test_a_member_with_denser_tokens_fits_less() -> None:
    messages = talk(20)
    size = tokens.of_messages(messages)
    windows: dict[str, int | None] = {"qwen3": size * 3 // 2, "gptoss": size * 3 // 2}
    found = fit(
        messages, windows=windows, reserve=0, overhead_tokens=0, pack=True, seed=1, chars_per_token={"qwen3": 2.0}
    )
    assert found.members == ("gptoss",)


ROLES = st.sampled_from(["system", "user", "assistant", "call", "tool"])
TEXTS = st.one_of(
    st.text(max_size=60),
    st.builds(
        lambda word, times: f"{word} " * times,
        st.sampled_from(["rose", "水やり", "é\ud800", "[#m1]"]),
        st.integers(0, 900),
    ),
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    messages: list[Message] = []
    open_calls: list[str] = []
    for role, text in draw(st.lists(st.tuples(ROLES, TEXTS), min_size=1, max_size=30)):
        if role == "call":
            open_calls.append(f"c{len(messages)}")
            messages.append(Message("assistant", text, tool_calls=(ToolCall(open_calls[-1], "film.run", {"a": text}),)))
        elif role == "tool":
            name = open_calls[draw(st.integers(0, len(open_calls) - 1))] if open_calls else "c?"
            messages.append(Message("tool", text, tool_call_id=name, tainted=draw(st.booleans())))
        else:
            messages.append(Message(role, text))
    return messages


@settings(max_examples=300, deadline=None)
@given(conversations(), st.integers(50, 4000), st.integers(50, 4000), st.integers(0, 3000), st.integers(0, 200))
def test_whatever_is_sent_fits_and_nothing_is_lost_in_silence(
    messages: list[Message], one: int, other: int, reserve: int, overhead: int
) -> None:
    windows: dict[str, int | None] = {"qwen3": one, "gptoss": other}

    def run() -> Fitted:
        return fit(
            messages, windows=windows, reserve=reserve, overhead_tokens=overhead, pack=True, seed=3,
            chars_per_token={"gptoss": 3.0},
        )  # fmt: skip

    try:
        found = run()
    except ContextLengthExceeded:
        return
    assert found == run()
    for member, ratio in (("qwen3", 4.0), ("gptoss", 3.0)):
        if member in found.members:
            window = windows[member]
            assert window is not None
            room = window - min(reserve, window // 4 + 1) - overhead
            assert tokens.of_messages(found.messages, ratio) <= room + 1
    if found.use.fit != "packed":
        assert found.messages == tuple(messages)
        return
    sent = list(found.messages)
    notes = [message for message in sent if message.content.startswith("[Note: ")]
    assert len(notes) == 1
    assert found.use.detail
    sent.remove(notes[0])
    rest = iter(messages)
    assert all(any(message is other for other in rest) for message in sent)  # in order, unchanged
    assert [m for m in sent if m.role == "system"] == [m for m in messages if m.role == "system"]
    users = [m for m in messages if m.role == "user"]
    assert not users or any(m is users[-1] for m in sent)
    known = {call.id for message in messages for call in message.tool_calls}
    shown = {call.id for message in sent for call in message.tool_calls}
    answered = {m.tool_call_id for m in messages if m.role == "tool"}
    kept_answers = {m.tool_call_id for m in sent if m.role == "tool"}
    assert kept_answers & known <= shown
    assert shown & answered <= kept_answers


@settings(max_examples=150, deadline=None)
@given(conversations(), st.integers(50, 3000), st.integers(0, 2000))
def test_a_wider_window_never_fits_less(messages: list[Message], window: int, more: int) -> None:
    def sent(size: int) -> int | None:
        try:
            found = fit(messages, windows={"m": size}, reserve=0, overhead_tokens=0, pack=True, seed=1)
        except ContextLengthExceeded:
            return None
        return len([m for m in found.messages if not m.content.startswith("[Note: ")])

    narrow, wide = sent(window), sent(window + more)
    assert narrow is None or (wide is not None and wide >= narrow)
