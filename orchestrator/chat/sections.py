"""What the server adds after the members' words: results of its tools, and what became of the turn."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from committee import Finished
from orchestrator.chat.confirmation import announcement
from orchestrator.chat.effects import ActedCall

_MOST_IDS_SHOWN = 20
_LONGEST_ERROR = 800


def sections(acted: Sequence[ActedCall], finished: Finished, *, broken: str, written: bool, base_url: str) -> str:
    """`### Tool Results` and `### Status`, each only where there is something to say; empty without both.

    broken: why the answer broke off, empty when it did not. written: the members have said something.
    """
    parts = []
    if lines := tool_result_lines(acted, base_url):
        parts.append("### Tool Results\n" + "\n".join(lines) + "\n")
    status = []
    if broken:
        status.append(f"The answer broke off ({broken}). What was started goes on.")
    elif not written:
        # An empty answer makes some editors send the whole request again.
        status.append(f"No member could put this into words ({_causes(finished)}).")
    if held := finished.account.held:
        status.append(announcement(held))
    if status:
        parts.append("### Status\n" + "\n\n".join(status) + "\n")
    added = "\n".join(parts)
    return f"\n\n{added}" if written and added else added


def watch_url(base_url: str, job_id: str | UUID) -> str:
    """Where the chat page shows a job while it runs."""
    return f"{base_url}/#/jobs/{job_id}"


def tool_result_lines(acted: Sequence[ActedCall], base_url: str) -> list[str]:
    """The section's lines: films, jobs, where to watch them, what failed."""
    job_ids = list(dict.fromkeys(job_id for a in acted for job_id in a.result.job_ids))[:_MOST_IDS_SHOWN]
    films = list(dict.fromkeys(a.result.film_id for a in acted if a.result.film_id))[:_MOST_IDS_SHOWN]
    errors = [f"{a.call.name}: {a.result.error}" for a in acted if a.result.error]
    lines: list[str] = []
    if films:
        lines.append(f"- **film_id**: {_quoted(films)}")
    if job_ids:
        lines.append(f"- **jobs**: {_quoted(job_ids)}")
        lines += [f"- **watch**: {watch_url(base_url, job_id)}" for job_id in job_ids]
        lines += [f"- **status**: {base_url}/jobs/{job_id}" for job_id in job_ids]
    if errors:
        lines.append(f"- **errors**: {' '.join('; '.join(errors).split())[:_LONGEST_ERROR]}")
    done = [a.call.name for a in acted if not a.result.error and not a.result.job_ids]
    if done:
        lines.append(f"- **done**: {_quoted(done)}")
    return lines


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _causes(finished: Finished) -> str:
    return "; ".join(f"{member}: {cause}" for member, cause in finished.causes.items()) or "the answer was empty"
