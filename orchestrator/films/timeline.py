"""The film's timeline for editors: OpenTimelineIO, a CMX3600 edit list, and our own JSON edit list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from orchestrator.films.plan import Plan, Shot


def edit_list(
    plan: Plan, shots: Sequence[Shot], media: dict[str, str], cues: Sequence[dict[str, Any]], film_id: str
) -> dict[str, Any]:
    """The manifest `edl`: `media` maps shot ids to URIs; times are frames."""
    return {
        "edl_version": "1.0",
        "project_id": film_id,
        "fps": round(float(plan.outputs.fps), 6),
        "resolution": f"{plan.outputs.width}x{plan.outputs.height}",
        "audio_sr": 48_000,
        "tracks": {
            "video": [
                {"shot_id": shot.id, "mp4": media[shot.id], "in": 0, "out": shot.frames, "at": shot.start}
                for shot in shots
            ],
            "dialog": [dict(cue) for cue in cues],
            "music": [{"at": 0, "frames": plan.outputs.frames}],
            "sfx": [],
            "captions": [dict(cue) for cue in cues],
        },
    }


def to_otio(plan: Plan, shots: Sequence[Shot], media: dict[str, str], audio: str | None = None) -> str:
    """An .otio document. `media` maps shot ids to artifact URLs, `audio` is the URL of the film's sound.

    Clips refer to their media by file name, so that whoever downloads the files into one folder finds them online;
    where each came from, and what it must hash to, is in the reference's metadata.
    """
    rate = float(plan.outputs.fps)
    timeline = otio.schema.Timeline(
        name=plan.title,
        global_start_time=otio.opentime.RationalTime(0, rate),
        metadata={
            "film": {
                "title": plan.title,
                "fps": round(rate, 6),
                "rate": "{}/{}".format(*plan.outputs.rate),
                "resolution": f"{plan.outputs.width}x{plan.outputs.height}",
                "frames": plan.outputs.frames,
                "renderer": plan.renderer,
                "fidelity": plan.fidelity,
            }
        },
    )
    pictures = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
    for shot in shots:
        told = {"seed": shot.seed, "scene": shot.scene_id, "narration": shot.narration}
        pictures.append(_clip(shot.id, media[shot.id], shot.frames, rate, {"shot": told}))
    timeline.tracks.append(pictures)
    if audio is not None:
        sound = otio.schema.Track(name="A1", kind=otio.schema.TrackKind.Audio)
        sound.append(_clip("sound", audio, plan.outputs.frames, rate, {}))
        timeline.tracks.append(sound)
    return str(otio.adapters.write_to_string(timeline, "otio_json"))


def _clip(name: str, url: str, frames: int, rate: float, metadata: dict[str, Any]) -> otio.schema.Clip:
    whole = otio.opentime.TimeRange(otio.opentime.RationalTime(0, rate), otio.opentime.RationalTime(frames, rate))
    sha256, file_name = url.rsplit("/", 2)[-2:]
    # An address that is relative to another artifact says nothing once the document has left the server.
    source = f"/artifacts/{sha256}/{file_name}" if url.startswith("../") else url
    reference = otio.schema.ExternalReference(
        target_url=file_name, available_range=whole, metadata={"artifact": {"url": source, "sha256": sha256}}
    )
    return otio.schema.Clip(name=name, media_reference=reference, source_range=whole, metadata=metadata)


def to_edl(plan: Plan, shots: Sequence[Shot]) -> str:
    """A CMX3600 edit list. Timecode counts frames at the nominal rate, without drop frame.

    Written by hand: the adapter accepts only the rates that SMPTE timecode knows.
    """
    title = re.sub(r"[^ -~]", "?", plan.title)
    lines = [f"TITLE: {title}", "FCM: NON-DROP FRAME", ""]
    for number, shot in enumerate(shots, start=1):
        times = (0, shot.frames, shot.start, shot.end)
        codes = " ".join(timecode(frame, plan.outputs.fps) for frame in times)
        lines.append(f"{number:03d}  {reel(shot.id):<8} V     C        {codes}")
        lines.append(f"* FROM CLIP NAME:  {shot.id}")
    return "\n".join(lines) + "\n"


def reel(shot_id: str) -> str:
    """At most eight characters, as CMX demands: S01_SH02 becomes S01SH02."""
    return shot_id.replace("_", "")[:8]


def timecode(frame: int, rate: Fraction) -> str:
    """HH:MM:SS:FF at the nominal (rounded) rate."""
    nominal = max(1, round(rate))
    seconds, rest = divmod(frame, nominal)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"
