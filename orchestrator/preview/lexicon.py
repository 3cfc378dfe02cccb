"""Which words the plates know. Singular forms; `lemma` in choose.py brings text to these.

A word absent from every table here is not drawn, and is reported as not drawn when it looks like a noun.
"""

# ruff: noqa: SIM905 (word lists read better as text)

from __future__ import annotations

# word -> (sprite, pose)
SPRITES: dict[str, tuple[str, str]] = {
    "butterfly": ("butterfly", ""),
    "monarch": ("butterfly", "monarch"),
    "moth": ("butterfly", "white"),
    "bird": ("bird", ""),
    "flock": ("bird", ""),
    "swallow": ("bird", ""),
    "crow": ("bird", ""),
    "raven": ("bird", ""),
    "goose": ("bird", ""),
    "crane": ("bird", ""),
    "starling": ("bird", ""),
    "gull": ("gull", ""),
    "seagull": ("gull", ""),
    "eagle": ("gull", "eagle"),
    "hawk": ("gull", "eagle"),
    "person": ("person", ""),
    "man": ("person", ""),
    "woman": ("person", "dress"),
    "figure": ("person", ""),
    "silhouette": ("person", ""),
    "stranger": ("person", "coat"),
    "traveler": ("person", "walking"),
    "traveller": ("person", "walking"),
    "wanderer": ("person", "walking"),
    "walker": ("person", "walking"),
    "hiker": ("person", "walking"),
    "pedestrian": ("person", "walking"),
    "detective": ("person", "hat"),
    "people": ("person", ""),
    "crowd": ("person", "crowd"),
    "girl": ("child", "dress"),
    "boy": ("child", ""),
    "child": ("child", ""),
    "kid": ("child", ""),
    "couple": ("couple", ""),
    "lover": ("couple", ""),
    "dog": ("dog", ""),
    "puppy": ("dog", ""),
    "wolf": ("dog", "wolf"),
    "fox": ("dog", "fox"),
    "cat": ("cat", ""),
    "kitten": ("cat", ""),
    "horse": ("horse", ""),
    "deer": ("deer", ""),
    "stag": ("deer", ""),
    "elk": ("deer", ""),
    "car": ("car", ""),
    "taxi": ("car", "taxi"),
    "automobile": ("car", ""),
    "train": ("train", ""),
    "locomotive": ("train", ""),
    "bicycle": ("bicycle", ""),
    "bike": ("bicycle", ""),
    "cyclist": ("bicycle", ""),
    "boat": ("sailboat", ""),
    "sailboat": ("sailboat", ""),
    "yacht": ("sailboat", ""),
    "ship": ("ship", ""),
    "ferry": ("ship", ""),
    "freighter": ("ship", ""),
    "plane": ("plane", ""),
    "airplane": ("plane", ""),
    "aeroplane": ("plane", ""),
    "aircraft": ("plane", ""),
    "jet": ("plane", ""),
    "balloon": ("balloon", ""),
    "rocket": ("rocket", ""),
    "spaceship": ("rocket", ""),
    "spacecraft": ("rocket", ""),
    "astronaut": ("astronaut", ""),
    "robot": ("robot", ""),
    "android": ("robot", ""),
    "house": ("house", ""),
    "cottage": ("house", ""),
    "cabin": ("house", ""),
    "hut": ("house", ""),
    "farmhouse": ("house", ""),
    "barn": ("house", "barn"),
    "lighthouse": ("lighthouse", ""),
    "castle": ("castle", ""),
    "windmill": ("windmill", ""),
    "tree": ("tree", ""),
    "oak": ("tree", ""),
    "lamp": ("lamp", ""),
    "lamppost": ("lamp", ""),
    "streetlamp": ("lamp", ""),
    "streetlight": ("lamp", ""),
    "fish": ("fish", ""),
    "goldfish": ("fish", "gold"),
    "shark": ("fish", "shark"),
    "whale": ("whale", ""),
    "dolphin": ("whale", "dolphin"),
    "turtle": ("turtle", ""),
    "jellyfish": ("jellyfish", ""),
    "dragon": ("dragon", ""),
    "lantern": ("lantern", ""),
    "kite": ("kite", ""),
    "fire": ("fire", ""),
    "campfire": ("fire", ""),
    "bonfire": ("fire", ""),
    "bee": ("bee", ""),
    "bumblebee": ("bee", ""),
    "tent": ("tent", ""),
}

