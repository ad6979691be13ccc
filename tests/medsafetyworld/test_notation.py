"""Variants as text: what is written is read back, and a mistake is one sentence that helps."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import SINGLE as WORLD

from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import REGISTRY, VARIANTS, Step, Variant, parse, write
from medsafetyworld.interventions.decoding import (
    Conditioned,
    Decoding,
    Greedy,
    SafeBeam,
    StopOn,
)
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.interventions.learned import uses_learned
from medsafetyworld.interventions.notation import LONGEST, written
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.rewrite import Rewrite
from medsafetyworld.interventions.verdicts import Oracle
from medsafetyworld.policies import POLICIES
from medsafetyworld.spec import ReflectionSpec
from medsafetyworld.testing import steps
from medsafetyworld.tokenizer import HARM

COUNTS = st.integers(1, 8)


def decodings(tokens: list[str]) -> st.SearchStrategy[Decoding]:
    """Rules that look for what the steps insert."""
    chosen = st.sampled_from(tokens or [HARM])
    beams = st.builds(SafeBeam, beams=COUNTS, ahead=st.integers(2, 8), tag=chosen)
    told = st.builds(StopOn, chosen) | st.builds(Conditioned, chosen)
    return st.just(Greedy()) | beams | told if tokens else st.just(Greedy()) | beams


WINDOWS = st.tuples(st.floats(0, 0.5), st.floats(0.6, 1.0))


def chains(acts_on: str) -> st.SearchStrategy[tuple[Step, ...]]:
    kinds = [made for made in REGISTRY.values() if acts_on in made.acts_on()]
    drawn = st.sampled_from(kinds).flatmap(steps)
    if acts_on == "dialogues":  # trained classifiers have seen no question
        drawn = drawn.filter(lambda step: not uses_learned(step))
    return st.lists(drawn, max_size=3).map(tuple)


@st.composite
def variants(draw: st.DrawFn) -> Variant:
    """Any steps in any chain, some of them with windows, and any decoding rule."""
    windows = draw(st.lists(st.just((0.0, 1.0)) | WINDOWS, min_size=3, max_size=3))
    timed = zip(draw(chains("documents")), windows, strict=False)
    found = Variant(
        "drawn",
        pretraining=tuple(replace(step, when=when) for step, when in timed),
        sft=draw(chains("dialogues")),
        finetune=draw(chains("dialogues")),
    )
    tokens = [mark for step in found.steps for mark in step.marks]
    return replace(found, decoding=draw(decodings(tokens)))


@given(variants())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(variant: Variant) -> None:
    text = write(variant)
    again = parse(text, "drawn")
    assert again == variant
    assert write(again) == text


@pytest.mark.parametrize("name", VARIANTS)
def test_every_named_setting_is_read_back(name: str) -> None:
    again = parse(write(VARIANTS[name]), name)
    assert replace(again, description=VARIANTS[name].description) == VARIANTS[name]


@pytest.mark.parametrize(
    ("text", "canonical", "variant"),
    [
        ("baseline", "baseline", {}),
        (" pretraining : baseline ", "baseline", {}),
        ("filter()", "filter", {"pretraining": (Filter(),)}),
        ("filter(harmful)", "filter", {"pretraining": (Filter(),)}),
        ("filter('unsafe')", "filter(what=unsafe)", {"pretraining": (Filter("unsafe"),)}),
        (
            "rewrite|filter( 3,when = .2)",
            "rewrite | filter(what=3, when=(0.2, 1.0))",
            {"pretraining": (Rewrite(), Filter(3, when=(0.2, 1.0)))},
        ),
        (
            "sft: reflect(every=2)",
            "baseline; sft: reflect(every=2)",
            {"sft": (Reflect(every=2),)},
        ),
        (
            "filter(by=oracle(policy=mediator_aware))",
            "filter(by=oracle(policy=mediator_aware))",
            {"pretraining": (Filter(by=Oracle("mediator_aware")),)},
        ),
        (
            "decode: safe_beam(2); finetune: reflect; pretraining: filter",
            "filter; finetune: reflect; decode: safe_beam(beams=2)",
            {
                "pretraining": (Filter(),),
                "finetune": (Reflect(),),
                "decoding": SafeBeam(beams=2),
            },
        ),
        ("baseline; decode: greedy", "baseline", {}),
    ],
)
def test_a_text_says_what_it_means(text: str, canonical: str, variant: dict[str, Any]) -> None:
    assert parse(text) == Variant(text.strip(), **variant)
    assert parse(text, "mine") == Variant("mine", **variant)
    assert write(parse(text)) == canonical


MISTAKES = [
    ("filtr(harmful)", r"pretraining: nothing is named 'filtr' \(did you mean 'filter'\?\); all"),
    ("filter | zzz", r"pretraining: nothing is named 'zzz'; allowed: .*filter.*reflect"),
    ("filter(harmfull)", r"filter: what must be .*'unsafe'.* \(did you mean 'harmful'\?\)"),
    ("filter(6)", "pretraining: filter: what must be 'harmful', .* 4 or 5, got 6"),
    ("filter(how=unsafe)", "filter has no parameter 'how'; it has the parameters what, by, when"),
    ("reflect(evry=1)", r"reflect has no parameter 'evry' \(did you mean 'every'\?\); it has"),
    ("reflect(shape=1)", "reflect has no parameter 'shape'"),
    ("reflect(every=0)", "pretraining: reflect: every must be .* at least 1, got 0"),
    ("reflect(every=1.5)", "pretraining: reflect: every must be an integer, got 1.5"),
    ("reflect(every=1, every=2)", "pretraining: reflect: every is given twice"),
    ("filter(unsafe, what=unsafe)", "pretraining: filter: what is given twice"),
    ("filter(3, oracle, 0.2, 1)", "filter has the parameters what, by, when, got 4 values"),
    ("filter(by=oracel)", r"by: must be a verdict source: oracle.* \(did you mean 'oracle'\?\)"),
    ("filter(by=oracel())", r"filter: nothing is named 'oracel' \(did you mean 'oracle'\?\); all"),
    ("filter(by=oracle(papr))", r"oracle: policy: .*'papr' \(did you mean 'paper'\?\); allowed"),
    ("filter(when=(0.6, 0.2))", "when: must start before it stops; starts at 0.6, stops at 0.2"),
    ("filter(when=1.2)", r"filter: when\.0 must be .* at most 1, got 1.2"),
    ("filter(unsafe", r"pretraining: 'filter\(unsafe' cannot be read; a step is a name with"),
    ("filter unsafe", "pretraining: 'filter unsafe' cannot be read; a step is a name with"),
    ("filter # reflect", "pretraining: 'filter # reflect' cannot be read"),
    ("filter || reflect", "pretraining: a step is missing; allowed: baseline, .*filter"),
    ("filter |", "pretraining: a step is missing; allowed: baseline"),
    ("", "pretraining: a step is missing; allowed: baseline"),
    ("filter; sft:", "sft: a step is missing; allowed: [^b]"),
    ("filter; decode:", "decode: a rule is missing; allowed: greedy, safe_beam"),
    ("filter; stf: reflect", r"no part is named 'stf' \(did you mean 'sft'\?\); allowed: pretr"),
    ("filter; reflect", "the part 'reflect' has no name; allowed: pretraining:, sft:, finetune:"),
    ("filter;", "the part '' has no name; allowed"),
    ("sft: reflect; sft: reflect", "variant: sft is given twice"),
    ("filter; pretraining: filter", "variant: pretraining is given twice"),
    ("decode: greedy; decode: greedy", "variant: decode is given twice"),
    ("sft: filter", "sft: filter changes documents, not dialogues"),
    ("sft: reflect(when=0.2)", "sft: reflect: when is for pretraining"),
    ("decode: beam", r"decode: nothing is named 'beam' \(did you mean 'safe_beam'\?\); allowed"),
    ("decode: safe_beam(beam=4)", r"safe_beam has no parameter 'beam' \(did you mean 'beams'"),
    ("decode: safe_beam(ahead=1)", "decode: safe_beam: ahead must be at least 2"),
    ("decode: conditioned", "decode: conditioned: token must be given"),
    ("decode: conditioned('')", "conditioned: token: must be a token that a step inserts.* got ''"),
    ("decode: conditioned('foo')", "no step of the variant inserts 'foo'; .* no such token"),
    ("conditional; decode: conditioned('foo')", r"inserts 'foo'; its steps insert <\|good\|>, <"),
    ("decode: stop_on", r"decode: stop_on: no step of the variant inserts '<\|harm\|>'"),
    ("harm_tag; decode: safe_beam(tag='<|good|>')", r"inserts '<\|good\|>'; its steps insert <\|h"),
    ("filter(True)", "filter: what: must be harmful, .* or a score from 1 to 5, got True"),
    ("filter(what=1.0)", "filter: what: must be harmful, .* got 1.0"),
    ("decode: safe_beam | greedy", "decode: 'safe_beam | greedy' is no step"),
    ("filter(unsafe)(unsafe)", r"pretraining: 'filter\(unsafe\)\(unsafe\)' is no step"),
    ("filter(what=None)", "filter: 'None' is no value; allowed: a number, a word, True, False"),
    ("filter(what=[1])", r"filter: '\[1\]' is no value; allowed"),
    ("filter(what=1 + 1)", r"filter: '1 \+ 1' is no value; allowed"),
    ("filter(*'ab')", "is no value; allowed"),
    ("filter(**{'what': 1})", r"filter has no parameter .*'what'.*it has the parameters what"),
]


@pytest.mark.parametrize(("text", "words"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_a_mistake_is_one_sentence_with_the_part_what_is_allowed_and_the_nearest_name(
    text: str, words: str
) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text",
    [
        "f" * (LONGEST + 1),
        f"filter({'(' * 900}{')' * 900})",
        f"filter(what={'-' * 1900}1)",
        f"filter(what={'~' * 1900}1)",
        f"filter(what={'(' * 600}1{',)' * 600})",
        f"filter(by={'oracle(' * 200}{')' * 200})",
        f"filter{'()' * 900}",
        f"filter{'.x' * 900}",
        "filter(what=" + "9" * 1900 + ")",
        "filter('\0')",
        "filter('\ud800')",
    ],
    ids=str.__len__,
)
def test_monstrous_texts_are_mistakes_like_any_other(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    # A number is shown whole, any other text its beginning.
    assert len(str(caught.value)) < (2_200 if "999" in text else 600)


def test_the_longest_text_is_read() -> None:
    text = "filter | " * 221
    assert LONGEST - 9 < len(f"{text}filter") <= LONGEST
    assert len(parse(f"{text}filter").pretraining) == 222
    with pytest.raises(SpecError, match=rf"variant: has {LONGEST + 1} characters; allowed: 2000"):
        parse(f"{text:<{LONGEST - 5}}filter")


PROGRAM = """
import sys
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import parse
def refuse(event, arguments):
    if event in ("exec", "open", "os.system", "subprocess.Popen", "import"):
        print("executed", event, arguments)
