"""Calls that wait for the user's word: how they are announced, and what counts as a yes.

The announcement ends with a line that names the calls. Only when it is the last thing that the assistant said does a
reply that is nothing but a yes confirm them, and only calls that this server really holds for this user.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence

from committee import ToolCall
from committee.schema import Message

_MOST_SHOWN = 8
_LONGEST_ARGUMENTS = 600
_MOST_TURNS = 50
_MARK = re.compile(r"^- \*\*confirm\*\*: ((?:`call_[0-9a-zA-Z_-]{1,64}`(?:, )?){1,8})$", re.MULTILINE)
_ID = re.compile(r"call_[0-9a-zA-Z_-]{1,64}")

# The whole reply, not a word in it: "yes, but first …" is not a yes.
_YES = frozenset(
    """
    yes|y|yep|yeah|yes please|yes do it|yes go ahead|yes run it|yes confirm|yes confirmed|sure|sure go ahead|ok|okay|
    ok go ahead|ok do it|go ahead|please go ahead|do it|please do|please do it|run it|confirm|confirmed|i confirm|
    approved|approve|proceed|please proceed|go for it|
    ja|ja bitte|jawohl|ja mach das|mach das|mach es|bitte|in ordnung|einverstanden|bestätigt|ich bestätige|ja gerne|
    oui|oui s'il te plaît|oui s'il vous plaît|d'accord|vas-y|allez-y|je confirme|confirmé|
    sí|si|sí por favor|si por favor|adelante|hazlo|confirmo|confirmado|de acuerdo|vale|
    sim|sim por favor|pode fazer|sì|sì per favore|va bene|procedi|confermo|
    ja graag|doe maar|akkoord|tak|tak proszę|potwierdzam|да|да пожалуйста|подтверждаю|хорошо|так|
    evet|onaylıyorum|ano|ano prosím|potvrzuji|igen|da|kyllä|ναι|כן|نعم|हाँ|हां|
    是|是的|好|好的|可以|确认|確認|はい|お願いします|네|예|확인|👍|✅
    """.replace("\n", "").replace("    ", "").split("|")
)  # fmt: skip
_AROUND = re.compile(r"[\s.,!…。!,、;:\"'“”‘’]+")


def conversation_of(text: str) -> str:
    """The name under which a call waits: of what the user had said when it was held."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def conversations(messages: Sequence[Message]) -> list[str]:
    """The names that may be confirmed in this conversation, of everything that its user said lately."""
    said = [message.content for message in messages if message.role == "user"]
    return [conversation_of(text) for text in said[-_MOST_TURNS:]]


def is_yes(text: str) -> bool:
    """Whether a reply is nothing but consent, in any of the languages that are known here."""
    if len(text) > 60:
        return False
    plain = unicodedata.normalize("NFC", text).casefold().replace("\ufe0f", "").replace("’", "'")
    plain = _AROUND.sub(" ", plain.replace("'", "\ue000")).replace("\ue000", "'").strip(" '")
    return plain in _YES


def confirmed_ids(messages: Sequence[Message]) -> list[str]:
    """The ids of the calls that the user's last message confirms."""
    said = [message for message in messages if message.role in ("user", "assistant") and not message.tainted]
    if len(said) < 2 or (said[-2].role, said[-1].role) != ("assistant", "user") or messages[-1] is not said[-1]:
        return []
    marks = _MARK.findall(said[-2].content[-4_000:])
    return _ID.findall(marks[-1]) if marks and is_yes(said[-1].content) else []


def announcement(held: Sequence[ToolCall]) -> str:
    """The lines that ask for the user's word."""
    shown = held[:_MOST_SHOWN]
    lines = ["Not done yet. Reply **yes** to run exactly this, or anything else to leave it:"]
    for call in shown:
        arguments = json.dumps(call.arguments, ensure_ascii=False).replace("`", "'")
        if len(arguments) > _LONGEST_ARGUMENTS:
            arguments = f"{arguments[:_LONGEST_ARGUMENTS]}… ({len(arguments)} characters)"
        lines.append(f"- **waiting**: `{call.name}` `{arguments}`")
    lines.append(f"- **confirm**: {', '.join(f'`{call.id}`' for call in shown)}")
    return "\n".join(lines)
