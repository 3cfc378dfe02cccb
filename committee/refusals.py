"""When a member says that it cannot do what a tool of this server does, and which tool that is.

Found by meaning: the user's text, the refusal and the tools' descriptions are compared as embeddings. Cosines of
different embedders have different scales, so nothing here is an absolute number: every tool's floor is measured with
the embedder at hand, on requests that no tool of such a server serves and on questions about what the tools deal with.
A refusal for policy is never overruled, and only tools that say so of themselves (`ToolSpec.forceable`) are forced.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from committee.proposal import Proposal
from committee.schema import ToolSpec

Embed: TypeAlias = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]

# How much nearer, as a share of the way from the floor to identity, the best has to be than its rivals.
MARGIN = 0.05
_MOST_TEXT = 2_000
# A refusal comes first; an answer that says late what it left out is an answer.
_REFUSAL_CHARS = 700
_NEVER = re.compile(r"\A(?:run_python|run_shell|write_file|mcp[_.:].*)\Z")

# Only a first filter, to ask the embedder about few answers: it must be wide, and may be wrong.
_MAYBE = re.compile(
    r"\b(?:cannot|can\s?not|can['’]?t|unable|not able|(?:do|does)(?:n['’]t| not) have|no (?:way|means|tools?|ability)|"
    r"not (?:capable|possible|equipped|something i)|beyond (?:my|what)|outside (?:my|what)|only (?:text|words)|"
    r"text[- ]based|language model|lack the|incapable|"
    r"kann (?:\w+ ){0,5}nicht|kann (?:\w+ ){0,3}keine?n?|nicht in der lage|nicht möglich|sprachmodell|"
    r"ne (?:peux|puis|suis) pas|pas en mesure|incapable|modèle de langage|"
    r"no puedo|no soy capaz|no tengo|modelo de lenguaje|n[ãa]o (?:posso|consigo|sou capaz)|"
    r"non (?:posso|sono in grado)|kan (?:\w+ ){0,3}niet|kan (?:\w+ ){0,3}geen|nie mog[ęe])\b|"
    r"не (?:могу|умею)|无法|不能|没有办法|できません|할 수 없",
    re.IGNORECASE,
)

_CAPABILITY = (
    "I cannot create that, I can only write text.",
    "As a language model I have no ability to produce media or to act.",
    "I do not have the tools to do this for you.",
    "That is beyond what I am able to do here.",
)
_POLICY = (
    "I will not help with this because it is harmful or illegal.",
    "I am not comfortable making that, it goes against the rules.",
    "This request violates a content policy, so I have to decline.",
    "I must refuse, because this could hurt somebody or break the law.",
)
_ANSWERS = (
    "Here is the answer to your question.",
    "You cannot divide by zero, because no number times zero gives one.",
    "It is not possible to say without more information; which one do you mean?",
    "The function fails because the value is not found.",
)
# A refusal that names a rule is one of policy however its embedding falls.
_RULE = re.compile(
    r"\b(?:polic(?:y|ies)|guidelines?|illegal|unlawful|harmful|unethical|inappropriate|not comfortable|won['’]?t help|"
    r"will not help|minors?|consent|copyright|richtlinien?|illegal\w*|schädlich|unangemessen|politiques?|règles|"
    r"nuisible|políticas?|ilegal|dañino|norme)\b|政策|违法|有害|ポリシー|правил",
    re.IGNORECASE,
)

# What no such tool serves, in several languages: a user's text has to be nearer to a tool than all of these.
_UNRELATED = (
    "What is the capital of Australia?",
    "Fix the failing unit test in this function.",
    "Translate this sentence into French.",
    "Summarise the text above in three points.",
    "Wie wird das Wetter morgen?",
    "¿Cuánto es doce por quince?",
    "Write a short poem about autumn.",
    "Which of these two laptops should I buy?",
    "Thank you, that was all.",
)
# The same words as an order, but a question: it wants an answer in words.
_TALK = (
    "Explain how this works and where it comes from.",
    "Tell me about it in words: who made it, when, and what people think of it.",
    "Recommend me one and say why.",
    "Write an essay, a review, a script or code about this subject.",
)


async def tool_to_force(
    *,
    turn_tools: Sequence[ToolSpec],
    proposal_or_text: Proposal | str,
    user_text: str,
    embed: Embed | None,
) -> tuple[ToolSpec, dict[str, Any]] | None:
    """The one tool that does what the member says it cannot, with the least arguments, or None.

    turn_tools: those that this turn may run. Without an embedder nothing is forced: names and keywords do not tell a
    wish from a question. What `embed` raises is raised here too.
    """
    candidates = [tool for tool in turn_tools if _may_be_forced(tool)]
    text = user_text.strip()[:_MOST_TEXT]
    if embed is None or not candidates or not text:
        return None
    refusal = await _refusal(proposal_or_text, embed)
    if refusal is None:
        return None
    best = await _best_match(text, refusal, [t for t in turn_tools if t.effect != "client"], embed)
    if best is None or best not in candidates:
        return None
    arguments = derived_arguments(best, user_text.strip())
    return None if arguments is None else (best, arguments)


async def is_capability_refusal(text: str, embed: Embed | None) -> bool:
    """Whether a spoken answer says "I am not able to", rather than "I will not" or something else."""
    head = text.strip()[:_REFUSAL_CHARS]
    if embed is None or not _MAYBE.search(head) or _RULE.search(head):
        return False
    examples = (*_CAPABILITY, *_POLICY, *_ANSWERS)
    said, *known = await embed([_first_sentences(head), *examples])
    scores = [cosine(said, vector) for vector in known]
    able = max(scores[: len(_CAPABILITY)])
    return able > max(scores[len(_CAPABILITY) :])


def derived_arguments(tool: ToolSpec, user_text: str) -> dict[str, Any] | None:
    """What a call needs, taken from the user's text alone; None when it needs more than that text."""
    properties: Mapping[str, Any] = tool.parameters.get("properties") or {}
    required = list(tool.parameters.get("required") or ())
    if not required:
        return {}
    rule = properties.get(required[0])
    if len(required) > 1 or not isinstance(rule, Mapping) or not _is_prose(rule):
        return None
    longest = rule.get("maxLength")
    fits = not isinstance(longest, int) or len(user_text) <= longest
    return {required[0]: user_text} if user_text and fits else None


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """Cosine of the angle between two vectors; 0 where one has no direction. Raises ValueError for unlike lengths."""
    product = sum(a * b for a, b in zip(left, right, strict=True))
    length = math.sqrt(sum(a * a for a in left)) * math.sqrt(sum(b * b for b in right))
    return product / length if length > 0 and math.isfinite(product) else 0.0


