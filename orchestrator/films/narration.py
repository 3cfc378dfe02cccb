"""Sentences that are true of any subject, for the planner that has no language model.

They need no agreement in number or gender with the subject, so that they stay grammatical whatever is filmed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """One language. `times` follow the light, the others follow the story."""

    about: str
    times: dict[str, tuple[str, ...]]
    middles: tuple[str, ...]
    closings: tuple[str, ...]


PHRASES: dict[str, Phrases] = {
    "en": Phrases(
        about="This is a story about {subject}.",
        times={
            "dawn": ("It begins before anyone is awake, in the first light.", "Dawn comes softly, without a sound."),
            "day": ("By day everything stands clear and bright.", "The light is high, and nothing is hidden."),
            "golden hour": (
                "Then the light turns to gold, and time slows down.",
                "Long shadows reach across the land.",
            ),
            "dusk": ("Dusk arrives, and the day lets go.", "Evening gathers its colours one by one."),
            "night": ("At night the world grows quiet.", "In the dark, small things become large."),
        },
        middles=(
            "Look a little longer, and there is more to see.",
            "Nothing here is in a hurry.",
            "Every detail has its place.",
            "For a moment, everything hangs in the balance.",
            "Something changes, almost too slowly to notice.",
            "And the world goes on turning.",
            "There is a pattern in it, if you wait.",
            "What seemed still was moving all along.",
        ),
        closings=(
            "Some things are best understood by simply watching.",
            "And then, as quietly as it began, it is over.",
            "We leave, and the light stays a little longer.",
        ),
    ),
    "de": Phrases(
        about="Eine Geschichte über {subject}.",
        times={
            "dawn": ("Es beginnt, bevor jemand wach ist, im ersten Licht.", "Der Morgen kommt leise."),
            "day": ("Am Tag liegt alles klar und hell da.", "Das Licht steht hoch, nichts bleibt verborgen."),
            "golden hour": ("Dann wird das Licht zu Gold, und die Zeit wird langsam.", "Die Schatten werden lang."),
            "dusk": ("Die Dämmerung kommt, und der Tag lässt los.", "Der Abend sammelt seine Farben ein."),
            "night": ("In der Nacht wird die Welt still.", "Im Dunkeln werden kleine Dinge groß."),
        },
        middles=(
            "Wer länger hinsieht, entdeckt mehr.",
            "Hier hat nichts Eile.",
            "Jede Einzelheit hat ihren Platz.",
            "Für einen Augenblick steht alles auf der Kippe.",
            "Etwas verändert sich, fast unmerklich.",
            "Und die Welt dreht sich weiter.",
        ),
        closings=("Manches versteht man am besten, indem man zusieht.", "Und so leise, wie es begann, ist es vorbei."),
    ),
    "fr": Phrases(
        about="Voici une histoire.",
        times={
            "dawn": ("Tout commence avant le réveil, dans la première lumière.", "L'aube vient sans bruit."),
            "day": ("Le jour, tout est clair et lumineux.", "La lumière est haute, rien n'est caché."),
            "golden hour": ("Puis la lumière devient or, et le temps ralentit.", "Les ombres s'allongent."),
            "dusk": ("Le crépuscule arrive, et le jour s'en va.", "Le soir rassemble ses couleurs."),
            "night": ("La nuit, le monde se tait.", "Dans le noir, les petites choses deviennent grandes."),
        },
        middles=(
            "Regardez encore un peu : il y a plus à voir.",
            "Ici, rien ne presse.",
            "Chaque détail a sa place.",
            "Un instant, tout reste en équilibre.",
            "Quelque chose change, presque trop lentement.",
            "Et le monde continue de tourner.",
        ),
        closings=("Certaines choses se comprennent en regardant.", "Et, aussi doucement, c'est fini."),
    ),
    "es": Phrases(
        about="Esta es una historia.",
        times={
            "dawn": ("Todo empieza antes de despertar, con la primera luz.", "El alba llega sin ruido."),
            "day": ("De día todo se ve claro y brillante.", "La luz está alta y nada se esconde."),
            "golden hour": ("Entonces la luz se vuelve oro y el tiempo se detiene.", "Las sombras se alargan."),
            "dusk": ("Llega el crepúsculo y el día se despide.", "La tarde recoge sus colores."),
            "night": ("De noche el mundo se queda en silencio.", "En la oscuridad, lo pequeño se hace grande."),
        },
        middles=(
            "Si miras un poco más, hay más que ver.",
            "Aquí nada tiene prisa.",
            "Cada detalle tiene su lugar.",
            "Por un momento, todo queda en equilibrio.",
            "Algo cambia, casi sin que se note.",
            "Y el mundo sigue girando.",
        ),
        closings=("Hay cosas que se entienden con solo mirar.", "Y tan en silencio como empezó, termina."),
    ),
}


def spoken_language(language: str) -> str:
    """The language that the phrases can be told in: the asked one, or English."""
    base = language.split("-")[0]
    return language if base in PHRASES else "en"


def phrases(language: str) -> Phrases:
    return PHRASES[spoken_language(language).split("-")[0]]
