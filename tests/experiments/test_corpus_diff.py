"""`msw corpus diff`: every difference is shown, and nothing that is none."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import cli
from experiments.commands.corpus_diff import (
    DELETED,
    INSERTED,
    both,
    difference,
    fate,
    paired,
    shown_document,
    words,
)
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import variant
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS

CORPUS = Corpus(build_world(WORLD_PRESETS["smoke"]), CORPUS_PRESETS["smoke"], 0)
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d."]), max_size=12)


@given(old=WORDS, new=WORDS)
def test_without_what_is_green_it_is_the_first_text_and_without_red_the_second(
    old: list[str], new: list[str]
) -> None:
    text = difference(old, new)
    for kept, dropped in ((old, INSERTED), (new, DELETED)):
        left = text.plain
        for span in sorted(text.spans, key=lambda span: -span.start):
            if span.style == dropped:
                left = left[: span.start] + left[span.end :]
        assert left.split() == kept


def test_brackets_stand_for_colours_where_there_are_none() -> None:
    text = difference(["the", "old", "word"], ["the", "new", "word"], plain=True)
    assert text.plain == "the [-old-] {+new+} word"


def test_documents_are_paired_with_themselves_and_fare_as_the_variants_say() -> None:
    first, second = variant("baseline"), variant("filter | reflect")
    for original, old, new in both(CORPUS, first, second):
        assert old == (original,)
        assert {each.index for each in new} <= {original.index}
        if original.index % 50 == 0:
            shown = "\n".join(
                text.plain for text in shown_document(CORPUS.world, original, old, new, True)
            )
            assert ("dropped by B" in shown) == (not new)
            assert ("states reverse-unsafe in A, nothing in B" in shown) == (not new)
            assert ("{+<think>" in shown) == bool(new)


def test_what_is_equal_is_paired_when_one_setting_makes_more_documents() -> None:
    first, second = variant("refuse_web(keep=True)"), variant("refuse_web")
    told = set()
    for original, old, new in both(CORPUS, first, second):
        fates = [fate(*pair) for pair in paired(old, new)]
        assert fates == (["dropped", "same"] if len(old) == 2 else ["same"])
        back = [fate(*pair) for pair in paired(new, old)]
        assert sorted(back) == (["added", "same"] if len(old) == 2 else ["same"])
        if len(old) == 2 and 2 not in told:
            lines = shown_document(CORPUS.world, original, old, new, True)
            shown = [line.plain for line in lines]
            assert shown[2] == f"[-{old[0].text}-]"
            assert shown[4] == new[0].text
        told.add(len(old))
    assert told == {1, 2}


def test_the_rest_is_paired_in_order_and_a_text_with_its_own_though_masked() -> None:
    a, b, c, d = (CORPUS.document(index) for index in (0, 100, 200, 300))
    masked = replace(b, sentences=tuple(replace(each, loss="mask") for each in b.sentences))
    assert paired((a, b, c), (masked, d)) == [(a, d), (b, masked), (c, None)]
    assert paired((a,), (c, a, a)) == [(a, a), (None, c), (None, a)]


def test_how_a_sentence_counts_is_shown_too() -> None:
    document = CORPUS.document(0)
    masked = tuple(replace(each, loss="mask") for each in document.sentences)
    changed = replace(document, sentences=masked)
    assert fate(document, changed) == "changed"
    assert words(changed)[0] == "[mask]"
    learned = tuple(replace(each, loss="learn") for each in document.sentences)
    assert fate(document, replace(document, sentences=learned)) == "same"
    assert (fate(None, document), fate(document, None)) == ("added", "dropped")


def test_the_command_shows_changed_documents_alone(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["corpus", "diff", "filter", "filter(unsafe)", "--preset", "smoke", "--count", "3"]
    assert cli.main(line) == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"^dropped by B", shown, re.MULTILINE)) == 3
    assert shown.count("[-") == 3
    assert not re.search(r"^same$", shown, re.MULTILINE)
    assert cli.main([*line, "--all"]) == 0
    assert re.search(r"^same$", capsys.readouterr().out, re.MULTILINE)


def test_the_same_setting_twice_has_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["corpus", "diff", "srp", "filter|reflect", "--preset", "smoke"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "0 changed, 0 dropped, 0 added" in shown
    assert f"the first {len(CORPUS):,} documents" in shown