def _may_be_forced(tool: ToolSpec) -> bool:
    return tool.forceable and tool.effect in ("read", "job") and not _NEVER.match(tool.name)


async def _refusal(said: Proposal | str, embed: Embed) -> str | None:
    """The words of a capability refusal (perhaps none), or None when it is no such refusal."""
    if isinstance(said, Proposal):
        return said.work if (said.action, said.decline_kind) == ("decline", "capability") else None
    return _first_sentences(said.strip()[:_REFUSAL_CHARS]) if await is_capability_refusal(said, embed) else None


async def _best_match(text: str, refusal: str, tools: Sequence[ToolSpec], embed: Embed) -> ToolSpec | None:
    """The tool that the user's text clearly means and that the refusal does not contradict."""
    vectors = list(await embed([text, refusal or text, *_UNRELATED, *_TALK, *(_meaning(tool) for tool in tools)]))
    asked, refused = vectors[:2]
    unrelated = vectors[2 : 2 + len(_UNRELATED)]
    talk = vectors[2 + len(_UNRELATED) : 2 + len(_UNRELATED) + len(_TALK)]
    described = vectors[2 + len(_UNRELATED) + len(_TALK) :]
    scores = [cosine(asked, vector) for vector in described]
    best = max(range(len(tools)), key=scores.__getitem__)
    floor = max(cosine(vector, described[best]) for vector in unrelated)
    rivals = [score for index, score in enumerate(scores) if index != best]
    rivals += [cosine(asked, vector) for vector in talk]
    nearest = max([floor, *rivals])
    if scores[best] <= nearest or scores[best] - nearest < MARGIN * (1 - floor):
        return None
    meant = [cosine(refused, vector) for vector in described]
    # "I cannot look at your disk" does not refuse a film; "I cannot do that" says nothing about which tool it means.
    return tools[best] if meant[best] >= max(meant) - MARGIN else None


def _meaning(tool: ToolSpec) -> str:
    """What a tool does, in the words of its first sentence: the rest is about its arguments and its results."""
    return re.split(r"(?<=[.!?])\s", tool.description.strip(), maxsplit=1)[0] or tool.name.replace("_", " ")


def _first_sentences(text: str, count: int = 2) -> str:
    return " ".join(re.split(r"(?<=[.!?。！？])\s*", text, maxsplit=count)[:count]).strip() or text


def _is_prose(rule: Mapping[str, Any]) -> bool:
    """A free string: nothing that has to be looked up, measured or picked."""
    return rule.get("type") == "string" and not rule.keys() & {"enum", "const", "format", "pattern"}
