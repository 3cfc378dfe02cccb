"""Tasks that put a film together without encoding its pictures again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pysubs2

from orchestrator.films.video import timescale
from orchestrator.jobs.child import Report

_MS = Fraction(1, 1000)
# QuickTime wants ISO 639-2 codes.
_ISO3 = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "pt": "por", "nl": "nld", "ja": "jpn"}


def join(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Join `segments` ({path, frames}) in order at `rate`, add the sound and the subtitles, write MP4 at `path`.

    `audio` is an AAC file or None, `cues` ({start_s, end_s, text}) become a soft mov_text track when there are any.
    """
    rate = Fraction(*arguments["rate"])
    options = {"movflags": "+faststart", "video_track_timescale": str(timescale(rate))}
    with av.open(arguments["path"], "w", format="mp4", options=options) as film:
        for name, value in arguments.get("metadata", {}).items():
            film.metadata[name] = value
        sources: list[Iterator[Any]] = [_segments(film, arguments["segments"], rate)]
        if arguments.get("audio"):
            sources.append(_audio(film, arguments["audio"]))
        if arguments.get("cues"):
            sources.append(_cues(film, arguments["cues"], arguments["language"]))
        for packet in _interleaved(sources):
            film.mux(packet)
    return {"bytes": Path(arguments["path"]).stat().st_size}


def poster(arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Save the picture at `at_s` seconds of `source` as JPEG at `path`."""
    with av.open(arguments["source"]) as film:
        stream = film.streams.video[0]
        film.seek(int(arguments["at_s"] / stream.time_base), stream=stream)
        chosen = None
        for frame in film.decode(stream):
            chosen = frame
            if frame.time >= arguments["at_s"]:
                break
        if chosen is None:
            raise ValueError("the film has no picture")
        chosen.to_image().save(arguments["path"], format="JPEG", quality=90)
        return {"width": chosen.width, "height": chosen.height}


def _segments(film: Any, segments: Sequence[dict[str, Any]], rate: Fraction) -> Iterator[Any]:
    """Packets of all segments; pts and dts move together, so B-frames stay as they were coded."""
    stream, headers, base = None, b"", 0
    for segment in segments:
        with av.open(segment["path"]) as source:
            picture = source.streams.video[0]
            if stream is None:
                stream = film.add_stream_from_template(picture)
                headers = bytes(picture.codec_context.extradata or b"")
                yield None
            elif bytes(picture.codec_context.extradata or b"") != headers:
                raise ValueError(f"{segment['path']} was encoded with other options than the first segment")
            for packet in source.demux(picture):
                if packet.dts is None:
                    continue
                shift = round(base / rate / packet.time_base)
                packet.pts += shift
                packet.dts += shift
                packet.stream = stream
                yield packet
        base += segment["frames"]


def _audio(film: Any, path: str) -> Iterator[Any]:
    with av.open(path) as source:
        sound = source.streams.audio[0]
        stream = film.add_stream_from_template(sound)
        yield None
        for packet in source.demux(sound):
            if packet.dts is not None:
                packet.stream = stream
                yield packet


def _cues(film: Any, cues: Sequence[dict[str, Any]], language: str) -> Iterator[Any]:
    stream = film.add_stream("mov_text")
    # The encoder takes its look from an ASS header, also when packets are written directly.
    stream.codec_context.subtitle_header = pysubs2.SSAFile().to_string("ass").encode()
    stream.codec_context.time_base = stream.time_base = _MS
    stream.metadata["language"] = _ISO3.get(language.split("-")[0], "und")
    yield None
    for cue in cues:
        text = cue["text"].encode("utf-8")
        packet = av.Packet(len(text).to_bytes(2, "big") + text)
        packet.stream, packet.time_base, packet.is_keyframe = stream, _MS, True
        packet.pts = packet.dts = round(cue["start_s"] * 1000)
        packet.duration = max(1, round((cue["end_s"] - cue["start_s"]) * 1000))
        yield packet


def _interleaved(sources: Sequence[Iterator[Any]]) -> Iterator[Any]:
    """Packets in order of time, so that the muxer need not hold a whole track back. Streams are declared first."""
    for source in sources:
        next(source)
    heads = [(next(source, None), source) for source in sources]
    while waiting := [(packet, source) for packet, source in heads if packet is not None]:
        packet, source = min(waiting, key=lambda head: head[0].dts * head[0].time_base)
        yield packet
        heads = [(next(source, None) if held is packet else held, other) for held, other in heads]
