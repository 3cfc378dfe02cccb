"""What `committee film` asks for: a film, whatever words the user chose."""

import pytest

from committee import ToolSpec
from committee.backends.offline import choose
from orchestrator.cli.film import request_for

FILM = ToolSpec("film.run", "", {"properties": {"synopsis": {"type": "string"}}})
PICTURE = ToolSpec("image.generate", "", {"properties": {"prompt": {"type": "string"}}})


@pytest.mark.parametrize(
    "text",
    ["a lighthouse in a storm", "draw a cat", "what love is", "butterflies, 4 seconds, 320x180", "How films are made"],
)
def test_any_words_become_a_request_for_a_film(text: str) -> None:
    request = request_for(text)
    assert text in request
    assert [call.name for call in choose(request, (FILM, PICTURE))] == ["film.run"]


@pytest.mark.parametrize("text", ["Make a 4-second film about bees. Title: Bees", "a film about a painting"])
def test_a_request_for_a_film_is_sent_as_it_is(text: str) -> None:
    assert request_for(text) == text
