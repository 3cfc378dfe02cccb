"""Timelines that editors read, and cues that stay within the film. C097."""

import json
from itertools import pairwise

import opentimelineio as otio

from orchestrator.films import subtitles, timeline
from orchestrator.films.breakdown import break_down
from orchestrator.films.planner import plan_by_rules
from tools.film import FilmRequest

PLAN = plan_by_rules(FilmRequest.model_validate({"prompt": "a film about whales", "duration": 30, "fps": 24}))
SHOTS = break_down(PLAN)
MEDIA = {shot.id: f"../{shot.id}.mp4" for shot in SHOTS}


def test_otio_is_read_back() -> None:
    read = otio.adapters.read_from_string(timeline.to_otio(PLAN, SHOTS, MEDIA), "otio_json")
    clips = list(read.find_clips())
    assert [clip.name for clip in clips] == [shot.id for shot in SHOTS]
    assert read.duration().to_frames() == 720
    assert clips[0].media_reference.target_url == MEDIA[SHOTS[0].id]


def test_the_edit_list_is_read_back_by_an_editors_reader() -> None:
    text = timeline.to_edl(PLAN, SHOTS)
    read = otio.adapters.read_from_string(text, "cmx_3600", rate=24)
    clips = list(read.find_clips())
    assert [clip.name for clip in clips] == [shot.id for shot in SHOTS]
    assert [clip.source_range.duration.to_frames() for clip in clips] == [shot.frames for shot in SHOTS]


def test_reels_are_short_and_unique() -> None:
    assert all(len(timeline.reel(shot.id)) <= 8 for shot in SHOTS)
    assert len({timeline.reel(shot.id) for shot in SHOTS}) == len(SHOTS)


def test_cues_follow_each_other_within_the_film() -> None:  # C054
    cues, dropped = subtitles.schedule(PLAN, SHOTS, None)
    assert cues
    assert not dropped
    for one, next_ in pairwise(cues):
        assert one["end_s"] < next_["start_s"]
    assert cues[-1]["end_s"] <= 30
    assert all(len(line) <= 42 for cue in cues for line in cue["text"].splitlines())
    assert subtitles.to_format(cues, "srt").count("-->") == len(cues)
    assert subtitles.to_format(cues, "vtt").startswith("WEBVTT")


def test_a_line_that_finds_no_room_is_reported() -> None:
    cues, dropped = subtitles.schedule(PLAN, SHOTS, {shot.id: 60.0 for shot in SHOTS})
    assert cues == []
    assert dropped == [shot.narration for shot in SHOTS if shot.narration]


def test_manifests_are_plain_json() -> None:
    edl = timeline.edit_list(PLAN, SHOTS, MEDIA, [], "film")
    assert json.loads(json.dumps(edl)) == edl
    assert edl["tracks"]["video"][-1]["at"] + edl["tracks"]["video"][-1]["out"] == 720