# What a plural without a number means.
CROWDS: dict[str, int] = {
    "butterfly": 24,
    "bird": 17,
    "gull": 4,
    "person": 4,
    "child": 3,
    "fish": 22,
    "jellyfish": 7,
    "balloon": 9,
    "lantern": 12,
    "car": 2,
    "sailboat": 3,
    "tree": 4,
    "bee": 7,
    "house": 3,
    "lamp": 3,
}

# word -> terrain
TERRAINS: dict[str, str] = {
    "meadow": "meadow",
    "field": "meadow",
    "prairie": "meadow",
    "grassland": "meadow",
    "pasture": "meadow",
    "savanna": "meadow",
    "garden": "meadow",
    "park": "meadow",
    "mountain": "mountains",
    "mountaintop": "mountains",
    "peak": "mountains",
    "alp": "mountains",
    "summit": "mountains",
    "valley": "mountains",
    "forest": "forest",
    "wood": "forest",
    "woodland": "forest",
    "jungle": "forest",
    "beach": "coast",
    "coast": "coast",
    "shore": "coast",
    "shoreline": "coast",
    "coastline": "coast",
    "seaside": "coast",
    "cliff": "coast",
    "bay": "coast",
    "sea": "sea",
    "ocean": "sea",
    "wave": "sea",
    "desert": "desert",
    "dune": "desert",
    "sahara": "desert",
    "sand": "desert",
    "city": "city",
    "skyline": "city",
    "street": "city",
    "downtown": "city",
    "metropolis": "city",
    "skyscraper": "city",
    "avenue": "city",
    "alley": "city",
    "snow": "snow",
    "tundra": "snow",
    "glacier": "snow",
    "arctic": "snow",
    "antarctica": "snow",
    "village": "village",
    "hill": "village",
    "hillside": "village",
    "countryside": "village",
    "town": "village",
    "farm": "village",
    "lake": "lake",
    "river": "lake",
    "pond": "lake",
    "stream": "lake",
    "lagoon": "lake",
    "room": "room",
    "bedroom": "room",
    "apartment": "room",
    "window": "room",
    "interior": "room",
    "diner": "diner",
    "restaurant": "diner",
    "cafe": "diner",
    "café": "diner",
    "bar": "diner",
    "mars": "planet",
    "moonscape": "planet",
    "crater": "planet",
    "planet": "planet",
    "orbit": "orbit",
    "reef": "seabed",
    "seabed": "seabed",
    "seafloor": "seabed",
    "coral": "seabed",
    "underwater": "seabed",
}

# When two words name different places, the stronger wins (higher first).
STRONG_TERRAINS = (
    "diner",
    "room",
    "seabed",
    "orbit",
    "planet",
    "desert",
    "coast",
    "lake",
    "village",
    "forest",
    "city",
    "snow",
    "mountains",
    "sea",
    "meadow",
)

# word -> sky. `nouns` among these count as drawn.
SKIES: dict[str, str] = {
    "dawn": "dawn",
    "daybreak": "dawn",
    "sunrise": "dawn",
    "morning": "dawn",
    "day": "day",
    "noon": "day",
    "midday": "day",
    "daylight": "day",
    "sunny": "day",
    "afternoon": "golden_hour",
    "golden": "golden_hour",
    "sunlight": "golden_hour",
    "sunset": "dusk",
    "dusk": "dusk",
    "evening": "dusk",
    "twilight": "dusk",
    "sundown": "dusk",
    "night": "night",
    "nighttime": "night",
    "midnight": "night",
    "moon": "night",
    "moonlight": "night",
    "moonlit": "night",
    "star": "night",
    "starry": "night",
    "overcast": "overcast",
    "cloudy": "overcast",
    "fog": "overcast",
    "mist": "overcast",
    "rain": "overcast",
    "rainy": "overcast",
    "rainfall": "overcast",
    "downpour": "overcast",
    "drizzle": "overcast",
    "foggy": "overcast",
    "misty": "overcast",
    "snowfall": "overcast",
    "snowstorm": "overcast",
    "blizzard": "overcast",
    "storm": "storm",
    "thunderstorm": "storm",
    "thunder": "storm",
    "lightning": "storm",
    "tempest": "storm",
    "hurricane": "storm",
    "stormy": "storm",
    "underwater": "underwater",
    "seabed": "underwater",
    "reef": "underwater",
    "coral": "underwater",
    "space": "space",
    "galaxy": "space",
    "nebula": "space",
    "cosmos": "space",
    "universe": "space",
    "orbit": "space",
    "star field": "space",
}

