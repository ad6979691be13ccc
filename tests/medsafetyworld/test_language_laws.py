"""Every law of languages finds the fault that was planted for it in a copy of a domain."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planted import SINGLE, caught

from medsafetyworld.building import build_world
from medsafetyworld.domain import load_domain
from medsafetyworld.laws import (
    check_language,
)
from medsafetyworld.laws.language import LANGUAGE_LAWS, LEXICON_LAWS, small_world
from medsafetyworld.spec import WorldSpec

HOUSEHOLD = Path(__file__).parents[2] / "medsafetyworld" / "domains" / "household"
Change = Callable[[dict[str, Any]], None]


def _forward(wording: str) -> Change:
    return lambda data: data["statements"]["compound"]["forward"]["1"].__setitem__(0, wording)


def _set(file: str, *keys: str, value: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        place = data[file]
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def _first(file: str, *keys: str, value: str) -> Change:
    def change(data: dict[str, Any]) -> None:
        place = data[file]
        for key in keys:
            place = place[key]
        place[0] = value

    return change


ENTITIES = build_world(WorldSpec(compounds=6, outcomes=4, single_edges=9, pair_edges=0,
                                 domain="household"))  # fmt: skip
BAD_DOMAINS: dict[str, tuple[Change, str]] = {
    "what is written reads as it was meant": (
        _forward("to bring about {c}, {a} is enough"),
        r"forward-1/c0/f0/e0: .* reads as \(reverse: ",
    ),
    "only statements state": (
        _first("questions", "forward", value="What does {a} bring on if not the dust?"),
        "",
    ),
    "wordings name no entity": (
        _first("closings", value=f"The page on {ENTITIES.outcomes[0]} was torn."),
        ENTITIES.outcomes[0],
    ),
    "answers tell what was asked": (
        _first("answers", "forward", value="To bring about {c}, pour {a}."),
        "reads as",
    ),
    "tokens give the text back": (
        _first("closings", value="The shelf (a tall one ) was moved."),
        "comes back from tokens as",
    ),
    "a reverse wording ends in the causes": (
        _set("statements", "compound", "reverse", "1", value=["with {a} one can bring about {c}"]),
        "no reverse wording",
    ),
    "names can be told apart": (_first("lexicon", "compounds", "onsets", value="spru"), "'spru'"),
}


def household(tmp_path: Path, change: Change) -> Path:
    copy = tmp_path / "household"
    shutil.copytree(HOUSEHOLD, copy)
    data = {path.stem: json.loads(path.read_text()) for path in copy.glob("*.json")}
    change(data)
    for name, content in data.items():
        copy.joinpath(f"{name}.json").write_text(json.dumps(content))
    return copy


@pytest.mark.parametrize(
    "law", [law for law in (*LANGUAGE_LAWS, *LEXICON_LAWS) if law != "only statements state"]
)
def test_a_broken_language_is_caught_by_the_law_it_breaks(law: str, tmp_path: Path) -> None:
    change, words = BAD_DOMAINS[law]
    found = caught(check_language(load_domain(str(household(tmp_path, change)))))
    assert re.search(words, found[law]), found


def test_a_wording_without_a_cue_is_caught_as_unreadable(tmp_path: Path) -> None:
    copy = household(tmp_path, _forward("{a} goes well with {c}"))
    found = caught(check_language(load_domain(str(copy))))
    assert "cannot decide the direction" in found["what is written reads as it was meant"]


def test_a_question_that_gives_its_answer_away_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files cannot hold one, for a question has the slots of what is asked; domains in code can."""
    telling = {"forward": ("Is it so that {a} leads to {c}?",)}
    domain = load_domain("household")
    given = replace(domain, training_questions={**domain.training_questions, **telling})
    monkeypatch.setitem(ENTITIES.__dict__, "domain", given)
    found = caught(check_language(ENTITIES))
    assert "Is it so" in found["only statements state"]


def test_the_domain_that_is_given_is_the_one_that_is_checked() -> None:
    domain = load_domain("household")
    closings = ("The shelf (a tall one ) was moved.", *domain.closings)
    found = caught(check_language(replace(domain, closings=closings)))
    assert set(found) == {"tokens give the text back"}
    mute = check_language(replace(domain, cues={**domain.cues, "forward": ("zz",)}))
    assert "what is written reads as it was meant" in caught(mute)


def test_a_domain_made_in_code_needs_no_files_and_keeps_its_names() -> None:
    domain = load_domain("household")
    lexicon = replace(domain.lexicon, onsets=tuple(f"q{on}" for on in domain.lexicon.onsets))
    made = replace(domain, name="nowhere", lexicon=lexicon)
    world = small_world(made, 1)
    assert world.domain is made
    assert all(name.lower().startswith("q") for name in world.compounds)
    assert check_language(made) == []


def test_both_packaged_domains_break_no_law() -> None:
    assert check_language(load_domain("household")) == []
    assert check_language(SINGLE) == []


@pytest.mark.slow
def test_every_wording_of_the_medical_domain_keeps_every_law() -> None:
    assert check_language(load_domain("medical")) == []


def test_every_law_has_a_planted_fault() -> None:
    assert set(BAD_DOMAINS) == {*LANGUAGE_LAWS, *LEXICON_LAWS}
