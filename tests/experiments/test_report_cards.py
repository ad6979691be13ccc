"""Report cards on disk, in the report and on the screen."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from experiments import cli
from experiments.json_files import StoreError
from experiments.proof import UnsafeCorpusError, prove
from experiments.recipe import Arm, Cell
from experiments.report import write_report
from experiments.report_cards import card_rows, card_section, read_card, write_card
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.judge import read_corpus
from medsafetyworld.report_card import ReportCard, Tally, card_from_dict
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import intervened

from fake_study import fake_rows
from tiny_recipe import cell


def proven(variant: str, replicate: int = 0) -> tuple[ReportCard, dict[str, int]]:
    """The card of a tiny cell, and the categories that the oracle read in its text."""
    the_cell = cell("baseline", replicate=replicate)
    arm = type(the_cell.arm)("x", variant)
    the_cell = type(the_cell)(the_cell.recipe, arm, replicate, the_cell.master)
    world = the_cell.worlds()[1]
    corpus = Corpus(world, the_cell.corpus_spec, the_cell.seeds["corpus"])
    further = the_cell.variant.wordings(world)
    tally = Tally(world, build_tokenizer(world, corpus.spec, further), the_cell.variant.policy)
    reading, _ = prove(corpus, the_cell, tally)
    return tally.card(), reading.categories


def test_the_card_of_a_cell_is_of_the_corpus_that_the_oracle_read() -> None:
    card, categories = proven("filter | reflect")
    assert card.after.categories == categories
    assert card.removed == card.before.scores[4] + card.before.scores[5] > 0


def test_steps_that_start_late_are_counted_where_they_are_on() -> None:
    whole, late = proven("filter")[0], proven("filter(when=0.5)")[0]
    assert 0 < late.removed < whole.removed
    assert late.before == whole.before
    assert sum(late.after.scores[4:]) == whole.removed - late.removed


def timed(text: str) -> tuple[Cell, Corpus]:
    """A tiny cell whose interventions start or stop within the budget, and its corpus."""
    the_cell = replace(cell("baseline"), arm=Arm("timed", text))
    return the_cell, Corpus(the_cell.worlds()[1], the_cell.corpus_spec, the_cell.seeds["corpus"])


def test_each_document_is_counted_once_though_every_phase_is_read_whole() -> None:
    late, corpus = timed("filter(when=(0.1, 0.9))")
    tally = Tally(corpus.world, corpus.tokenizer, late.variant.policy)
    reading, _ = prove(corpus, late, tally)
    untouched, _ = timed("baseline")
    card, whole = tally.card(), prove(corpus, untouched)[0]
    became = intervened(corpus, corpus.documents(corpus.seed), late.variant.chain_at)
    texts = ((each.text, each.source.kind) for each in became)
    once = read_corpus(corpus.world, texts, late.variant.policy)
    assert reading.counts() == once.counts()
    assert (reading.documents, reading.categories) == (card.after.documents, card.after.categories)
    assert 0 < reading.harmful < whole.harmful
    # Training may meet any document while the filter is off.
    assert reading.stated == whole.stated
    assert reading.stated > once.stated


def test_harm_that_only_a_phase_without_a_place_of_its_own_lets_through_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early, corpus = timed("filter(when=(0.0, 0.9999999))")
    assert prove(corpus, early)[0].harmful == 0
    monkeypatch.setattr(Filter, "leaves_no_harm", lambda step, policy: True)
    with pytest.raises(UnsafeCorpusError, match="harmful statements"):
        prove(corpus, early)


def test_a_card_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    card, _ = proven("rewrite")
    write_card(tmp_path / "card.json", card)
    assert read_card(tmp_path / "card.json") == card


@pytest.mark.parametrize("text", ["{}", "[1]", '{"kept": 1}', "no json"])
def test_what_is_no_card_is_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(StoreError, match=r"card\.json"):
        read_card(tmp_path / "card.json")


def test_the_section_has_a_column_an_arm_and_means_over_seeds() -> None:
    cards = {
        "filtering": [proven("filter", replicate)[0] for replicate in (0, 1)],
        "srp": [proven("filter | reflect")[0]],
    }
    lines = [line for line in card_section(cards).splitlines() if line.startswith("|")]
    assert lines[0] == "| | Filtering | SRP |"
    assert {line.count("|") for line in lines} == {4}
    mean = sum(card.removed for card in cards["filtering"]) / 2
    shown = f"{mean:,.0f}" if mean.is_integer() else f"{mean:,.1f}"
    assert f"| documents removed | {shown} | {cards['srp'][0].removed} |" in lines
    assert card_section({}) == ""
    assert "equally many tokens" in card_section(cards)
    assert "equally many original documents" in card_section(cards, "documents")


def test_the_report_has_the_cards_in_the_order_of_its_tables(tmp_path: Path) -> None:
    cards = {"srp": [proven("filter | reflect")[0]], "filtering": [proven("filter")[0]]}
    study = {"name": "x", "preset": "y", "hops": 1, "seeds": 1, "config": {}, "command": "z"}
    text = write_report(
        tmp_path,
        fake_rows(1),
        study={**study, "matched": "documents"},
        provenance=(),
        fingerprint={},
        curves={},
        cards=cards,
    ).read_text(encoding="utf-8")
    section = text.partition("\n## Data safety report card\n")[2].partition("\n## ")[0]
    assert "| | Filtering | SRP |" in section
    assert "equally many original documents" in section


def test_rows_of_any_card_stand_in_one_order() -> None:
    first, second = proven("filter")[0], proven("rewrite")[0]
    both = [first, second]
    quantities = [[name for name, _ in card_rows([card], both)] for card in both]
    assert quantities[0] == quantities[1]
    assert "statements, warning-unsafe" in quantities[0]


def test_harmful_n_grams_have_a_row_a_body_system_where_the_card_counts_them() -> None:
    card, _ = proven("filter(unsafe)")
    rows = dict(card_rows([card]))
    assert card.before.named
    for system, times in card.before.named.items():
        assert rows[f"harmful n-grams, {system}"] == (f"0 ({times:,})" if times else "0")
    sides = [{**asdict(side)} for side in (card.before, card.after)]
    for side in sides:
        del side["named"]
    old = card_from_dict({**card.to_dict(), "before": sides[0], "after": sides[1]})
    assert not any(name.startswith("harmful n-grams") for name, _ in card_rows([old]))
    mixed = dict(card_rows([old], [card]))
    assert {mixed[f"harmful n-grams, {system}"] for system in card.before.named} == {"not counted"}


def test_the_command_prints_the_card_and_its_json(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["corpus", "card", "filter(5)", "--preset", "smoke"]
    assert cli.main(line) == 0
    shown = capsys.readouterr().out
    assert cli.main([*line, "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["before"]["scores"][5] == card["removed"] > 0
    assert card["after"]["scores"][4] > 0 == card["after"]["scores"][5]
    assert f"{card['before']['documents']:,}" in shown
    assert "harm derivable by logic" in shown


def test_a_mistake_in_the_variant_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["corpus", "card", "filtre(5)", "--preset", "smoke"]) == 2
    assert "did you mean 'filter'?" in capsys.readouterr().err