ATMOSPHERES: dict[str, str] = {
    "snow": "snow",
    "snowfall": "snow",
    "snowflake": "snow",
    "snowy": "snow",
    "blizzard": "snow",
    "snowstorm": "snow",
    "winter": "snow",
    "rain": "rain",
    "rainy": "rain",
    "drizzle": "rain",
    "downpour": "rain",
    "storm": "rain",
    "thunderstorm": "rain",
    "stormy": "rain",
    "tempest": "rain",
    "hurricane": "rain",
    "rainfall": "rain",
    "fog": "fog",
    "foggy": "fog",
    "mist": "fog",
    "misty": "fog",
    "haze": "fog",
    "firefly": "fireflies",
    "pollen": "pollen",
    "dust": "dust",
    "sandstorm": "dust",
    "bubble": "bubbles",
    "ember": "embers",
    "spark": "embers",
    "petal": "petals",
    "blossom": "petals",
}

FOREGROUNDS: dict[str, str] = {
    "grass": "grass",
    "flower": "flowers",
    "wildflower": "flowers",
    "daisy": "flowers",
    "reed": "reeds",
    "pine": "pine",
    "leaf": "leaves",
    "autumn": "leaves",
    "rock": "rocks",
    "stone": "rocks",
    "boulder": "rocks",
    "railing": "street",
    "coral": "coral",
}

TERRAIN_FOREGROUND: dict[str, tuple[str, ...]] = {
    "meadow": ("flowers", "grass"),
    "mountains": ("pine", "rocks", "grass"),
    "forest": ("leaves", "grass", "pine"),
    "coast": ("none", "rocks", "reeds"),
    "sea": ("none",),
    "desert": ("rocks", "none"),
    "city": ("street",),
    "snow": ("snow", "pine"),
    "village": ("flowers", "grass", "leaves"),
    "lake": ("reeds", "pine", "rocks"),
    "room": ("none",),
    "diner": ("none",),
    "planet": ("rocks",),
    "orbit": ("none",),
    "seabed": ("coral",),
    "horizon": ("none",),
}

TERRAIN_SKY: dict[str, str] = {
    "meadow": "golden_hour",
    "mountains": "day",
    "forest": "golden_hour",
    "coast": "day",
    "sea": "day",
    "desert": "golden_hour",
    "city": "dusk",
    "snow": "day",
    "village": "golden_hour",
    "lake": "dawn",
    "room": "dusk",
    "diner": "night",
    "planet": "space",
    "orbit": "space",
    "seabed": "underwater",
    "horizon": "dusk",
}

# Where a sprite stands when the text names no place.
SPRITE_TERRAIN: dict[str, str] = {
    "butterfly": "meadow",
    "bee": "meadow",
    "kite": "meadow",
    "horse": "meadow",
    "dog": "meadow",
    "cat": "village",
    "deer": "forest",
    "gull": "coast",
    "car": "desert",
    "train": "mountains",
    "sailboat": "sea",
    "ship": "sea",
    "plane": "mountains",
    "balloon": "village",
    "rocket": "orbit",
    "astronaut": "planet",
    "robot": "city",
    "house": "village",
    "lighthouse": "coast",
    "castle": "mountains",
    "windmill": "meadow",
    "tree": "meadow",
    "lamp": "city",
    "fish": "seabed",
    "whale": "seabed",
    "turtle": "seabed",
    "jellyfish": "seabed",
    "dragon": "mountains",
    "lantern": "lake",
    "fire": "forest",
    "tent": "mountains",
    "bicycle": "village",
}

