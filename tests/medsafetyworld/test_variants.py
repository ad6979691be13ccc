"""Variants: what is on at which share of the token budget, and what a window leaves alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import REGISTRY, Variant, always, parse
from medsafetyworld.interventions.decoding import Conditioned, SafeBeam, StopOn
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.rewrite import Rewrite
from medsafetyworld.interventions.verdicts import Oracle
from medsafetyworld.policies import POLICIES
from medsafetyworld.spec import ReflectionSpec
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import TokenStream, intervened, token_stream

from corpus_cases import SMOKE
from intervention_cases import DOCUMENTS

TOKENIZER = build_tokenizer(SMOKE.world, SMOKE.spec)
SHARES = st.sampled_from((0.0, 0.2, 0.5, 0.6, 1.0)) | st.floats(0.0, 1.0)
WINDOWS = st.tuples(SHARES, SHARES).filter(lambda window: window[0] < window[1])
LENGTH = 60_000


def stream_of(text: str, length: int = LENGTH) -> TokenStream:
    return token_stream(SMOKE, parse(text).chain_at, TOKENIZER, 3, length)


def documents_of(stream: TokenStream) -> list[str]:
    """The whole documents of a stream, in order."""
    parts = np.split(stream.tokens, np.flatnonzero(stream.tokens == TOKENIZER.end) + 1)
    return [TOKENIZER.decode(part[:-1]) for part in parts[:-1]]


@given(st.lists(WINDOWS, min_size=1, max_size=4), SHARES)
@settings(max_examples=40, deadline=None)
def test_the_steps_that_are_on_are_those_whose_window_holds_the_share(
    windows: list[tuple[float, float]], share: float
) -> None:
    steps = tuple(Filter(1 + place, when=when) for place, when in enumerate(windows))
    setting = Variant("timed", steps)
    wanted = [step.what for step in steps if step.when[0] <= min(share, 1 - 1e-12) < step.when[1]]
    # The budget ends before 1: its last phase is the last share below it.
    if share < 1.0:
        on = setting.chain_at(share)
        assert [chosen.__self__.what for chosen in on] == wanted  # pyright: ignore
    starts = [start for start, _ in setting.phases]
    assert starts[0] == 0.0
    assert starts == sorted(set(starts))
    assert max(starts) < 1.0
    assert setting.timed is (len(starts) > 1)


def test_a_setting_that_changes_with_the_budget_has_no_one_chain() -> None:
    assert len(parse("filter | reflect").chain) == 2
    with pytest.raises(SpecError, match="start and stop within the token budget"):
        _ = parse("filter(when=0.2)").chain
    assert not parse("filter(when=(0, 1))").timed
    assert [start for start, _ in parse("filter(when=0.2) | reflect(when=(0.2, 0.6))").phases] == [
        0.0, 0.2, 0.6
    ]  # fmt: skip


@pytest.mark.parametrize("start", [0.0, 0.2, 0.6])
def test_what_starts_late_leaves_all_bytes_before_alone(start: float) -> None:
    plain, timed = stream_of("baseline"), stream_of(f"filter(when={start})")
    border = next(
        (place for place in range(LENGTH) if plain.tokens[place] != timed.tokens[place]), LENGTH
    )
    assert border >= start * LENGTH
    # The first harmful document behind the border is the first that is missing.
    assert border < start * LENGTH + 2_000


def test_what_stops_early_gives_the_very_documents_that_would_have_come() -> None:
    """Whatever an intervention does to some documents, the others come in the same order."""
    order = {document.text: place for place, document in enumerate(SMOKE.documents(3))}
    for text in ("filter(when=(0, 0.3))", "filter(when=(0.3, 0.6))", "filter(when=0.5)"):
        found = [order[each] for each in documents_of(stream_of(text))]
        epochs = np.split(found, np.flatnonzero(np.diff(found) < 0) + 1)
        assert all((np.diff(epoch) > 0).all() for epoch in epochs), text
    plain = documents_of(stream_of("baseline"))
    stopped = documents_of(stream_of("filter(when=(0, 0.3))"))
    # From where it stops on no document is missing.
    behind = stopped[-200:]
    start = plain.index(behind[0]) if behind[0] in plain else None
    assert start is None or plain[start : start + len(behind)] == behind[: len(plain) - start]


def test_a_window_changes_the_documents_inside_it_alone() -> None:
    plain = list(intervened(SMOKE, SMOKE.documents(3), always(())))
    timed = list(intervened(SMOKE, SMOKE.documents(3), parse("rewrite(when=(0.2, 0.6))").chain_at))
    whole = list(intervened(SMOKE, SMOKE.documents(3), parse("rewrite").chain_at))
    assert len(plain) == len(timed) == len(whole) == len(SMOKE)
    for place, (before, after, other) in enumerate(zip(plain, timed, whole, strict=True)):
        inside = 0.2 <= place / len(SMOKE) < 0.6
        assert after == (other if inside else before)
    assert sum(before != after for before, after in zip(plain, timed, strict=True)) > 50


def test_a_part_of_an_epoch_is_what_it_is_in_the_whole() -> None:
    chain_at = parse("rewrite(when=0.5)").chain_at
    whole = list(intervened(SMOKE, SMOKE.documents(3), chain_at))
    middle = len(SMOKE) // 2 - 100
    part = SMOKE.documents(3, positions=range(middle, middle + 200))
    assert list(intervened(SMOKE, part, chain_at, middle)) == whole[middle : middle + 200]


@pytest.mark.parametrize("when", [(0.2, 1.0), (0.0, 0.6), (0.1, 0.2)])
def test_what_is_not_always_on_promises_nothing(when: tuple[float, float]) -> None:
    for step in (Filter("unsafe"), Rewrite()):
        assert Variant("always", (step,)).safe_only
        assert not Variant("timed", (replace(step, when=when),)).safe_only
    assert Variant("timed", (Filter("unsafe", when=when),)).mentions_unsafe
    assert not Variant("always", (Filter("unsafe"),)).mentions_unsafe


def test_a_chain_is_made_of_steps_that_act_on_what_it_is_made_of() -> None:
    with pytest.raises(SpecError, match="sft: filter changes documents, not dialogues"):
        Variant("x", sft=(Filter(),))
    with pytest.raises(SpecError, match="finetune: rewrite changes documents"):
        Variant("x", finetune=(Rewrite(),))
    with pytest.raises(SpecError, match="reflect: when is for pretraining"):
        Variant("x", sft=(Reflect(when=(0.5, 1.0)),))
    assert Variant("x", sft=(Reflect(),)).reflects
    assert not Variant("x", (Reflect(),)).reflects


def test_a_rule_looks_for_a_token_that_some_step_inserts() -> None:
    for rule in (StopOn(), Conditioned("<|good|>"), SafeBeam(tag="<|good|>")):
        with pytest.raises(SpecError, match=f"decode: {rule.name}: no step .* no such token"):
            Variant("x", decoding=rule)
        with pytest.raises(SpecError, match="its steps insert <think>, </think>"):
            Variant("x", sft=(Reflect(),), decoding=rule)
    tagged = parse("harm_tag; decode: stop_on")
    with pytest.raises(SpecError, match=r"no step of the variant inserts '<\|harm\|>'"):
        replace(tagged, pretraining=())
    # Beams that look for a tag that nobody wrote are a control.
    assert Variant("x", decoding=SafeBeam()).decoding == SafeBeam()


def test_steps_follow_the_settings_policy_and_shape_of_reflections() -> None:
    strict = POLICIES["mediator-aware"]
    shape = ReflectionSpec(max_sentences=1, max_words=30)
    setting = replace(parse("filter | reflect(words=9); sft: reflect"), policy=strict)
    bound = replace(setting, reflection=shape).bound
    first, second = bound.pretraining
    assert first == Filter(by=Oracle(strict))
    assert isinstance(second, Reflect)
    assert second.spec == replace(shape, max_words=9)
    assert [step.spec for step in bound.sft if isinstance(step, Reflect)] == [shape]
    assert bound.bound == bound
    assert setting.safe_only


def test_the_wordings_of_a_setting_are_those_of_its_steps_and_marks() -> None:
    assert parse("filter").wordings(SMOKE.world) == ()
    assert parse("filter; decode: safe_beam").wordings(SMOKE.world) == ("<|harm|>",)
    for made in REGISTRY.values():
        part = "pretraining" if "documents" in made.acts_on() else "sft"
        setting = Variant("one", **{part: (made(),)})
        assert setting.wordings(SMOKE.world) == tuple(dict.fromkeys(made().wordings(SMOKE.world)))


# How tokens count in the loss travels with them.


def weighed(loss: str, word: str):
    """A chain of one step that marks the sentences in which a word stands."""

    def apply(world: World, document: Document) -> tuple[Document, ...]:
        made = (replace(one, loss=loss) if word in one.text else one for one in document.sentences)
        return (replace(document, sentences=tuple(made)),)

    return always([apply])


def test_each_token_counts_as_its_sentence_says() -> None:
    outcome = SMOKE.world.outcomes[0]
    marked = token_stream(SMOKE, weighed("mask", outcome), TOKENIZER, 3, 20_000)
    plain = token_stream(SMOKE, always(()), TOKENIZER, 3, 20_000)
    assert plain.losses is None
    assert marked.losses is not None
    assert np.array_equal(marked.tokens, plain.tokens)
    assert set(marked.losses.tolist()) == {0, 1}
    place = 0
    for document in islice(SMOKE.documents(3), 400):
        for each in document.sentences:
            length = len(TOKENIZER.encode(each.text))
            counted = marked.losses[place : place + length]
            assert (counted == (outcome in each.text)).all()
            place += length
        assert not marked.losses[place : place + 1].any()  # end-of-text is always learned
        place += 1


def test_no_marks_and_marks_that_say_learn_are_the_same() -> None:
    learned = token_stream(SMOKE, weighed("learn", "a"), TOKENIZER, 3, 5_000)
    assert learned.losses is None
    assert Sentence("x").loss == ""
    assert DOCUMENTS[0].sentences[0].loss == ""