ATTACKS = {attacks!r}
try:  # what loading reads is none of our business
    parse("filter(by=oracle(paper)) | nothing")
except SpecError:
    pass
sys.addaudithook(refuse)
for attack in ATTACKS:
    try:
        parse(attack)
        print("read", attack)
    except SpecError:
        pass
"""
ATTACKS = [
    "__import__('os').system('echo executed')",
    "filter(what=__import__('os'))",
    "filter(what=open('secret', 'w'))",
    "filter(what=exec('1'))",
    "filter(by=oracle.__class__)",
    "filter(what=(lambda: 1)())",
    "filter(what=[x for x in (1,)])",
    "filter(what=f'{1}')",
    "filter(what=(x := 1))",
    "(lambda: 1)()",
    "filter.__init__.__globals__",
]


def test_nothing_in_a_text_is_executed(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(attacks=ATTACKS)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["decode: safe_beam", "harm_tag; decode: stop_on", "reflect; decode: stop_on('<think>')"],
)
def test_safe_beam_may_look_for_its_own_tag_and_others_for_what_is_inserted(text: str) -> None:
    assert parse(text).decoding != Greedy()


def test_every_mark_of_a_step_is_in_what_it_inserts() -> None:
    for kind in REGISTRY.values():
        if kind.name != "reflect":  # whose words all vocabularies have
            assert set(kind.marks) <= set(kind().wordings(WORLD))


def test_what_has_no_name_cannot_be_written() -> None:
    with pytest.raises(SpecError, match="cannot be written as text: it has no name"):
        written(Filter(by=Oracle(POLICIES["paper"])))
    assert written(Reflect(shape=ReflectionSpec(max_words=9))) == "reflect"
