"""When and where a text plays, as far as that forbids our plates: a Roman city is not a skyline of towers.

Also the words that only sound like something we can draw: a magnetic field, a decision tree, a complex plane.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Hit = tuple[str, str]  # kind, value: what a word stands for, as in the lexicon


def _hits(kind: str, names: str) -> frozenset[Hit]:
    return frozenset((kind, name) for name in names.split())


_MACHINES = _hits("sprite", "car plane rocket astronaut robot")
_MODERN = (
    _MACHINES
    | _hits("sprite", "train bicycle ship sailboat lamp lighthouse balloon")
    | _hits("terrain", "city diner room")
    | _hits("foreground", "street")
)
_MODERN_DRESS = _hits("sprite", "person child couple")
_FAR_BACK = _MODERN | _MODERN_DRESS | _hits("sprite", "castle windmill house tent") | _hits("terrain", "village")
_PRESENT_DAY = (
    _hits("sprite", "car train plane bicycle ship sailboat lamp house castle windmill lighthouse balloon tent")
    | _hits("terrain", "city diner room village")
    | _hits("foreground", "street")
)
_EARTHLY = _PRESENT_DAY | _hits("terrain", "meadow mountains forest coast sea desert snow lake planet")

# Where the first pattern is found, none of its hits is drawn.
_PERIODS: tuple[tuple[str, frozenset[Hit]], ...] = (
    (
        r"pre-?historic|stone[- ]age|bronze[- ]age|iron[- ]age|ice[- ]age|jurassic|cretaceous|triassic|dinosaurs?"
        r"|mammoths?|neanderthals?|cave(?:men|man|woman|women)|neolithic|pal(?:a?e)olithic|millions of years ago",
        _FAR_BACK | _hits("sprite", "lantern kite horse dog cat"),
    ),
    (
        r"romans?|egyptians?|babylon(?:ian)?s?|mesopotamian?s?|sumerians?|assyrians?|aztecs?|mayans?|incas?"
        r"|byzantin(?:e|es|um)|spartans?|carthage|pompeii|pharaohs?|gladiators?|centurions?|antiquity|biblical"
        r"|ancient (?:rome|greece|greeks?|egypt|china|chinese|india|japan|persia|persians|world|times)"
        r"|ancient civili[sz]ations?|\d+ ?(?:bc|bce)|(?:thousands|millennia) of years ago|\d,?000 years ago",
        _FAR_BACK,
    ),
    (
        r"medieval|mediaeval|middle ages|dark ages|crusades?|crusaders?|vikings?|samurai|shogun|knights?|feudal"
        r"|renaissance|elizabethan|(?:[5-9]|1[0-7])th[- ]century|centuries ago"
        r"|(?:in|year|the) 1[0-6]\d\ds?|1[0-6]\d\d(?:s| ad)",
        _MODERN | _MODERN_DRESS,
    ),
    (r"ancient|age-old|long ago|historic(?:al)? (?:city|cities|town|streets?)", _MODERN),
    (
        r"victorian|edwardian|georgian|1[89]th[- ]century|colonial|wild west|napoleonic"
        r"|industrial revolution|(?:in|year|the) 1[78]\d\ds?|1[78]\d\ds",
        _MACHINES | _hits("terrain", "city diner") | _hits("sprite", "bicycle"),
    ),
    (
        r"futuristic|sci-?fi|science[- ]fiction|cyberpunk|far future|distant future|(?:in|of) the future|future (?:city"
        r"|cities|world|earth|society)|(?:in|year) 2[1-9]\d\d|2[1-9](?:st|nd|rd|th)[- ]century|dystopian"
        r"|post-?apocalyptic",
        _PRESENT_DAY,
    ),
    (
        r"(?:on|to|across|over|of) the moon'?s?(?: surface)?(?= (?:base|colony|landing|surface)|[.,;!?]|$)"
        r"|on the (?:surface of the )?moon|lunar|moon (?:base|colony|landing)s?",
        _EARTHLY | _hits("sky", "night"),
    ),
    (
        r"(?:under ?water|undersea|submerged|sunken|floating|flying|cloud|sky|underground|alien|elven|fairy|enchanted"
        r"|martian|insect|ant) (?:city|cities|town|towns|village|villages|metropolis|streets?)"
        r"|(?:city|cities|town|village) (?:in the (?:clouds|sky)|under the (?:sea|ocean|ground|earth))",
        _hits("terrain", "city village"),
    ),
)

# Words that only sound like one of ours.
_FALSE_FRIENDS: tuple[tuple[str, frozenset[Hit]], ...] = (
    (
        r"(?:magnetic|electric|electromagnetic|gravitational|quantum|force|vector|scalar|visual|battle|football"
        r"|playing|soccer|data|input|text) fields?|fields? of (?:study|view|research|science|physics|mathematics"
        r"|medicine|battle|play|honou?r)|fields? (?:theory|medal|equations?|trip)|car parks?|parking",
        _hits("terrain", "meadow"),
    ),
    (
        r"(?:sound|radio|light|brain|shock|gravitational|electromagnetic|heat|micro|standing) ?waves?"
        r"|waves? (?:function|equation|form|length)s?|wavelengths?|(?:new|crime|heat|second|first) waves?",
        _hits("terrain", "sea"),
    ),
    (
        r"(?:decision|binary|family|search|spanning|syntax|parse|phylogenetic|red-black|game) trees?"
        r"|trees? (?:structure|data structure|algorithm|traversal)s?",
        _hits("sprite", "tree"),
    ),
    (r"random forests?", _hits("terrain", "forest")),
    (
        r"(?:vector|hilbert|state|phase|latent|parking|office|colou?r|metric|disk|storage|solution|search|public|safe"
        r"|personal|living|work|banach|euclidean|topological) spaces?|spaces? complexity|space bar",
        _hits("sky", "space"),
    ),
    (
        r"(?:complex|coordinate|inclined|cartesian|euclidean|astral|hyper|projective|tangent) ?planes?"
        r"|planes? (?:geometry|figure|curve)s?",
        _hits("sprite", "plane"),
    ),
    (
        r"(?:bar|pie) (?:chart|graph|code|exam)s?|(?:gold|progress|menu|tool|side|space) ?bars?",
        _hits("terrain", "diner"),
    ),
    (
        r"(?:data|video|audio|live|news|click|event|bit) ?(?:streams?|lakes?|rivers?)|streams? of consciousness",
        _hits("terrain", "lake"),
    ),
    (r"(?:server|wind|solar|link|content|click) farms?", _hits("terrain", "village")),
    (r"(?:construction|tower|harbou?r|cargo|gantry|industrial) cranes?|cranes? operators?", _hits("sprite", "bird")),
    (r"(?:toy|model|matchbox|slot|rail|cable|tram) cars?", _hits("sprite", "car")),
    (r"(?:toy|model|bullet|maglev|high-speed) trains?", _hits("sprite", "train")),
    (
        r"(?:paper|toy|model|fighter|bi|tri|sea) ?(?:air)?planes?|jet (?:lag|streams?|engines?)",
        _hits("sprite", "plane"),
    ),
    (
        r"(?:paper|toy|model|motor|row|rowing|speed|fishing|gravy|u-|dragon) ?boats?",
        _hits("sprite", "sailboat"),
    ),
    (
        r"(?:sailing|pirate|tall|wooden|viking|container|cargo|war|battle|space|steam|air)[- ]?ships?",
        _hits("sprite", "ship"),
    ),
    (r"rocket (?:science|salad|scientists?)|(?:pocket|bottle) rockets?", _hits("sprite", "rocket")),
    (
        r"(?:rock|movie|pop|film|porn|five|gold|football|rising) ?-?stars?|stars? (?:ratings?|players?|fish|trek|wars)",
        _hits("sky", "night"),
    ),
    (
        r"(?:absolute|constitutional|reigning|british|former|crowned|next|young) monarchs?|monarchs?'? (?:crown|throne"
        r"|reign|palace|court|rule)s?|(?:king|queen|crown|throne)s?\b.{0,40}\bmonarchs?",
        _hits("sprite", "butterfly"),
    ),
    (
        r"(?:stone|rolling|precious) (?:ages?|stones?)|rock (?:music|bands?|concerts?|stars?)",
        _hits("foreground", "rocks"),
    ),
    (r"desert(?:ed)? islands?", _hits("terrain", "desert")),
    (r"(?:chat|ro|robot) (?:arms?|vacuums?)|web robots?|robots?\.txt", _hits("sprite", "robot")),
    (r"(?:sand|snow) (?:castle|globe|man|men)s?|(?:sand|bouncy) ?castles?", _hits("sprite", "castle")),
    (r"(?:white|opera|ware|light|green|publishing|auction|doll'?s?) ?houses?", _hits("sprite", "house")),
    (r"(?:to|can|must|should|we|you|they) train", _hits("sprite", "train")),
    (
        r"(?:cat|dog|gold|silver|jelly|star|cray|shell) ?fish(?:ing)?\b(?<!goldfish)(?<!jellyfish)",
        _hits("sprite", "fish"),
    ),
    (
        r"fire(?:fighters?|works?| departments?| alarms?| trucks?| engines?| drills?| stations?)",
        _hits("sprite", "fire"),
    ),
)


def _compiled(table: tuple[tuple[str, frozenset[Hit]], ...]) -> tuple[tuple[re.Pattern[str], frozenset[Hit]], ...]:
    return tuple((re.compile(rf"\b(?:{pattern})(?!\w)", re.IGNORECASE), hits) for pattern, hits in table)


_PERIOD_PATTERNS, _FRIEND_PATTERNS = _compiled(_PERIODS), _compiled(_FALSE_FRIENDS)


@dataclass(frozen=True)
class Setting:
    """What must not be drawn for a text: `wrong` for its time and place, `misread` for another meaning of a word."""

    wrong: frozenset[Hit]
    misread: frozenset[Hit]

    @property
    def banned(self) -> frozenset[Hit]:
        return self.wrong | self.misread


def setting_of(text: str, context: str = "") -> Setting:
    """Read a shot's text; its period may be told by `context`, the idea of the whole film."""
    both = f"{text}\n{context}"
    wrong = [hits for pattern, hits in _PERIOD_PATTERNS if pattern.search(both)]
    misread = [hits for pattern, hits in _FRIEND_PATTERNS if pattern.search(text)]
    return Setting(frozenset().union(*wrong), frozenset().union(*misread))