# What a terrain's plates show besides their own name.
ALSO_SHOWS: dict[str, tuple[str, ...]] = {
    "village": ("mountains",),
    "snow": ("mountains",),
    "lake": ("mountains", "forest"),
    "mountains": ("forest", "meadow"),
    "meadow": ("mountains",),
    "coast": ("sea", "desert"),
    "desert": ("mountains",),
    "seabed": ("sea",),
    "planet": ("mountains",),
    "orbit": ("planet",),
}

# Sprites that need ground under their feet.
STANDING = frozenset(
    """
    person child couple astronaut robot dog cat horse deer car train bicycle house lighthouse castle windmill tree lamp
    tent fire
    """.split()
)

# Sprites that may be where something happens rather than who it happens to.
FIXTURES = frozenset("castle fire house lamp lighthouse tent tree windmill".split())

# Nouns that a picture of their setting does show: it is what they are about.
INTANGIBLE = frozenset(
    """
    journey trip travel walk adventure beauty silence peace calm stillness life breeze wind day season spring summer
    autumn winter world nature dream memory symphony poem ode glimpse tour landscape scenery panorama glow warmth
    atmosphere weather seasons colors colours beat ray rays reflection shade change arrival farewell return awakening
    secret magic wonder path trail road rhythm dance pair sound echo breath hush
    """.split()
)

# One of these makes a single subject many.
CROWD_WORDS = frozenset(
    "festival flock swarm school shoal herd fleet pack crowd group hundreds thousands dozens".split()
)

MOODS: dict[str, str] = {
    "joyful": "joyful",
    "happy": "joyful",
    "cheerful": "joyful",
    "uplifting": "joyful",
    "festival": "joyful",
    "playful": "joyful",
    "hopeful": "joyful",
    "calm": "calm",
    "peaceful": "calm",
    "serene": "calm",
    "gentle": "calm",
    "quiet": "calm",
    "dreamy": "calm",
    "sad": "melancholy",
    "melancholy": "melancholy",
    "melancholic": "melancholy",
    "lonely": "melancholy",
    "lone": "melancholy",
    "nostalgic": "melancholy",
    "grief": "melancholy",
    "tense": "tense",
    "dangerous": "tense",
    "dark": "tense",
    "danger": "tense",
    "dramatic": "tense",
    "ominous": "tense",
    "mysterious": "mysterious",
    "mystery": "mysterious",
    "eerie": "mysterious",
    "magical": "mysterious",
    "mystical": "mysterious",
}

STYLES: dict[str, str] = {
    "watercolor": "watercolor",
    "watercolour": "watercolor",
    "aquarelle": "watercolor",
    "painted": "watercolor",
    "painting": "watercolor",
    "noir": "noir",
    "monochrome": "noir",
    "black-and-white": "noir",
    "pastel": "pastel",
    "retro": "retro",
    "vintage": "retro",
    "70s": "retro",
    "sepia": "retro",
    "anime": "anime",
    "ghibli": "anime",
    "manga": "anime",
    "vibrant": "anime",
    "minimal": "minimal",
    "minimalist": "minimal",
    "flat": "minimal",
    "storyboard": "storyboard",
}

FRAMINGS: dict[str, str] = {
    "wide": "wide",
    "establishing": "wide",
    "long": "wide",
    "aerial": "wide",
    "panorama": "wide",
    "landscape": "wide",
    "medium": "medium",
    "mid": "medium",
    "two-shot": "medium",
    "close": "close",
    "close-up": "close",
    "closeup": "close",
    "detail": "close",
    "macro": "close",
    "insert": "close",
    "portrait": "close",
}

NUMBERS: dict[str, int] = {
    "a": 1,
    "an": 1,
    "one": 1,
    "single": 1,
    "lone": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "dozen": 12,
}

IRREGULAR: dict[str, str] = {
    "people": "people",
    "men": "man",
    "women": "woman",
    "children": "child",
    "geese": "goose",
    "wolves": "wolf",
    "leaves": "leaf",
    "feet": "foot",
    "mice": "mouse",
    "fishes": "fish",
    "lens": "lens",
    "grass": "grass",
    "canvas": "canvas",
    "mars": "mars",
    "physics": "physics",
    "mathematics": "mathematics",
    "glass": "glass",
    "compass": "compass",
    "moss": "moss",
    "series": "series",
    "species": "species",
    "cosmos": "cosmos",
    "chess": "chess",
    "bus": "bus",
}

