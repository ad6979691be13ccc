"""`msw variants`: everything that a variant can be written with, said once."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from experiments import cli
from experiments.commands.variants import catalogue, shown_type
from medsafetyworld.interventions import REGISTRY, VARIANTS, variant
from medsafetyworld.interventions.decoding import DECODINGS
from medsafetyworld.interventions.verdicts import SOURCES, By
from medsafetyworld.spec import Count, Share, Window


def test_nothing_that_there_is_is_left_out() -> None:
    found = {part: [entry["name"] for entry in entries] for part, entries in catalogue().items()}
    assert found["variants"] == list(VARIANTS)
    assert found["interventions"] == sorted(REGISTRY)
    assert found["decoding"] == list(DECODINGS)
    assert found["verdict sources"] == list(SOURCES)


def test_the_text_of_a_named_variant_is_that_variant() -> None:
    for entry in catalogue()["variants"]:
        again, named = variant(entry["text"]), VARIANTS[entry["name"]]
        assert (again.steps, again.decoding) == (named.steps, named.decoding)
        assert entry["description"]


def test_every_part_says_what_it_does_and_where_it_is_from() -> None:
    found = catalogue()
    for entry in (*found["interventions"], *found["decoding"]):
        assert entry["description"].endswith("."), entry["name"]
        assert entry["source"], entry["name"]
    for entry in found["interventions"]:
        assert entry["does"]
        assert entry["acts_on"]
        assert [each["name"] for each in entry["parameters"]][-1] == "when"


def test_parameters_that_have_a_default_take_it_as_written() -> None:
    for entry in catalogue()["interventions"]:
        for each in entry["parameters"]:
            if each["default"] is not None and each["default"] != "None":
                variant_text = f"{entry['name']}({each['name']}={each['default']})"
                made = variant(
                    variant_text if "documents" in entry["acts_on"] else f"sft: {variant_text}"
                )
                assert made.steps == (REGISTRY[entry["name"]](),)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (bool, "True | False"),
        (By, "verdict source"),
        (Share, "number ≥ 0, ≤ 1"),
        (Count | None, "integer ≥ 1 | None"),
        (Literal["a", 2], "a | 2"),
        (Annotated[int, Field(ge=0, lt=10)], "integer ≥ 0, < 10"),
        (tuple[Literal["a", "b"], ...], "(a | b, ...)"),
        (Window, "(start, stop), shares of the token budget"),
        (str, "text"),
    ],
)
def test_types_are_shown_in_words(kind: Any, words: str) -> None:
    assert shown_type(kind) == words


def test_the_list_fits_a_narrow_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["variants"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for name in (*VARIANTS, *REGISTRY, *DECODINGS, *SOURCES):
        assert name in shown


def test_names_choose_and_unknown_ones_are_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["variants", "reflect", "srp", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entries in found.values() for entry in entries] == ["srp", "reflect"]
    assert cli.main(["variants", "reflct"]) == 2
    assert "did you mean 'reflect'?" in capsys.readouterr().err
