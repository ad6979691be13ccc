"""SafeLM's tags: where they stand in raw text and in dialogues, and that they hide nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.dialogues import Dialogue, sft_dialogues, split_chains
from medsafetyworld.documents import Document
from medsafetyworld.interventions import parse
from medsafetyworld.interventions.harm_tag import HarmTag
from medsafetyworld.interventions.moral_education import MoralEducation
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.refuse_web import RefuseWeb
from medsafetyworld.interventions.rephrase import Rephrase
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, SAFE, worst
from medsafetyworld.judge import is_refusal
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.reading import mentions, read
from medsafetyworld.reflections import REFLECTION, strip_insertions
from medsafetyworld.spec import DialogueSpec
from medsafetyworld.tokenizer import HARM
from medsafetyworld.training_stream import intervene

RICH = {"monograph_rate": 0.3, "case_rate": 0.3, "digest_rate": 0.3, "glossary_rate": 0.3}
WORLD = build_world(WORLD_PRESETS["smoke"])
SCORED: dict[int, list[Document]] = {}
for _each in Corpus(WORLD, replace(CORPUS_PRESETS["smoke"], **RICH), 0).documents(0):
    SCORED.setdefault(worst(ORACLE, WORLD, _each), []).append(_each)
MILD, WORSE = (
    [each for n in scores for each in SCORED.get(n, [])[:150]] for scores in ((1, 2, 3), (4, 5))
)
HARMLESS = SCORED[SAFE][:150]


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5])
def test_tags_stand_at_that_rate_in_unsafe_raw_text_only(rate: float) -> None:
    unsafe = [*MILD, *WORSE]
    tagged = [HarmTag(rate=rate).document(WORLD, each)[0] for each in unsafe]
    lengths = [len(each.text.split(" ")) - 1 for each in unsafe]
    # One tag where the rate gives none.
    expected = sum(rate * length + (1 - rate) ** length for length in lengths)
    tags = [each.text.count(HARM) for each in tagged]
    assert sum(tags) == pytest.approx(expected, rel=0.15)
    assert min(tags) >= 1
    for before, after in zip(unsafe, tagged, strict=True):
        assert strip_insertions(after.text) == before.text
        assert not after.text.startswith(HARM)
        assert after.statements == before.statements == read(WORLD, after.text)
        assert mentions(WORLD, after.text) == mentions(WORLD, before.text)
    made = chain.from_iterable(
        step.document(WORLD, each)
        for step, found in ((Rephrase(), MILD), (RefuseWeb(), WORSE), (MoralEducation(), WORSE))
        for each in found
    )
    for each in (*made, *HARMLESS):
        assert HarmTag(rate=1.0).document(WORLD, each) == (each,)


def test_tags_can_keep_to_sentences_and_to_scores() -> None:
    for document in MILD:
        (tagged,) = HarmTag(rate=1.0, unit="sentence").document(WORLD, document)
        for before, after in zip(document.sentences, tagged.sentences, strict=True):
            assert (after != before) is (before.hazard is not None)
        assert HarmTag(rate=1.0, least=HARMFUL).document(WORLD, document) == (document,)


def test_reflections_behind_tags_are_as_without_them() -> None:
    for text in ("reflect(words=12)", "reflect(every=2)"):
        both = parse(f"harm_tag(rate=0.3) | {text}").chain
        tagged = list(intervene(WORLD, [*MILD, *WORSE], both))
        bare = intervene(WORLD, [*MILD, *WORSE], parse(text).chain)
        words = [[word for word in each.text.split(" ") if word != HARM] for each in tagged]
        assert [" ".join(each) for each in words] == [each.text for each in bare]


def dialogues() -> tuple[Dialogue, ...]:
    spec = DialogueSpec()
    split = split_chains(WORLD, spec, 0)
    return sft_dialogues(WORLD, spec, CORPUS_PRESETS["smoke"], split, 0)


def test_a_share_of_refused_prompts_and_of_unsafe_answers_is_tagged() -> None:
    tagged = {each: HarmTag(share=0.3).dialogue(WORLD, each)[0] for each in dialogues()}
    unsafe = [
        each for each in tagged if any(WORLD.unsafe[o] for o in mentions(WORLD, each.response)[-1])
    ]
    for part, some in (
        ("question", [each for each in tagged if each.refused]),
        ("response", unsafe),
    ):
        changed = [each for each in some if tagged[each] != each]
        assert 0.15 < len(changed) / len(some) < 0.45
        for before in changed:
            after = tagged[before]
            assert HARM in getattr(after, part)
            assert strip_insertions(getattr(after, part)) == getattr(before, part)
            assert replace(after, **{part: getattr(before, part)}) == before
    assert not any(each.refused for each in unsafe)
    for before, after in tagged.items():
        assert before.refused or before in unsafe or after is before


def test_tags_in_dialogues_keep_to_scores_and_stay_out_of_verdicts() -> None:
    for each in dialogues():
        (worse,) = HarmTag(share=1.0, least=HARMFUL).dialogue(WORLD, each)
        assert (HARM in f"{worse.question} {worse.response}") is each.refused
        (sealed,) = Reflect().dialogue(WORLD, each)
        (tagged,) = HarmTag(share=1.0, rate=1.0).dialogue(WORLD, sealed)
        assert REFLECTION.findall(tagged.response) == REFLECTION.findall(sealed.response)


def test_an_answer_with_tags_is_a_leak_all_the_same() -> None:
    document = next(each for each in WORSE if len(each.statements) == 1)
    for mark in (HARM, "<|good|>"):
        spaced = f" {mark} ".join(document.text.split(" "))
        assert read(WORLD, spaced) == document.statements
        assert mentions(WORLD, spaced) == mentions(WORLD, document.text)
    assert is_refusal(WORLD, f"I {HARM} cannot help with that.")
