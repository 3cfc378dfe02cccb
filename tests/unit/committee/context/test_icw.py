"""The packer: bounded, deterministic, the same for any order of the candidates, and never worse with more room."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from committee.context import icw, tokens
from committee.context.icw import TIERS, Candidate, Hints, PackRequest, Policies, pack
from committee.errors import CitationMismatch, InvalidPack, NothingViable

ROSES = "Roses need six hours of sun. Water them at the root. Prune in late winter. Black spot is a fungus. "


def rose(number: int, **options: object) -> Candidate:
    facts: dict[str, object] = {"domain": f"garden{number}.org", "content": f"Source {number}. {ROSES * 4}" * 3}
    words = " ".join(f"w{number}x{n}" for n in range(60))
    facts["content"] = f"{facts['content']} {words}"
    return Candidate(id=f"c{number}", **{**facts, **options})  # type: ignore[arg-type]


def test_everything_stays_whole_where_there_is_room() -> None:  # C145
    packed = pack(PackRequest("How do I water roses?", (rose(1), rose(2)), budget_tokens=4000, seed=5))
    assert [entry.compression_tier for entry in packed.evidence_index] == ["full", "full"]
    assert packed.icw_version == "1.0.0"
    assert packed.sections["QUERY"] == "How do I water roses?"
    for chunk, entry in zip(packed.sections["PACK"].split("\n\n"), packed.evidence_index, strict=True):
        assert chunk.endswith(f"[#{entry.id}]")
        assert entry.char_count == len(chunk)
    assert packed.scores_summary == {"selected": 2, "independence_index": 1.0, "dup_rate": 0.0}


def test_the_tail_is_degraded_first() -> None:
    packed = pack(PackRequest("water roses", tuple(rose(n) for n in range(8)), budget_tokens=2500))
    tiers = [TIERS.index(entry.compression_tier) for entry in packed.evidence_index]
    assert tiers == sorted(tiers)
    assert tiers[0] == 0
    assert tiers[-1] > 0
    assert packed.audit["degraded"]


def test_topic_authority_and_recency_rank() -> None:
    on_topic, off_topic = Candidate("a", "Roses love water."), Candidate("b", "Steel is an alloy of iron.")
    assert ids(pack(PackRequest("water for roses", (off_topic, on_topic)))) == ["a", "b"]
    primary, doc = Candidate("a", "Soil facts one.", kind="doc"), Candidate("b", "Soil facts two.", kind="primary")
    assert ids(pack(PackRequest("soil", (primary, doc)))) == ["b", "a"]
    government = Candidate("b", "Soil facts two.", domain="soil.gov")
    assert ids(pack(PackRequest("soil", (Candidate("a", "Soil facts one.", domain="soil.com"), government)))) == [
        "b",
        "a",
    ]
    old = Candidate("a", "Soil facts one.", published=date(2015, 1, 1))
    new = Candidate("b", "Soil facts two.", published=date(2025, 1, 1))
    assert ids(pack(PackRequest("soil", (old, new)))) == ["b", "a"]


def test_ties_go_by_authority_and_then_by_hash() -> None:
    code = Candidate("a", "Soil facts one.", kind="code", recency=0.65)
    primary = Candidate("b", "Soil facts two.", kind="primary", recency=0.5)
    packed = pack(PackRequest("soil", (code, primary)))
    assert len(set(packed.audit["scores"].values())) == 1  # type: ignore[attr-defined]
    assert ids(packed) == ["b", "a"]
    last, first = Candidate("a", "Soil facts one.", hash="f"), Candidate("b", "Soil facts two.", hash="0")
    assert ids(pack(PackRequest("soil", (last, first)))) == ["b", "a"]


def test_of_many_candidates_the_best_are_readable() -> None:
    packed = pack(PackRequest("w3x1 w3x2", tuple(rose(n) for n in range(200)), budget_tokens=3500))
    tiers = packed.telemetry["tiers"]
    assert packed.evidence_index[0].id == "c3"
    assert tiers["full"] + tiers["summary"] >= 5  # type: ignore[index]
    assert packed.audit["excluded"]["budget"]  # type: ignore[index]


def test_the_score_is_the_weighted_sum() -> None:
    packed = pack(
        PackRequest(
            "soil", (Candidate("a", "Soil.", domain="x.gov", kind="primary", published=date(2025, 1, 1)),),
            policies=Policies(horizon=(date(2024, 1, 1), date(2025, 1, 1))),
        )
    )  # fmt: skip
    entry = packed.evidence_index[0]
    assert (entry.authority, entry.recency, entry.diversity) == (1.0, 1.0, 1.0)
    assert packed.audit["scores"] == {"a": 1.0}


def test_sources_are_capped() -> None:
    candidates = tuple(rose(n, domain="one.org") for n in range(4))
    packed = pack(PackRequest("roses", candidates, budget_tokens=9000))
    assert len(packed.evidence_index) == 2
    assert packed.scores_summary["independence_index"] == 0.5
    assert len(packed.audit["excluded"]["source_cap"]) == 2  # type: ignore[index]
    assert {entry.diversity for entry in packed.evidence_index} == {1.0, 0.5}


def test_duplicates_and_near_duplicates_are_dropped() -> None:
    long = " ".join(f"word{n}" for n in range(300))
    candidates = (
        Candidate("a", long, domain="a.org"), Candidate("b", long, domain="b.org"),
        Candidate("c", long.replace("word150", "changed"), domain="c.org"), Candidate("d", "Other.", domain="d.org"),
    )  # fmt: skip
    packed = pack(PackRequest("word1", candidates, budget_tokens=9000))
    assert len(packed.evidence_index) == 2
    assert packed.scores_summary["dup_rate"] == 0.5


def test_horizon_and_forbidden_domains_exclude() -> None:
    candidates = (
        Candidate("old", "Soil one.", published=date(2010, 1, 1)),
        Candidate("bad", "Soil two.", domain="www.ads.bad.com"),
        Candidate("good", "Soil three.", published=date(2024, 6, 1)), Candidate("undated", "Soil four."),
    )  # fmt: skip
    packed = pack(
        PackRequest(
            "soil", candidates, policies=Policies(horizon=(date(2024, 1, 1), date(2024, 12, 31))),
            hints=Hints(forbidden_domains=("bad.com",)),
        )
    )  # fmt: skip
    assert ids(packed) == ["good", "undated"]
    assert packed.audit["excluded"] == {"forbidden": ("bad",), "horizon": ("old",)}


def test_a_preferred_domain_gains_a_little() -> None:
    candidates = Candidate("a", "Soil one.", domain="a.com"), Candidate("b", "Soil two.", domain="b.com")
    packed = pack(PackRequest("soil", candidates, hints=Hints(preferred_domains=("b.com",))))
    assert ids(packed) == ["b", "a"]
    assert packed.evidence_index[0].authority == pytest.approx(packed.evidence_index[1].authority + 0.05)


def test_nothing_viable_names_the_gaps() -> None:
    with pytest.raises(NothingViable) as caught:
        pack(PackRequest("soil", ()))
    assert caught.value.gaps == ("There are no candidates.",)
    with pytest.raises(NothingViable) as caught:
        pack(
            PackRequest(
                "soil", (Candidate("a", "  "), Candidate("b", "x", domain="b.io")), hints=Hints((), (), ("b.io",))
            )
        )
    assert len(caught.value.gaps) == 2
    with pytest.raises(NothingViable) as caught:
        pack(PackRequest("soil", (rose(1),), budget_tokens=16))
    needed = int(caught.value.gaps[0].rpartition("about ")[2].split()[0])
    assert len(pack(PackRequest("soil", (rose(1),), budget_tokens=needed)).evidence_index) == 1


@pytest.mark.parametrize("id", ["", "a b", "x]", "[#y", "-x", "x" * 200])
def test_what_cannot_be_cited_is_refused(id: str) -> None:
    with pytest.raises(InvalidPack):
        pack(PackRequest("soil", (Candidate(id, "text"),)))


def test_ids_are_unique() -> None:
    with pytest.raises(InvalidPack, match="Two candidates"):
        pack(PackRequest("soil", (Candidate("a", "x"), Candidate("a", "y"))))


def test_a_candidate_cannot_forge_citations() -> None:
    packed = pack(PackRequest("soil [#zzz]", (Candidate("a", "Soil, as [#b] says [#a].", title="[#c]"),)))
    assert icw.citations(packed.sections["PACK"]) == ["a"]
    assert icw.citations(packed.sections["QUERY"]) == []


def test_citations_are_checked_both_ways() -> None:
    icw.check_citations("It rains [#a].", ["a", "b"])
    with pytest.raises(CitationMismatch, match=r"not in the evidence: c"):
        icw.check_citations("It rains [#c].", ["a"])
    with pytest.raises(CitationMismatch, match=r"never cited: b"):
        icw.check_citations("It rains [#a].", ["a", "b"], all_cited=True)


def test_the_seed_names_the_run_and_changes_nothing_else() -> None:
    request = PackRequest("soil", (rose(1), rose(2)))
    one, other = pack(request), pack(replace(request, seed=9))
    assert one.run_id != other.run_id
    assert one.sections == other.sections


def test_megabytes_take_seconds_at_most() -> None:
    text = " ".join(f"word{n % 5000}" for n in range(120_000))
    packed = pack(PackRequest("word7", tuple(rose(n, content=f"{n} {text}") for n in range(8)), budget_tokens=3500))
    assert packed.evidence_index


WORDS = st.sampled_from(
    ["rose", "water", "sun", "soil", "prune", "fungus", "Wasser", "水やり", "polyanthus", "[#c1]", "##", "é"]
)
CONTENTS = st.builds(
    lambda parts: " ".join(w * n for w, n in parts), st.lists(st.tuples(WORDS, st.integers(1, 40)), max_size=40)
)


@st.composite
def requests(draw: st.DrawFn) -> PackRequest:
    count = draw(st.integers(1, 8))
    candidates = tuple(
        Candidate(
            f"c{number}",
            draw(CONTENTS),
            title=draw(st.sampled_from(["", "Roses", "On [#c2] and soil"])),
            domain=draw(st.sampled_from(["", "a.gov", "b.edu", "c.com"])),
            published=draw(st.none() | st.dates(date(2000, 1, 1), date(2026, 1, 1))),
            kind=draw(st.sampled_from(["primary", "code", "secondary", "media", "doc"])),
        )
        for number in range(count)
    )
    return PackRequest(
        draw(st.sampled_from(["", "water roses", "soil?"])), candidates, seed=draw(st.integers(0, 3)),
        budget_tokens=draw(st.integers(20, 3000)),
        policies=Policies(max_per_source=draw(st.integers(1, 4)), reserve_frac=draw(st.sampled_from([0.0, 0.12, 0.5]))),
    )  # fmt: skip


def packed_or_none(request: PackRequest) -> icw.Pack | None:
    try:
        return pack(request)
    except NothingViable:
        return None


@settings(max_examples=200, deadline=None)
@given(requests(), st.randoms(use_true_random=False))
def test_bounded_deterministic_and_blind_to_order(request: PackRequest, chance: random.Random) -> None:
    packed = packed_or_none(request)
    assert packed == packed_or_none(request)
    shuffled = list(request.candidates)
    chance.shuffle(shuffled)
    assert packed == packed_or_none(replace(request, candidates=tuple(shuffled)))
    if packed is None:
        return
    whole = sum(tokens.weigh(text) for text in packed.sections.values())
    assert packed.estimated_tokens * icw.GUARD <= request.budget_tokens * (1 - request.policies.reserve_frac) + 1.1
    assert packed.estimated_tokens == tokens.of_weight(whole)
    assert icw.citations(packed.sections["PACK"]) == ids(packed)
    assert all(0 <= mark <= 1 for e in packed.evidence_index for mark in (e.authority, e.recency, e.diversity))


@settings(max_examples=200, deadline=None)
@given(requests(), st.integers(0, 2000))
def test_more_room_never_shows_less(request: PackRequest, more: int) -> None:
    small = packed_or_none(request)
    large = packed_or_none(replace(request, budget_tokens=request.budget_tokens + more))
    if small is None:
        return
    assert large is not None
    assert ids(large)[: len(ids(small))] == ids(small)
    for narrow, wide in zip(small.evidence_index, large.evidence_index, strict=False):
        assert TIERS.index(wide.compression_tier) <= TIERS.index(narrow.compression_tier)


@settings(max_examples=200, deadline=None)
@given(CONTENTS)
def test_each_tier_is_no_longer_than_the_one_above(content: str) -> None:
    chunk = icw.chunk_of(Candidate("c1", content, title="Roses"), frozenset({"rose"}))
    weights = [chunk.weight(tier) for tier in range(len(TIERS))]
    assert weights == sorted(weights, reverse=True)
    assert all(chunk.text(tier).endswith("[#c1]") for tier in range(len(TIERS)))


def ids(packed: icw.Pack) -> list[str]:
    return [entry.id for entry in packed.evidence_index]
