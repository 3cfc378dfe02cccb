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
SHA = "ab" * 32
MEDIA = {shot.id: f"https://films.example/artifacts/{SHA}/{shot.id}%20a.mp4" for shot in SHOTS}
SOUND = f"https://films.example/artifacts/{SHA}/sound.m4a"


def test_otio_is_read_back() -> None:
    read = otio.adapters.read_from_string(timeline.to_otio(PLAN, SHOTS, MEDIA), "otio_json")
    clips = list(read.find_clips())
    assert [clip.name for clip in clips] == [shot.id for shot in SHOTS]
    assert read.duration().to_frames() == 720


def test_otio_finds_its_media_beside_itself_and_names_their_source() -> None:
    read = otio.adapters.read_from_string(timeline.to_otio(PLAN, SHOTS, MEDIA), "otio_json")
    for clip, shot in zip(read.find_clips(), SHOTS, strict=True):
        reference = clip.media_reference
        assert reference.target_url == f"{shot.id}%20a.mp4"
        assert reference.metadata["artifact"] == {"url": MEDIA[shot.id], "sha256": SHA}
        assert reference.available_range.duration.to_frames() == shot.frames


def test_otio_keeps_relative_addresses_of_one_host() -> None:
    relative = {shot.id: f"../{SHA}/{shot.id}.mp4" for shot in SHOTS}
    read = otio.adapters.read_from_string(timeline.to_otio(PLAN, SHOTS, relative), "otio_json")
    reference = next(iter(read.find_clips())).media_reference
    assert reference.target_url == f"{SHOTS[0].id}.mp4"
    assert reference.metadata["artifact"] == {"url": f"/artifacts/{SHA}/{SHOTS[0].id}.mp4", "sha256": SHA}


def test_otio_carries_the_sound_and_says_what_made_it() -> None:
    read = otio.adapters.read_from_string(timeline.to_otio(PLAN, SHOTS, MEDIA, audio=SOUND), "otio_json")
    (sound,) = read.audio_tracks()
    (clip,) = sound
    assert (sound.name, clip.media_reference.target_url) == ("A1", "sound.m4a")
    assert clip.media_reference.metadata["artifact"] == {"url": SOUND, "sha256": SHA}
    assert clip.source_range.duration.to_seconds() == 30
    assert dict(read.metadata["film"]) == {
        "title": PLAN.title,
        "fps": 24.0,
        "rate": "24/1",
        "resolution": "1920x1080",
        "frames": 720,
        "renderer": "procedural-preview",
        "fidelity": "preview",
    }


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
