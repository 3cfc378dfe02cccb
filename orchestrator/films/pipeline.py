"""The job `film.run`: eight stages, each a checkpoint; every shot a checkpoint of its own.

A stage's inputs name everything that its output depends on, so the same mechanism gives resume after a crash, cheap
edits (only the changed shots are drawn again) and reuse across a film's jobs. Files in the work folder are scratch: a
stage ends only when what it made lies in the artifact store.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from orchestrator.artifacts import Artifact, ArtifactStore
from orchestrator.errors import Conflict, NotFound
from orchestrator.films import qc, subtitles, timeline
from orchestrator.films.breakdown import break_down
from orchestrator.films.plan import Plan, Shot, outputs_of, shot_budget
from orchestrator.films.planner import Planner, RulePlanner
from orchestrator.films.store import FilmStore, ShotPart, present
from orchestrator.jobs.context import JobContext
from orchestrator.jobs.farm import Farm, TaskFailed, scratch_folder
from orchestrator.jobs.model import JobFailed, JobKind
from orchestrator.jobs.store import canonical_hash
from tools.film import FIDELITY, FILM_KIND, RENDERER, FilmRequest

T = TypeVar("T")

# Part of every picture's inputs: raise it when the renderer draws differently, and nothing stale is reused.
ENGINE_VERSION = 3
STAGES = ("plan", "breakdown", "storyboard", "animatic", "final", "post", "qc", "export")
_CHILD = "orchestrator.films.process"
_BOARD = (1280, 720)
_ANIMATIC_LONG_SIDE, _ANIMATIC_FPS = 512, 12
_SPEAK_TIMEOUT_S = 120.0
_SAMPLE_RATE = 48_000
# Seconds of one CPU, measured; they only weigh the stages against each other for the progress bar and the ETA.
_COST_PER_PIXEL, _COST_PER_LOOK = 4.2e-8, 2.5e-9
_BOARD_COST_S, _PLATES_COST_S = 0.8, 0.7


@dataclass(frozen=True)
class FilmDeps:
    """What a film needs of the house. `planner` defaults to the rules, `processes` to the cores (at most four)."""

    store: FilmStore
    artifacts: ArtifactStore
    work_dir: Path
    planner: Planner = field(default_factory=RulePlanner)
    processes: int | None = None
    base_url: str = ""


def film_kind(deps: FilmDeps) -> JobKind:
    """The job kind `film.run`, whose payload is a FilmRequest."""

    async def run(ctx: JobContext) -> dict[str, Any]:
        return await _make(ctx, deps)

    return JobKind(name=FILM_KIND, payload=FilmRequest, run=run, resource="render")


async def _make(ctx: JobContext, deps: FilmDeps) -> dict[str, Any]:
    request = FilmRequest.model_validate(ctx.job.payload)
    film_id = request.film_id or ctx.job.id
    try:
        if request.film_id is not None:
            # Before anything of the film is read, so that no other job changes it between here and the end.
            await deps.store.take(film_id, owner=ctx.job.owner, job_id=ctx.job.id)
            request = await _request_again(deps.store, film_id, ctx.job.owner)
        async with scratch_folder(deps.work_dir, ctx.job) as work, Farm(_CHILD, deps.processes) as farm:
            return await _Film(ctx, deps, farm, request, film_id, work).make()
    except TaskFailed as error:
        raise JobFailed("render_failed", str(error)) from error
    except NotFound as error:
        raise JobFailed("not_found", error.message) from error
    except Conflict as error:
        raise JobFailed(error.code, error.message) from error


async def _request_again(store: FilmStore, film_id: UUID, owner: str) -> FilmRequest:
    """What an existing film was asked with, and what PATCH changed since."""
    asked, metadata = await store.request_of(film_id, owner=owner)
    known = set(FilmRequest.model_fields) - {"film_id", "seed", "synopsis"}
    return FilmRequest.model_validate({**asked, **{key: metadata[key] for key in known & set(metadata)}})


class _Meter:
    """How far the film is: stages weigh what they are expected to cost."""

    def __init__(self, ctx: JobContext, costs: dict[str, float]) -> None:
        self._ctx = ctx
        self._costs = costs
        self._total = sum(costs.values())
        self._done = 0.0
        self._stage, self._share = "", 0.0
        self._began, self._counted_from = time.monotonic(), 0.0

    async def enter(self, stage: str) -> None:
        self._done += self._costs.get(self._stage, 0.0)
        self._stage, self._share = stage, 0.0
        self._began, self._counted_from = time.monotonic(), -1.0
        await self.show(0.0)

    async def show(self, share: float, message: str | None = None) -> None:
        """`share` of the present stage is done; the ETA follows the speed that this stage was seen to have."""
        if self._counted_from < 0:
            self._counted_from = share  # what a resumed stage found finished says nothing about its speed
        self._share = max(self._share, min(1.0, share))
        left_here = self._costs[self._stage] * (1 - self._share)
        pace, seen = 1.0, self._share - self._counted_from
        spent = time.monotonic() - self._began
        if seen > 0.02 and spent > 0.5:
            pace = spent / (seen * self._costs[self._stage])
            left_here *= pace
        after = self._total - self._done - self._costs[self._stage]
        fraction = (self._done + self._costs[self._stage] * self._share) / self._total
        eta_s = round(left_here + after * min(max(pace, 0.5), 4.0), 1)
        await self._ctx.progress(min(fraction, 0.999), stage=self._stage, message=message, eta_s=eta_s)


class _Film:
    """One attempt at one film."""

    def __init__(
        self, ctx: JobContext, deps: FilmDeps, farm: Farm, request: FilmRequest, film_id: UUID, work: Path
    ) -> None:
        self._ctx, self._deps, self._farm = ctx, deps, farm
        self._request, self._film_id, self._work = request, film_id, work
        self._owner, self._job_id = ctx.job.owner, ctx.job.id
        self._store, self._artifacts = deps.store, deps.artifacts
        self._meter = _Meter(ctx, self._costs())
        self._slots = asyncio.Semaphore(farm.processes + 1)

    async def make(self) -> dict[str, Any]:
        plan = await self._plan()
        shots = await self._breakdown(plan)
        boards = await self._storyboard(plan, shots)
        animatic = await self._animatic(plan, shots)
        segments = await self._final(plan, shots)
        post = await self._post(plan, shots, segments)
        report = await self._qc(plan, shots, post)
        return await self._export(plan, shots, boards, animatic, segments, post, report)

    # --- plan, breakdown ---------------------------------------------------------------------------------------

    async def _plan(self) -> Plan:
        await self._meter.enter("plan")
        base = await self._plan_to_edit()
        request = self._request.model_dump(mode="json")
        inputs = {"request": request, "edited": base and base.model_dump(mode="json")}

        async def run() -> dict[str, Any]:
            await self._store.begin(
                self._film_id,
                owner=self._owner,
                title=self._request.title,
                synopsis=self._request.synopsis,
                request=request,
                job_id=self._job_id,
            )
            plan = base or await self._deps.planner.plan(self._request)
            await self._store.save_plan(self._film_id, plan, owner=self._owner, job_id=self._job_id)
            return plan.model_dump(mode="json")

        plan = Plan.model_validate(await self._ctx.stage("plan", inputs, run))
        await self._ctx.event(
            "film", {"film_id": str(self._film_id), "title": plan.title, "planned_by": plan.planned_by}
        )
        return plan

    async def _plan_to_edit(self) -> Plan | None:
        """The stored plan when the job makes an existing film again; its preferences may have been changed."""
        if self._film_id == self._job_id:
            return None
        plan = await self._store.edited_plan(self._film_id, owner=self._owner)
        changed = {
            "title": self._request.title,
            "style": self._request.style,
            "outputs": outputs_of(self._request),
            "shot_budget": max(shot_budget(self._request), len(plan.scenes)),
        }
        if self._request.frames < len(plan.scenes):
            raise JobFailed("film_too_short", f"The film has {len(plan.scenes)} scenes and needs as many frames.")
        return plan.model_copy(update=changed)

    async def _breakdown(self, plan: Plan) -> list[Shot]:
        await self._meter.enter("breakdown")
        animated = self._request.animation_enabled

        async def run() -> dict[str, Any]:
            shots = await asyncio.to_thread(break_down, plan, animated=animated)
            await self._store.save_shots(self._film_id, shots, owner=self._owner, job_id=self._job_id)
            return {"shots": [shot.model_dump(mode="json") for shot in shots]}

        inputs = {"plan": plan.model_dump(mode="json"), "animated": animated, "engine": ENGINE_VERSION}
        output = await self._ctx.stage("breakdown", inputs, run)
        return [Shot.model_validate(shot) for shot in output["shots"]]

    # --- pictures ----------------------------------------------------------------------------------------------

    async def _storyboard(self, plan: Plan, shots: list[Shot]) -> dict[str, dict[str, Any]]:
        await self._meter.enter("storyboard")

        async def draw(shot: Shot, _tick: Tick) -> dict[str, Any]:
            path = self._work / f"{shot.id}.png"
            await self._farm.run("panel", {**self._board(plan, shot), "path": str(path)})
            stored = await self._keep(path, f"{shot.id}_board.png", "image/png")
            return {"shot_id": shot.id, "keyframes": [{"t": 0.0, **stored}], "notes": shot.caption, **stored}

        return await self._each("storyboard", shots, lambda shot: self._board(plan, shot), draw)

    def _board(self, plan: Plan, shot: Shot) -> dict[str, Any]:
        rate = plan.outputs.fps
        board = {
            "width": _BOARD[0],
            "height": _BOARD[1],
            "slug": f"{shot.id.replace('_', ' ')} · {shot.dsl['env'] or plan.title} · {shot.dsl['lighting']}",
            "timecode_in": timeline.timecode(shot.start, rate),
            "timecode_out": timeline.timecode(shot.end, rate),
            "lens_mm": shot.dsl["camera"]["lens_mm"],
            "seed": shot.seed,
            "caption": shot.caption,
            "narration": shot.narration,
            "move": shot.dsl["camera"]["move"],
        }
        return {"art": shot.art, "board": board}

    async def _animatic(self, plan: Plan, shots: list[Shot]) -> dict[str, Any]:
        await self._meter.enter("animatic")
        width, height = _within(plan.outputs.width, plan.outputs.height, _ANIMATIC_LONG_SIDE)
        rate = Fraction(min(_ANIMATIC_FPS, max(1, int(plan.outputs.fps))))

        def task(shot: Shot) -> dict[str, Any]:
            first, end = (int(Fraction(frame) / plan.outputs.fps * rate) for frame in (shot.start, shot.end))
            return self._segment(shot, width, height, rate, max(1, end - first), "draft")

        async def draw(shot: Shot, tick: Tick) -> dict[str, Any]:
            return await self._draw_segment(shot, task(shot), "_animatic", tick)

        parts = await self._each("animatic", shots, task, draw)

        async def run() -> dict[str, Any]:
            path = self._work / "animatic.mp4"
            await self._farm.run(
                "join", {"path": str(path), "rate": [rate.numerator, 1], "segments": self._paths(shots, parts)}
            )
            return await self._keep(path, "animatic.mp4", "video/mp4")

        whole = await self._ctx.stage("animatic", {"parts": [parts[shot.id]["sha256"] for shot in shots]}, run)
        await self._store.save_manifest(self._film_id, "animatic", whole, owner=self._owner, job_id=self._job_id)
        return whole

    async def _final(self, plan: Plan, shots: list[Shot]) -> dict[str, dict[str, Any]]:
        await self._meter.enter("final")
        outputs = plan.outputs

        def task(shot: Shot) -> dict[str, Any]:
            return self._segment(shot, outputs.width, outputs.height, outputs.fps, shot.frames, self._request.quality)

        async def draw(shot: Shot, tick: Tick) -> dict[str, Any]:
            return await self._draw_segment(shot, task(shot), "", tick)

        parts = await self._each("final", shots, task, draw)
        for shot in shots:
            nodes = {
                "graph": "procedural",
                "engine": ENGINE_VERSION,
                "seed": shot.seed,
                "graph_hash": canonical_hash(task(shot)),
            }
            await self._store.save_shot_part(self._film_id, shot.id, "nodes", nodes, job_id=self._job_id)
        return parts

    def _segment(
        self, shot: Shot, width: int, height: int, rate: Fraction, frames: int, quality: str
    ) -> dict[str, Any]:
        """The task of drawing a shot at some size and rate; also the hash of what comes out."""
        scale = Fraction(frames, shot.frames)
        return {
            "art": shot.art,
            "width": width,
            "height": height,
            "rate": [rate.numerator, rate.denominator],
            "frames": frames,
            "fade_in": round(shot.fade_in * scale),
            "fade_out": round(shot.fade_out * scale),
            "still": not self._request.animation_enabled,
            "quality": quality,
        }

    async def _draw_segment(self, shot: Shot, task: dict[str, Any], suffix: str, tick: Tick) -> dict[str, Any]:
        path = self._work / f"{shot.id}{suffix}.mp4"
        started = time.monotonic()
        drawn = await self._farm.run(
            "segment", {**task, "path": str(path)}, on_progress=lambda news: tick(shot, news["frames"] / task["frames"])
        )
        if drawn["frames"] != task["frames"]:
            raise TaskFailed(f"{shot.id} has {drawn['frames']} frames instead of {task['frames']}")
        stored = await self._keep(path, f"{shot.id}{suffix}.mp4", "video/mp4")
        measured = {"cpu_s": drawn["cpu_s"], "wall_s": round(time.monotonic() - started, 3)}
        sizes = {name: task[name] for name in ("width", "height", "rate", "frames")}
        return {"shot_id": shot.id, **stored, **sizes, **measured}

    async def _each(
        self,
        stage: ShotPart,
        shots: list[Shot],
        task: Callable[[Shot], dict[str, Any]],
        draw: Callable[[Shot, Tick], Awaitable[dict[str, Any]]],
    ) -> dict[str, dict[str, Any]]:
        """Every shot's part of a stage, a few at a time: from its checkpoint, from the cache, or drawn."""
        total = sum(shot.frames for shot in shots)
        done: dict[str, float] = {}

        def tick(shot: Shot, share: float) -> Awaitable[None]:
            done[shot.id] = share * shot.frames
            return self._meter.show(sum(done.values()) / total)

        async def one(shot: Shot) -> dict[str, Any]:
            inputs = {"engine": ENGINE_VERSION, **task(shot)}
            async with self._slots:
                part = await self._ctx.stage(f"{stage}/{shot.id}", inputs, lambda: reuse_or_draw(shot, inputs))
            await tick(shot, 1.0)
            return part

        async def reuse_or_draw(shot: Shot, inputs: dict[str, Any]) -> dict[str, Any]:
            key = canonical_hash(inputs)
            part = await self._store.cached(self._owner, stage, key)
            if part is not None and present(self._artifacts.path(part["sha256"]), part["bytes"]):
                part = {**part, "shot_id": shot.id, "cache": True}
            else:
                part = {**await draw(shot, tick), "input_hash": key, "cache": False}
                await self._store.cache(self._owner, stage, key, part)
            await self._store.save_shot_part(self._film_id, shot.id, stage, part, job_id=self._job_id)
            return part

        # The longest first: a long shot begun last would leave all processes but one idle at the end.
        by_length = sorted(shots, key=lambda shot: -shot.frames)
        parts = await _all(one(shot) for shot in by_length)
        return {shot.id: part for shot, part in zip(by_length, parts, strict=True)}

    # --- sound, assembly ---------------------------------------------------------------------------------------

    async def _post(self, plan: Plan, shots: list[Shot], segments: dict[str, dict[str, Any]]) -> dict[str, Any]:
        await self._meter.enter("post")
        sound = await self._sound(plan, shots)
        await self._meter.show(0.6)
        inputs = {
            "segments": [segments[shot.id]["sha256"] for shot in shots],
            "sound": sound,
            "subtitles": self._request.subtitles_enabled,
            "title": plan.title,
        }

        async def run() -> dict[str, Any]:
            path = self._work / "master.mp4"
            audio = sound["audio"]
            task = {
                "path": str(path),
                "rate": list(plan.outputs.rate),
                "segments": self._paths(shots, segments),
                "audio": audio and str(self._artifacts.path(audio["sha256"])),
                "cues": sound["cues"] if self._request.subtitles_enabled else [],
                "language": plan.language,
                "metadata": {"title": plan.title, "comment": f"{RENDERER}, {FIDELITY}"},
            }
            await self._farm.run("join", task)
            return {"master": await self._keep(path, f"{_file_name(plan.title)}.mp4", "video/mp4"), **sound}

        return await self._ctx.stage("post", inputs, run)

    async def _sound(self, plan: Plan, shots: list[Shot]) -> dict[str, Any]:
        """Narration and music as one AAC file, and the cues of what is said."""
        request = self._request
        lines = [{"id": shot.id, "text": shot.narration} for shot in shots if shot.narration]
        speak = request.audio_enabled and request.narration_enabled and bool(lines)
        inputs = {
            "engine": ENGINE_VERSION,
            "lines": [(shot.id, shot.start, shot.narration) for shot in shots],
            "outputs": plan.outputs.model_dump(mode="json"),
            "language": plan.language,
            "voice": request.voice,
            "mood": plan.scenes[0].mood,
            "seed": plan.seed,
            "flags": [request.audio_enabled, request.narration_enabled, request.music_enabled],
        }

        async def run() -> dict[str, Any]:
            spoken = await self._speak(lines, plan) if speak else None
            told = {line["id"]: line for line in spoken["lines"]} if spoken else {}
            durations = {key: line["duration_s"] for key, line in told.items()} if spoken else None
            cues, dropped = subtitles.schedule(plan, shots, durations)
            sound: dict[str, Any] = {
                "cues": cues,
                "dropped_lines": dropped,
                "voice": spoken and spoken["voice"],
                "audio": None,
                "mix": None,
            }
            if request.audio_enabled and (speak or request.music_enabled):
                placed = (
                    [{"path": told[cue["shot_id"]]["path"], "start_s": cue["start_s"]} for cue in cues]
                    if spoken
                    else []
                )
                sound |= await self._mix(plan, placed)
            return sound

        return await self._ctx.stage("post/sound", inputs, run)

    async def _speak(self, lines: list[dict[str, Any]], plan: Plan) -> dict[str, Any]:
        task = {"lines": lines, "language": plan.language, "voice": self._request.voice, "folder": str(self._work)}
        return await self._farm.run("speak", task, timeout_s=_SPEAK_TIMEOUT_S)

    async def _mix(self, plan: Plan, lines: list[dict[str, Any]]) -> dict[str, Any]:
        path = self._work / "sound.m4a"
        task = {
            "samples": round(plan.outputs.frames / plan.outputs.fps * _SAMPLE_RATE),
            "scratch": str(self._work / "sound.f32"),
            "path": str(path),
            "lines": lines,
            "music": self._request.music_enabled,
            "mood": plan.scenes[0].mood,
            "seed": plan.seed,
        }
        mix = await self._farm.run("soundtrack", task)
        return {"audio": await self._keep(path, "sound.m4a", "audio/mp4"), "mix": mix}

    # --- control, delivery -------------------------------------------------------------------------------------

    async def _qc(self, plan: Plan, shots: list[Shot], post: dict[str, Any]) -> dict[str, Any]:
        await self._meter.enter("qc")
        master = post["master"]

        async def run() -> dict[str, Any]:
            measured = await self._farm.run(
                "measure",
                {"path": str(self._artifacts.path(master["sha256"]))},
                on_progress=lambda news: self._meter.show(news["frames"] / plan.outputs.frames),
            )
            report = qc.review(
                measured,
                request=self._request,
                plan=plan,
                shots=shots,
                cues=post["cues"],
                with_audio=post["audio"] is not None,
                sha256=master["sha256"],
            )
            await self._store.save_manifest(self._film_id, "qc", report, owner=self._owner, job_id=self._job_id)
            return report

        report = await self._ctx.stage("qc", {"master": master["sha256"], "checks": 1}, run)
        if not report["ok"]:
            raise JobFailed("qc_failed", f"The film did not pass quality control: {', '.join(report['failed'])}.")
        return report

    async def _export(
        self,
        plan: Plan,
        shots: list[Shot],
        boards: dict[str, dict[str, Any]],
        animatic: dict[str, Any],
        segments: dict[str, dict[str, Any]],
        post: dict[str, Any],
        report: dict[str, Any],
    ) -> dict[str, Any]:
        await self._meter.enter("export")
        inputs = {
            "post": post,
            "qc": report["checks"],
            "shots": [shot.id for shot in shots],
            "boards": [boards[shot.id]["sha256"] for shot in shots],
            "animatic": animatic["sha256"],
            "base_url": self._deps.base_url,
        }

        async def run() -> dict[str, Any]:
            media = {shot.id: self._url(segments[shot.id]) for shot in shots}
            edl = timeline.edit_list(plan, shots, media, post["cues"], str(self._film_id))
            await self._store.save_manifest(self._film_id, "edl", edl, owner=self._owner, job_id=self._job_id)
            files = await self._export_files(plan, shots, segments, post, report)
            result = self._result(plan, shots, boards, post, report, files)
            result["animatic"] = self._link(animatic)
            for scene in plan.scenes:
                own = [self._link(segments[shot.id]) for shot in shots if shot.scene_id == scene.id]
                await self._store.save_scene_assets(self._film_id, scene.id, {"segments": own}, job_id=self._job_id)
            await self._store.save_manifest(self._film_id, "export", result, owner=self._owner, job_id=self._job_id)
            return result

        return await self._ctx.stage("export", inputs, run)

    async def _export_files(
        self,
        plan: Plan,
        shots: list[Shot],
        segments: dict[str, dict[str, Any]],
        post: dict[str, Any],
        report: dict[str, Any],
    ) -> dict[str, dict[str, Any]]:
        name = _file_name(plan.title)
        media = {shot.id: self._url(segments[shot.id]) for shot in shots}
        sound = self._url(post["audio"]) if post["audio"] else None
        # Sorted, because a report that comes back from the database has its keys in another order.
        texts = {
            "otio": (timeline.to_otio(plan, shots, media, sound), f"{name}.otio", "application/json"),
            "edl": (timeline.to_edl(plan, shots), f"{name}.edl", "text/plain"),
            "qc": (json.dumps(report, indent=1, sort_keys=True), "qc.json", "application/json"),
        }
        if self._request.subtitles_enabled and post["cues"]:
            texts["subtitles"] = (subtitles.to_format(post["cues"], "srt"), f"{name}.srt", "application/x-subrip")
            texts["subtitles_vtt"] = (subtitles.to_format(post["cues"], "vtt"), f"{name}.vtt", "text/vtt")
        files = {}
        for kind, (text, file_name, media_type) in texts.items():
            stored = await self._artifacts.put_bytes(
                text.encode(), name=file_name, media_type=media_type, owner=self._owner, job_id=self._job_id
            )
            files[kind] = _record(stored)
        path = self._work / "poster.jpg"
        source = str(self._artifacts.path(post["master"]["sha256"]))
        await self._farm.run("poster", {"source": source, "at_s": plan.outputs.duration_s * 0.4, "path": str(path)})
        files["poster"] = await self._keep(path, "poster.jpg", "image/jpeg")
        return files

    def _result(
        self,
        plan: Plan,
        shots: list[Shot],
        boards: dict[str, dict[str, Any]],
        post: dict[str, Any],
        report: dict[str, Any],
        files: dict[str, dict[str, Any]],
    ) -> dict[str, Any]:
        outputs, delivered = plan.outputs, report["delivered"]
        picture = {
            "width": outputs.width,
            "height": outputs.height,
            "fps": delivered["fps"],
            "frames": delivered["frames"],
        }
        return {
            "film_id": str(self._film_id),
            "title": plan.title,
            "master": self._link(post["master"]) | picture | {"duration_s": delivered["duration_s"]},
            "storyboard": [
                self._link(boards[shot.id]) | {"shot_id": shot.id, "caption": shot.caption} for shot in shots
            ],
            **{kind: self._link(record) for kind, record in files.items()},
            "renderer": RENDERER,
            "fidelity": FIDELITY,
            "planned_by": plan.planned_by,
            "fallback_reason": plan.fallback_reason,
            "depicted": _union(shot.depicted for shot in shots),
            "not_depicted": _union(shot.not_depicted for shot in shots),
            "requested": report["requested"],
            "effective": delivered | self._effective(plan, post),
            "shots": len(shots),
            "seed": plan.seed,
            "qc_ok": report["ok"],
            "qc_warnings": report["warnings"],
        }

    def _effective(self, plan: Plan, post: dict[str, Any]) -> dict[str, Any]:
        """What became of the preferences, and why where it is not what was asked."""
        request = self._request
        notes = [f"{name}: has no effect on the preview renderer" for name in request.not_applied]
        if request.character_images:
            notes.append("character_images: kept with the film; the preview renderer draws no likeness")
        if plan.language.split("-")[0] != request.language.split("-")[0]:
            notes.append(
                f"language: narration is in {plan.language!r}; the rule planner does not write {request.language!r}"
            )
        if post["dropped_lines"]:
            notes.append(f"narration: {len(post['dropped_lines'])} line(s) found no room before the end")
        return {
            "language": plan.language,
            "voice": post["voice"],
            "style": plan.style,
            "quality": request.quality,
            # Every frame is drawn at its own moment, so there is nothing between frames to make up.
            "interpolation": "native" if request.interpolate or request.motion_smoothing else None,
            "loudness": post["mix"],
            "notes": notes,
        }

    # --- small things ------------------------------------------------------------------------------------------

    async def _keep(self, path: Path, name: str, media_type: str) -> dict[str, Any]:
        """Put a scratch file into the artifact store and drop the scratch."""
        stored = await self._artifacts.put_file(
            path, name=name, media_type=media_type, owner=self._owner, job_id=self._job_id
        )
        await asyncio.to_thread(path.unlink, True)
        return _record(stored)

    def _paths(self, shots: list[Shot], parts: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        found = []
        for shot in shots:
            part = parts[shot.id]
            path = self._artifacts.path(part["sha256"])
            if not present(path, part["bytes"]):
                raise JobFailed("artifact_missing", f"The rendered shot {shot.id} is no longer in the artifact folder.")
            found.append({"path": str(path), "frames": part["frames"]})
        return found

    def _url(self, record: dict[str, Any]) -> str:
        return f"{self._deps.base_url}{record['url_path']}"

    def _link(self, record: dict[str, Any]) -> dict[str, Any]:
        url = self._url(record)
        kept = {name: record[name] for name in ("sha256", "name", "media_type", "bytes")}
        return {"uri": url, "url": url, **kept}

    def _costs(self) -> dict[str, float]:
        request = self._request
        cores = self._farm.processes
        pixels = request.frames * request.width * request.height
        shots = max(1.0, request.duration_s / request.rules.avg_shot_len_s)
        scale = max(0.1, request.width * request.height / (1920 * 1080))
        return {
            "plan": 0.3,
            "breakdown": 0.3,
            "storyboard": shots * _BOARD_COST_S / cores,
            "animatic": (shots * 0.4 + request.duration_s * 0.06) / cores,
            "final": (pixels * _COST_PER_PIXEL + shots * _PLATES_COST_S * scale) / cores,
            "post": 0.5 + request.duration_s * 0.04,
            "qc": 1 + pixels * _COST_PER_LOOK,
            "export": 0.5,
        }


Tick = Callable[[Shot, float], Awaitable[None]]


def _record(artifact: Artifact) -> dict[str, Any]:
    return {
        "sha256": artifact.sha256,
        "name": artifact.name,
        "media_type": artifact.media_type,
        "bytes": artifact.bytes,
        "url_path": artifact.url_path,
    }


async def _all(coroutines: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order; the first failure cancels the rest and is raised as itself."""

    async def run(coroutine: Awaitable[T]) -> T:
        return await coroutine

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(coroutine)) for coroutine in coroutines]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _within(width: int, height: int, long_side: int) -> tuple[int, int]:
    """The size scaled down to `long_side`, both sides even."""
    scale = min(1.0, long_side / max(width, height))
    return max(16, round(width * scale / 2) * 2), max(16, round(height * scale / 2) * 2)


def _union(lists: Iterable[list[str]]) -> list[str]:
    return sorted({item for items in lists for item in items})


def _file_name(title: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in title.lower()).strip("-") or "film"
