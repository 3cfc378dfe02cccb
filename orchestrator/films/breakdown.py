"""From scenes to shots: how many, how long, how framed. Lengths are whole frames and add up exactly."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

from orchestrator.films.plan import Plan, Scene, Shot
from orchestrator.preview import choose_art
from tools.seeds import derive_seed

# Framing goes round over the film and each framing has its moves in turn, so that no two neighbours look alike.
_FRAMINGS = ("wide", "close", "medium")
_MOVES = {
    "wide": ("push_in", "pan_right", "drift", "tilt_down"),
    "close": ("drift", "push_in", "pan_left", "pan_right"),
    "medium": ("pan_left", "tilt_up", "push_in", "drift"),
}
_VIEWS = {"wide": "From afar", "medium": "Nearer", "close": "Close up"}
_LENSES = {"wide": 24, "medium": 50, "close": 85}
_ANGLES = {"wide": "high", "medium": "eye level", "close": "low"}
# A long breath, two shorter ones: shots of one length feel like a slide show.
_RHYTHM = (1.3, 0.85, 0.75, 1.05)
_FADE_S = 0.35
_NEGATIVE = "text, watermark, distortion"


def break_down(plan: Plan, *, animated: bool = True) -> list[Shot]:
    """Cut the plan's scenes into shots. The same plan always gives the same shots."""
    per_scene = share_out(max(plan.shot_budget, len(plan.scenes)), [scene.weight for scene in plan.scenes], minimum=1)
    weights: list[float] = []
    for scene, count in zip(plan.scenes, per_scene, strict=True):
        weights += _rhythm(scene, count, plan.seed)
    total = sum(per_scene)
    lengths = share_out(plan.outputs.frames, weights, minimum=max(1, plan.outputs.frames // (total * 3)))
    shots: list[Shot] = []
    for scene, count in zip(plan.scenes, per_scene, strict=True):
        for position in range(count):
            shots.append(_shot(plan, scene, position, count, len(shots), lengths, animated=animated))
    return shots


def share_out(total: int, weights: Sequence[float], *, minimum: int) -> list[int]:
    """Split `total` into whole parts in proportion to `weights`, each at least `minimum`; the parts add up exactly.

    Raises ValueError when there is not enough for everyone.
    """
    spare = total - minimum * len(weights)
    if spare < 0:
        raise ValueError(f"cannot share {total} among {len(weights)} with at least {minimum} each")
    exact = [Fraction(weight) * spare / Fraction(sum(map(Fraction, weights))) for weight in weights]
    parts = [minimum + int(part) for part in exact]
    by_remainder = sorted(range(len(weights)), key=lambda index: (exact[index] % 1, -index), reverse=True)
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def _rhythm(scene: Scene, count: int, seed: int) -> list[float]:
    rng = random.Random(derive_seed("rhythm", scene.id, master=seed))
    beats = [_RHYTHM[position % len(_RHYTHM)] * rng.uniform(0.9, 1.1) for position in range(count)]
    return [scene.weight * beat / sum(beats) for beat in beats]


def _shot(
    plan: Plan, scene: Scene, position: int, count: int, index: int, lengths: Sequence[int], *, animated: bool
) -> Shot:
    first, last = index == 0, index == len(lengths) - 1
    framing, move = _covered(index, len(lengths))
    move = move if animated else "hold"
    frames, rate = lengths[index], plan.outputs.fps
    shot_id = f"{scene.id}_SH{position + 1:02d}"
    seed = derive_seed("shot", shot_id, master=plan.seed)
    art, depiction = choose_art(
        scene.prompt,
        seed=seed,
        style=plan.style,
        shot_index=position,
        framing=framing,
        move=move,
        mood=scene.mood,
        time_of_day=scene.tod,
        duration_s=float(frames / rate),
        title=plan.title if first else "",
        context=plan.logline,
    )
    fade = min(round(_FADE_S * rate), frames // 3)
    return Shot(
        id=shot_id,
        scene_id=scene.id,
        index=index,
        seed=seed,
        start=sum(lengths[:index]),
        frames=frames,
        narration=scene.narration[position] if position < len(scene.narration) else "",
        caption=_caption(plan, scene, position, framing),
        fade_in=fade if first or (position == 0 and animated) else 0,
        fade_out=fade if last or (position == count - 1 and animated) else 0,
        dsl=_dsl(scene, framing, move, float(rate), float(frames / rate), plan.style),
        art=art.to_dict(),
        depicted=depiction.depicted,
        not_depicted=depiction.not_depicted,
    )


def _covered(index: int, shots: int) -> tuple[str, str]:
    """Framing and move: in turn, until a film of several shots draws back at its end."""
    if index and index == shots - 1:
        return "medium" if _FRAMINGS[(index - 1) % 3] == "wide" else "wide", "pull_out"
    framing = _FRAMINGS[index % 3]
    return framing, _MOVES[framing][index // 3 % 4]


def _caption(plan: Plan, scene: Scene, position: int, framing: str) -> str:
    """What is seen; where several shots have the same text, with what tells them apart."""
    seen = scene.prompt[:1].upper() + scene.prompt[1:]
    first = position == 0 and next(one for one in plan.scenes if one.prompt == scene.prompt) is scene
    return seen if first else f"{_VIEWS[framing]}, {scene.tod}: {seen}"


def _dsl(scene: Scene, framing: str, move: str, fps: float, duration_s: float, style: str) -> dict[str, object]:
    return {
        "camera": {"type": "virtual", "lens_mm": _LENSES[framing], "fstop": 2.8, "shutter": "180°", "move": move},
        "framing": framing,
        "angle": _ANGLES[framing],
        "fps": round(fps, 6),
        "duration_s": round(duration_s, 6),
        "lighting": scene.tod,
        "palette": scene.mood,
        "action": scene.prompt,
        "env": scene.location,
        "style": style,
        "neg": _NEGATIVE,
    }
