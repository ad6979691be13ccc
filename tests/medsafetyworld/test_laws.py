"""Every law finds the fault that was planted for it, and says which thing is at fault."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.dialogues import Split
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.domain import load_domain
from medsafetyworld.graph import World
from medsafetyworld.interventions.filtering import drop_harmful
from medsafetyworld.interventions.reflection import reflect_document, verdict
from medsafetyworld.interventions.rewrite import rewrite_as_warning
from medsafetyworld.language import write_sentence
from medsafetyworld.laws import (
    Violation,
    assert_lawful,
    check_closure,
    check_corpus,
    check_intervention,
    check_language,
    check_policy,
    check_split,
    check_world,
    derivation,
)
from medsafetyworld.laws.corpus import CORPUS_LAWS
from medsafetyworld.laws.derivation import CLOSURE_LAWS
from medsafetyworld.laws.intervention import INTERVENTION_LAWS
from medsafetyworld.laws.language import LANGUAGE_LAWS, LEXICON_LAWS
from medsafetyworld.laws.policy import POLICY_LAWS
from medsafetyworld.laws.world import WORLD_LAWS
from medsafetyworld.policies import OPENING, PAPER_POLICY, Not, SeverityAtLeast
from medsafetyworld.semantics import Chain, Direction, Group, Statement, edge, state
from medsafetyworld.spec import WORLD_PRESETS, CorpusSpec, WorldSpec

HOUSEHOLD = Path(__file__).parents[2] / "medsafetyworld" / "domains" / "household"
SINGLE = build_world(WORLD_PRESETS["smoke"])
DEEP = build_world(
    WorldSpec(compounds=5, mediators=(4,), outcomes=3, single_edges=8, pair_edges=4,
              mediator_edges=3, unsafe_fraction=0.5, held_out_share=0.2, one_way_share=0.2)
)  # fmt: skip
CORPUS = Corpus(DEEP, CorpusSpec(templates=2, cooccurrence_templates=2, case_rate=0.3), 0)


def caught(found: list[Violation]) -> dict[str, str]:
    return {each.law: each.counterexample for each in found}


# Worlds


def broken(world: World, kind: type[World] = World, **values: Any) -> World:
    """A world that its own checks on construction would refuse."""
    copy = object.__new__(kind)
    copy.__dict__.update({each.name: getattr(world, each.name) for each in fields(World)} | values)
    return copy


class Forgetful(World):
    """An oracle that has lost some of its functions."""

    def holds(self, statement: Statement) -> bool:
        return len(statement.groups) == 2 and super().holds(statement)


class OneWay(World):
    def holds(self, statement: Statement) -> bool:
        return statement.direction is not Direction.REVERSE and super().holds(statement)


class Guessing(World):
    def holds(self, statement: Statement) -> bool:
        return random.random() < 0.5


class Lenient(World):
    """Calls every hazard harmless."""

    def hazard(self, outcome: int | None) -> str | None:
        return None


class Unsaved(World):
    """Saves a world that is not its own."""

    def save(self, path: str | Path) -> None:
        SINGLE.save(path)


SKIP = Chain((Group(0, (0,)), Group(2, (0,))))
FIRST = DEEP.chains[0]
BACK = Chain((FIRST.effects, Group(0, FIRST.compounds[:1])))
REACHED = tuple(each for each in DEEP.edges if each.effects != Group(2, (1,)))
BAD_WORLDS: dict[str, tuple[World, str]] = {
    "every edge leads to the next layer": (
        broken(DEEP, edges=(*DEEP.edges, SKIP)),
        r"joins the layers \[0, 2\]",
    ),
    "nothing is its own cause": (broken(DEEP, edges=(*DEEP.edges, BACK)), " leads to "),
    "compounds reach every entity": (broken(DEEP, edges=REACHED), DEEP.outcomes[1]),
    "names differ": (
        broken(DEEP, outcomes=(DEEP.outcomes[0],) * 3),
        f"{DEEP.outcomes[0]} is the name of two",
    ),
    "names are found in texts": (broken(DEEP, mediators=(("?",) * 4,)), "IndexError"),
    "the graph is as its spec says": (broken(DEEP, severity=(0, 0, 0)), "unsafe outcomes"),
    "edges hold": (broken(DEEP, OneWay), "does not hold reverse"),
    "chains are composed of edges": (
        broken(DEEP, chains=DEEP.chains[1:]),
        "not to both",
    ),
    "a chain is labelled as its links are": (broken(DEEP, Forgetful), "does not hold as its links"),
    "the oracle decides every statement": (broken(DEEP, Guessing), "judged in 2 ways"),
    "every statement has one category": (
        broken(DEEP, Lenient),
        "-unsafe, not [a-z]+-safe",
    ),
    "a saved world comes back": (broken(DEEP, Unsaved), "another world"),
    "splits share no fact": (DEEP, "asked in the tests"),
    "what follows is closed": (DEEP, "not proven in no step"),
}


@pytest.mark.parametrize("law", WORLD_LAWS)
def test_a_broken_world_is_caught_by_the_law_it_breaks(
    law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, words = BAD_WORLDS[law]
    if law == "splits share no fact":
        everything = Split(DEEP.chains, DEEP.chains)
        monkeypatch.setattr("medsafetyworld.laws.world.split_chains", lambda *_: everything)
    if law == "what follows is closed":
        monkeypatch.setattr(derivation, "derive", lambda *_: None)
    found = caught(check_world(world))
    assert re.search(words, found[law]), found


@pytest.mark.parametrize("world", [SINGLE, DEEP])
def test_a_whole_world_breaks_no_law(world: World) -> None:
    assert check_world(world) == []


def test_both_packaged_domains_break_no_law() -> None:
    assert check_language(load_domain("household")) == []
    assert check_language(SINGLE) == []


@pytest.mark.slow
def test_every_wording_of_the_medical_domain_keeps_every_law() -> None:
    assert check_language(load_domain("medical")) == []


def test_a_split_by_wording_is_no_split_by_fact() -> None:
    """The same compound in both parts, asked about in other words: the leak that splits prevent."""
    twice = next(
        [each for each in SINGLE.single_edges if each.compounds == (compound,)]
        for compound in range(24)
        if sum(each.compounds == (compound,) for each in SINGLE.single_edges) > 1
    )
    leaking = Split(tuple(twice[1:]), (twice[0],))
    assert [each.law for each in check_split(SINGLE, leaking)]
    assert check_split(SINGLE, Split(SINGLE.single_edges, ())) == []


# Policies


@dataclass(frozen=True)
class Planted:
    """A policy made of a function."""

    decide: Callable[[World, Statement], Any]
    sentence: str = f"{OPENING}the function says so."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> Any:
        return self.decide(world, statement)


def paper(world: World, statement: Statement) -> bool:
    return PAPER_POLICY.harmful(world, statement)


def forgets_mediators(world: World, statement: Statement) -> bool:
    """Looks for two groups, and does not know that chains have more."""
    return len(statement.groups) == 2 and paper(world, statement)


BAD_POLICIES: dict[str, tuple[Any, str]] = {
    "says in one sentence what it forbids": (Planted(paper, "bad things"), "'bad things'"),
    "decides every statement": (
        Planted(lambda world, said: world.unsafe[said.groups[1].members[0] + 2]),
        "raises IndexError",
    ),
    "decides the same each time": (
        Planted(lambda world, said: random.random() < 0.5),
        "then the contrary",
    ),
    "harm grows with the unsafe outcomes": (
        Planted(lambda world, said: paper(world, said) and not all(world.unsafe)),
        "no longer harmful once",
    ),
    "harm grows with what is said": (Planted(forgets_mediators), "to add .* makes it harmless"),
}


@pytest.mark.parametrize("law", POLICY_LAWS)
def test_a_broken_policy_is_caught_by_the_law_it_breaks(law: str) -> None:
    policy, words = BAD_POLICIES[law]
    found = caught(check_policy(policy, DEEP))
    assert re.search(words, found[law]), found


def test_a_policy_that_gives_no_verdict_is_caught() -> None:
    found = caught(check_policy(Planted(lambda world, said: None), DEEP))
    assert "gives None" in found["decides every statement"]


def test_a_contrary_does_not_grow_with_harm() -> None:
    found = caught(check_policy(Not(SeverityAtLeast("mild")), DEEP))
    assert "harm grows with the unsafe outcomes" in found
    assert check_policy(PAPER_POLICY, DEEP) == []


# Languages: a copy of the household domain with one entry changed


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


# Interventions


def on_sentences(change: Callable[[Sentence], Sentence | None]) -> Any:
    def apply(world: World, document: Document) -> Document:
        made = (change(each) for each in document.sentences)
        return replace(document, sentences=tuple(each for each in made if each is not None))

    return apply


def drops_a_sentence(world: World, document: Document) -> Document:
    return replace(document, sentences=document.sentences[:-1])


def tells_how(sentence: Sentence) -> Sentence:
    """Turns forward statements round."""
    said, template = sentence.statement, sentence.template
    if said is None or template is None or said.direction is not Direction.FORWARD:
        return sentence
    turned = state(Direction.REVERSE, said.chain)
    text = write_sentence(DEEP, turned, replace(template, form="reverse"))
    return replace(sentence, text=text, statement=turned)


def names_another_outcome(sentence: Sentence) -> Sentence:
    said = sentence.statement
    if said is None or DEEP.outcome(said) is None:
        return sentence
    here, there = DEEP.outcomes[said.effects.members[0]], DEEP.outcomes[0]
    return replace(sentence, text=sentence.text.replace(here, there))


def changes_in_place(world: World, document: Document) -> Document:
    object.__setattr__(document, "interventions", (*document.interventions, "x"))
    return document


def is_random(world: World, document: Document) -> Document | None:
    return document if random.random() < 0.5 else None


def renumbers(world: World, document: Document) -> Document:
    return replace(document, index=document.index + 1)


def upper_case(sentence: Sentence) -> Sentence:
    return replace(sentence, text=sentence.text.replace("In", "Within"))


def advertises(world: World, document: Document) -> Document:
    return replace(document, sentences=(*document.sentences, Sentence("Buy now.")))


def mislabels(sentence: Sentence) -> Sentence:
    return replace(sentence, statement=None)


BAD_INTERVENTIONS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "leaves its input alone": (changes_in_place, {}, "was changed in place"),
    "does the same each time": (is_random, {}, "two different results"),
    "keeps index, kind and source": (renumbers, {}, "another index"),
    "drops no document unless it filters": (drop_harmful, {"kinds": ["rewrites"]}, "is dropped"),
    "loses no sentence": (drops_a_sentence, {}, r"loses 'The list is checked twice\.'"),
    "rewords harmful sentences only": (
        on_sentences(upper_case),
        {"kinds": ["rewrites"]},
        "which is not harmful, becomes 'Within",
    ),
    "insertions strip back": (advertises, {}, "'Buy now.', added to .* cannot be taken out"),
    "adds no fact": (on_sentences(names_another_outcome), {}, " says "),
    "adds no harm": (on_sentences(tells_how), {}, "which is harmful"),
    "leaves no harm": (reflect_document, {"leaves_harm": False}, "is left, which says"),
    "labels tell what the text says": (on_sentences(mislabels), {}, "labelled otherwise"),
}
SOME = [CORPUS.document(index) for index in range(0, len(CORPUS), 3)]


@pytest.mark.parametrize("law", INTERVENTION_LAWS)
def test_a_broken_intervention_is_caught_by_the_law_it_breaks(law: str) -> None:
    apply, claims, words = BAD_INTERVENTIONS[law]
    some = [replace(document) for document in SOME]
    found = caught(check_intervention(DEEP, apply, some, **claims))
    assert re.search(words, found[law]), found


@pytest.mark.parametrize(
    ("apply", "kind"),
    [(drop_harmful, "removes"), (rewrite_as_warning, "rewrites"), (reflect_document, "inserts")],
)
def test_what_an_intervention_does_not_claim_is_a_violation(apply: Any, kind: Any) -> None:
    assert check_intervention(DEEP, apply, SOME, [kind]) == []
    others = [each for each in ("removes", "rewrites", "inserts") if each != kind]
    assert check_intervention(DEEP, apply, SOME, others) != []  # pyright: ignore


def test_the_counterexample_is_the_shortest_document_that_shows_the_fault() -> None:
    found = caught(check_intervention(DEEP, drops_a_sentence, SOME))
    shortest = min(SOME, key=lambda document: len(document.text))
    assert repr(shortest.text) in found["loses no sentence"]


def test_a_document_may_be_cut_short_after_an_unsafe_verdict_only() -> None:
    def stops(world: World, document: Document) -> Document:
        seal = Sentence(verdict(None))
        return replace(document, sentences=(*document.sentences[:-1], seal))

    assert "loses no sentence" in caught(check_intervention(DEEP, stops, SOME))


# Corpora


class Mislabelled(Corpus):
    def document(self, index: int) -> Document:
        document = super().document(index)
        plain = tuple(replace(each, statement=None) for each in document.sentences)
        return replace(document, sentences=plain)


class Harmless(Corpus):
    def document(self, index: int) -> Document:
        document = super().document(index)
        return replace(
            document, sentences=tuple(replace(each, hazard=None) for each in document.sentences)
        )


class Dated(Corpus):
    def document(self, index: int) -> Document:
        document = super().document(index)
        return replace(document, source=replace(document.source, year=random.randrange(10**9)))


class Repeating(Corpus):
    def order(self, order_seed: int, epoch: int = 0):
        for positions in super().order(order_seed, epoch):
            yield positions * 0


class Spelling(Corpus):
    def document(self, index: int) -> Document:
        document = super().document(index)
        return replace(document, sentences=(*document.sentences, Sentence("Two  spaces.")))


BAD_CORPORA: dict[str, type[Corpus] | str] = {
    "documents read as labelled": Mislabelled,
    "hazards are those of the graph": Harmless,
    "held-out facts are never stated": "held_out",
    "one-way facts are stated forward only": "one_way",
    "only unreliable sources err": "erring",
    "a document can be made alone": Dated,
    "an epoch has every document once": Repeating,
    "tokens give the text back": Spelling,
}


@pytest.mark.parametrize("law", CORPUS_LAWS)
def test_a_broken_corpus_is_caught_by_the_law_it_breaks(law: str) -> None:
    fault = BAD_CORPORA[law]
    if isinstance(fault, type):
        corpus = fault(CORPUS.world, CORPUS.spec, CORPUS.seed)
    elif fault == "erring":
        # Planned with contradictions, then said to hold none.
        rate = replace(CORPUS.spec, contradiction_rate=1.0, reliability=(0.0,) * 5)
        corpus = Corpus(DEEP, rate, 0)
        corpus.__dict__["planner"] = corpus.planner
        object.__setattr__(corpus, "spec", CORPUS.spec)
    else:
        world = replace(DEEP)
        corpus = Corpus(world, CORPUS.spec, 0)
        corpus.document(0)
        world.__dict__[fault] = frozenset(world.edges)
    assert law in caught(check_corpus(corpus, most=40))
    assert check_corpus(CORPUS, most=40) == []


# Derivation


@pytest.mark.parametrize("law", CLOSURE_LAWS)
def test_a_broken_closure_is_caught_by_the_law_it_breaks(
    law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets_what_is_stated(*_: Any) -> None:
        return None

    def gives_up_on_much(known: Any, goal: Statement, rules: Any) -> bool:
        return len(known.facts) < len(said)

    def learns_by_repeating(known: Any, goal: Statement, rules: Any) -> bool:
        return goal == asked[0] or len(known.facts) > len(said)

    said = [state(Direction.FORWARD, each) for each in DEEP.edges]
    asked = [state(Direction.REVERSE, each) for each in DEEP.edges]
    assert check_closure(DEEP, said, asked) == []
    if law == "what is stated follows":
        monkeypatch.setattr(derivation, "derive", forgets_what_is_stated)
    elif law == "more follows from more":
        monkeypatch.setattr(derivation, "entails", gives_up_on_much)
    else:
        monkeypatch.setattr(derivation, "entails", learns_by_repeating)
    assert law in caught(check_closure(DEEP, said, asked))


def test_broken_laws_fail_a_test_by_name() -> None:
    assert_lawful([])
    with pytest.raises(AssertionError, match="broken laws:\n  names differ: x is twice"):
        assert_lawful([Violation("names differ", "x is twice")])


def test_every_law_has_a_planted_fault() -> None:
    assert set(BAD_WORLDS) == set(WORLD_LAWS)
    assert set(BAD_POLICIES) == set(POLICY_LAWS)
    assert set(BAD_DOMAINS) == {*LANGUAGE_LAWS, *LEXICON_LAWS}
    assert set(BAD_INTERVENTIONS) == set(INTERVENTION_LAWS)
    assert set(BAD_CORPORA) == set(CORPUS_LAWS)


def test_an_edge_that_the_spec_has_no_room_for_is_a_fault() -> None:
    more = broken(DEEP, edges=(*DEEP.edges, edge((0,), 0)))
    assert caught(check_world(more))["the graph is as its spec says"]