# Words that are never subjects: the grammar of English and of film requests.
FUNCTION_WORDS = frozenset(
    """
    a an the this that these those some any each every all both no not without and or but nor so yet if then
    than of in on at by to from with into onto over under above below across through toward towards along around
    behind beside between beyond near off out up down upon within during until while as for about against among
    before after past like i you he she it we they me him her us them my your his its our their mine who whom
    whose which what when where why how is are was were be been being am do does did has have had can could will
    would shall should may might must there here very too just only also more most less least such own same
    other another again once ever never always still even now soon later first last next many much few several
    one two three four five six seven eight nine ten dozen hundred thousand single showing featuring set
    """.split()
)
# What one says to somebody who is to make a picture.
REQUEST_WORDS = frozenset(
    """
    please make makes create show shows draw draws drawing paint paints sketch sketches render renders rendering
    depict depicts illustrate generate produce film shoot imagine visualize visualise design compose animate
    photograph photo photography capture present image picture painting artwork poster wallpaper give want can could
    would like need let let's i'd i'm i'll we'd
    """.split()
)
# Words for an hour that may mean no light at all: "a day in the city", "golden retrievers", "a star is born".
LOOSE_HOURS = frozenset({"day", "golden", "star"})
DETERMINERS = frozenset("a an the this that these those some my your his her its our their no every each".split())
PRONOUNS = frozenset("i you he she it we they who".split())
PREPOSITIONS = frozenset(
    "of in on at by to from with into onto over under above across through toward towards along near for about".split()
)
FILM_WORDS = frozenset(
    """
    film movie video clip shot scene camera frame frames second seconds minute minutes hour hours min sec fps hd
    4k uhd 1080p 720p title subtitle subtitles narration narrator voice voiceover music style mood story end
    beginning start middle part view close-up closeup wide medium angle pan push pull tilt drift zoom dolly lens
    cut fade picture image portrait illustration animation background foreground kind sort way time moment side
    edge top bottom center centre left right front back light shadow color colour horizon sky silhouette air
    ground land distance place
    """.split()
)
ADJECTIVES = frozenset(
    """
    red orange yellow green blue purple violet pink brown black white grey gray golden silver dark bright pale
    big small large little tiny huge tall short long old new young ancient modern cold hot warm cool wet dry
    soft hard deep shallow high low lonely lone quiet loud calm wild gentle slow fast quick swift distant
    beautiful pretty lovely magical mysterious dramatic happy sad joyful peaceful serene foggy misty snowy rainy
    sunny stormy cloudy starry moonlit hot-air empty full open closed crowded busy abandoned forgotten hidden
    lost glowing shining sleeping dreamy watercolor watercolour noir pastel retro vintage anime minimal
    minimalist cinematic epic vast endless overcast tropical alpine urban rural solitary colorful colourful
    clear heavy light sudden whole final early late different various great good bad best free strange secret
    curious brave clever wise poor rich rusty wooden stone-built handmade giant fresh ripe sweet bitter sharp
    medieval roman egyptian prehistoric victorian futuristic viking
    blunt thin thick narrow broad human natural simple complex real true false quantum classical
    """.split()
)
VERBS = frozenset(
    """
    rise rises fall falls run runs walk walks fly flies stand stands sit sits look looks watch watches enter
    enters leave cross crosses sail sails swim swims jump jumps glow glows shine shines open opens close closes
    begin begins become becomes turn turns move moves come comes go goes arrive arrives drift drifts float
    floats dance dances play plays chase chases follow follows find finds lose loses learn learns explain
    explains explained discover discovers build builds make makes take takes give gives see sees say says tell
    tells know knows think thinks feel feels wait waits sleep sleeps wake wakes burn burns break breaks crash
    crashes reach reaches return returns pass passes climb climbs descend descends spread spreads circle circles
    land lands hover hovers gather gathers travel travels migrate migrates search searches hide hides meet meets
    fight fights save saves need needs want wants get gets keep keeps hold holds carry carries grow grows bloom
    blooms live lives die dies eat eats drink drinks read reads write writes sing sings paint paints cook cooks
    work works ride rides drive drives launch launches explore explores soar soars graze grazes howl howls bark
    barks sway sways ripple ripples roll rolls
    """.split()
)
