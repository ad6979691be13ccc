"""Methods of the literature beside the papers': they weigh tokens, or condition on a control."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.dialogues import Dialogue, sft_dialogues, split_chains
from medsafetyworld.documents import LOSSES
from medsafetyworld.interventions import REGISTRY, VARIANTS, Step, parse, write
from medsafetyworld.interventions.conditional import Conditional
from medsafetyworld.interventions.decoding import Conditioned
from medsafetyworld.interventions.gradient_routing import GradientRouting
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, worst
from medsafetyworld.laws import assert_lawful, check_intervention
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.reflections import strip_insertions
from medsafetyworld.spec import DialogueSpec
from medsafetyworld.testing import policies, steps
from medsafetyworld.tokenizer import BAD, GOOD, build_tokenizer
from medsafetyworld.training_stream import token_losses, token_stream

from corpus_cases import SMOKE
from intervention_cases import CASES, DOCUMENTS, Case

LOSS_OF = {"token_mask": "mask", "unlikelihood": "unlikely", "gradient_routing": "route"}
METHODS = (*LOSS_OF, "conditional")


@pytest.mark.parametrize("name", METHODS)
@given(CASES, policies(negations=False), st.data())
@settings(max_examples=10, deadline=None)
def test_they_keep_the_laws_whatever_their_parameters(
    name: str, case: Case, policy: SafetyPolicy, data: st.DataObject
) -> None:
    world, documents = case
    step = data.draw(steps(REGISTRY[name]))
    assert_lawful(check_intervention(world, step, documents[:40], policy=policy))
    assert not step.leaves_no_harm(policy)


@pytest.mark.parametrize(("name", "loss"), LOSS_OF.items())
@pytest.mark.parametrize("least", [1, HARMFUL])
def test_text_stays_and_every_sentence_of_the_score_is_weighed(
    name: str, loss: str, least: int
) -> None:
    step = REGISTRY[name](least=least).under(PAPER_POLICY)  # pyright: ignore
    weighed = 0
    for document in DOCUMENTS[:300]:
        (made,) = step.document(SMOKE.world, document)
        assert made.text == document.text
        scores = ORACLE.scores(SMOKE.world, document)
        for each, score in zip(made.sentences, scores, strict=True):
            assert each.loss == (loss if score >= least else "")
            weighed += score >= least
        assert (made == document) == (max(scores) < least)
    assert weighed > 5


def test_the_stream_has_each_sentence_s_code_on_its_tokens_and_learns_the_rest() -> None:
    tokenizer = build_tokenizer(SMOKE.world, SMOKE.spec)
    step: Step = GradientRouting()
    harmful = next(each for each in DOCUMENTS if worst(ORACLE, SMOKE.world, each) >= HARMFUL)
    (made,) = step.document(SMOKE.world, harmful)
    codes = token_losses(tokenizer, made)
    words = [len(tokenizer.encode(each.text)) for each in made.sentences]
    places = [place for place, many in enumerate(words) for _ in range(many)]
    route = LOSSES.index("route")
    assert codes == [route * (made.sentences[each].loss == "route") for each in places] + [0]
    assert {0, route} <= set(codes)
    stream = token_stream(SMOKE, VARIANTS["gradient_routing"].chain_at, tokenizer, 0, 4000)
    assert stream.losses is not None
    assert set(stream.losses.tolist()) == {0, route}
    plain = token_stream(SMOKE, VARIANTS["baseline"].chain_at, tokenizer, 0, 4000)
    assert plain.losses is None
    assert (stream.tokens == plain.tokens).all()


def test_each_document_stands_behind_the_control_token_of_its_score() -> None:
    tokenizer = build_tokenizer(SMOKE.world, SMOKE.spec, Conditional().wordings(SMOKE.world))
    seen = set()
    for document in DOCUMENTS[:300]:
        (made,) = Conditional().document(SMOKE.world, document)
        bad = worst(ORACLE, SMOKE.world, document) >= HARMFUL
        assert made.text == f"{BAD if bad else GOOD} {document.text}"
        assert strip_insertions(made.text) == document.text
        assert tokenizer.decode(tokenizer.encode(made.text)) == made.text
        seen.add(bad)
    assert seen == {True, False}


def test_every_response_opens_with_the_good_token_as_does_decoding() -> None:
    spec = DialogueSpec()
    split = split_chains(SMOKE.world, spec, 0)
    asked: tuple[Dialogue, ...] = sft_dialogues(
        SMOKE.world, spec, SMOKE.spec, split, 0, PAPER_POLICY
    )
    for dialogue in asked[:50]:
        (made,) = Conditional().dialogue(SMOKE.world, dialogue)
        assert made == replace(dialogue, response=f"{GOOD} {dialogue.response}")
    variant = VARIANTS["conditional"]
    assert variant.decoding == Conditioned(GOOD)
    assert set(variant.wordings(SMOKE.world)) == {GOOD, BAD}


@pytest.mark.parametrize("name", METHODS)
def test_they_are_variants_that_can_be_written_as_text(name: str) -> None:
    variant = VARIANTS[name]
    assert parse(write(variant), name).pretraining == variant.pretraining
    assert not variant.safe_only
    assert variant.description
    assert any(str(year) in REGISTRY[name].source for year in range(2019, 2027))
