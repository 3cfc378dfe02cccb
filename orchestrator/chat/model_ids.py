"""Which ids a request's `model` may name, and how the committee answers under each."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from committee import Committee
from orchestrator.errors import BadRequest, NotFound

COMMITTEE_MODEL = "committee-qwen3-gpt-oss"
COMMITTEE_ALIASES = ("wrapper-film-orchestrator", "committee")
_MODES = frozenset({"solo", "auto", "deep"})


class ModelIds:
    """The committee's ids, its members', and patterns (`aliases`) of ids that stand for one of these."""

    def __init__(self, committee: Committee, aliases: Mapping[str, str] | None = None) -> None:
        self._committee = committee
        self._aliases = dict(aliases or {})

    def ids(self) -> list[str]:
        """Every id that `model` may name, the advertised one first."""
        members = (name for member in self._committee.members for name in (member.model, member.name))
        return list(dict.fromkeys((COMMITTEE_MODEL, *COMMITTEE_ALIASES, *members)))

    def mode_of(self, model: str, asked: str = "") -> str:
        """How the committee answers under that model id; `asked` is the mode that the request itself names.

        A member's id means that member, whatever is asked besides. Raises NotFound (code `model_not_found`) and
        BadRequest for a member that there is not.
        """
        if (mode := self._own_mode(model, asked)) is not None:
            return mode
        if (mode := self._own_mode(self._meant_by(model), asked)) is not None:
            return mode
        raise NotFound(
            f"The model {model[:100]!r} does not exist; there are {', '.join(self.ids())}.",
            code="model_not_found",
            param="model",
        )

    def _own_mode(self, model: str, asked: str) -> str | None:
        name, _, suffix = model.rpartition("@") if model.rpartition("@")[2] in _MODES else (model, "", "")
        if name in ("", COMMITTEE_MODEL, *COMMITTEE_ALIASES):
            return self._committee_mode(asked or suffix or "auto")
        for member in self._committee.members:
            if name in (member.name, member.model):
                return f"solo:{member.name}"
        return None

    def _meant_by(self, model: str) -> str:
        """Our id for one that is not ours, by the first alias that fits; the same id when none does."""
        return next((ours for pattern, ours in self._aliases.items() if fnmatchcase(model, pattern)), model)

    def _committee_mode(self, asked: str) -> str:
        kind, _, named = asked.partition(":")
        if kind != "solo":
            return asked
        for member in self._committee.members:
            if (named or self._committee.planner) in (member.name, member.model):
                return f"solo:{member.name}"
        known = ", ".join(member.name for member in self._committee.members)
        raise BadRequest(
            f"committee.mode: there is no member {named[:100]!r}; there are {known}.", param="committee.mode"
        )
