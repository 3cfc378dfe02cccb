"""A fixed embedder: a dozen ideas as axes and the words that express them, so that "monarchs drifting across my screen"
is near "make a film" and "who directed this film" is not. What a trained embedder does at large, in the small."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_AXES: dict[str, str] = {
    "moving": r"film|movie|video|clip|animat\w*|footage|screen|drift\w*|bring to life|flutter\w*|short feature|scenes?|"
    r"moving pictures?|voice[- ]?over|seconds long|verfilm\w*|leinwand|cortometraje",
    "still": r"picture|image|photo\w*|draw\w*|paint\w*|poster|wallpaper|illustrat\w*|portrait|sketch|zeichn\w*|bild",
    "wish": r"make|create|produce|i (?:would|'d) (?:love|like)|i want|give me|for me|let me see|put together|turn this|"
    r"generate|please|hätte gern|möchte|quiero|show me",
    "asking": r"explain|how (?:do|does|did)|who|when|why|what|recommend|review|essay|tell me about|which|history|"
    r"came from|script|director|directed|difference|comes from|people think",
    "job": r"job|progress|how far|running|finished|queued",
    "stop": r"stop|cancel|abort",
    "code": r"code|function|unit test|bug|compiler|sql",
    "chat": r"thank|capital|weather|wetter|translate|laptops?|poem|doce|summarise",
    "unable": r"cannot|can't|unable|not able|no ability|language model|only write text|beyond|do not have|lack",
    "unwilling": r"harmful|illegal|not comfortable|violat\w*|policy|refuse|law|hurt|will not help|decline",
    "answer": r"here is|because|value|information|number|divide",
}
_PATTERNS = {axis: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for axis, words in _AXES.items()}


async def embed(texts: Sequence[str]) -> list[list[float]]:
    """One vector a text; a text without any known idea points into a direction of its own."""
    return [_vector(text) for text in texts]


def _vector(text: str) -> list[float]:
    counts = [math.sqrt(len(pattern.findall(text))) for pattern in _PATTERNS.values()]
    return [*counts, 0.3 if any(counts) else 1.0]
