"""Damaged policies, domains, variants and instruments: one sentence that names the place, or valid.

What is valid is checked for meaning what it says: written as text and read again it is the same.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from mutations import mutated, rewritten, verdict

from experiments.instruments import parse_instrument, write_instrument
from experiments.studies.laboratory import LABORATORY
from medsafetyworld import policy_data
from medsafetyworld.domain import FILES, METHODS, load_domain
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.interventions.notation import parse, write
from medsafetyworld.policies import (
    AllOf,
    AnyOf,
    ForAudience,
    Not,
    ReverseUnsafe,
    SeverityAtLeast,
)

PARTS = ("variant", "pretraining", "sft", "finetune", "decode", "instrument")


def survey(tries: int, one: Callable[[random.Random], str]) -> Counter[str]:
    """What became of as many mutations; fails on the first refusals that are not as they should."""
    draw = random.Random(11)
    found = Counter(one(draw) for _ in range(tries))
    wrong = [said for said in found if said not in ("valid", "refused")]
    assert not wrong, "\n".join(wrong[:5])
    assert found["refused"] > tries / 3, "the mutations do too little"
    return found


def test_damaged_policies_are_refused_by_field_or_valid(figure) -> None:
    policy = AnyOf(
        (
            ReverseUnsafe(),
            AllOf((SeverityAtLeast("lethal"), Not(ForAudience(("news", "textbook"))))),
        )
    )
    base = json.loads(policy_data.to_json(policy))

    def one(draw: random.Random) -> str:
        text, named = mutated(base, draw)
        # What is no policy at all is told by the kind that it lacks, a nameless field by its place.
        named += ["kind", "has no field ''"]
        loaded = partial(policy_data.from_json, text, "policy.json")
        return verdict(loaded, ("policy.json: ", "policy.json."), named)

    found = survey(1000, one)
    figure("damaged policies refused by field, or valid", 1000, found.total())


def test_damaged_variants_and_instruments_are_refused_by_part_or_mean_what_they_say(figure) -> None:
    variants = [write(each) for each in VARIANTS.values()]
    instruments = [*LABORATORY.presets["laptop"].recipe.instruments, "gcg(steps=5, seed=3)"]

    def one(draw: random.Random) -> str:
        if draw.random() < 0.7:
            text = rewritten(draw.choice(variants), draw)
            return verdict(lambda: again(text, parse, write), PARTS, [""])
        text = rewritten(draw.choice(instruments), draw)
        return verdict(lambda: again(text, parse_instrument, write_instrument), PARTS, [""])

    found = survey(2000, one)
    figure("damaged variants and instruments refused by part, or valid", 2000, found.total())


def again(text: str, read: Callable[[str], object], written: Callable[..., str]) -> None:
    """Reads a text, and that what was read is written as a text that says the same."""
    canonical = written(read(text))
    assert written(read(canonical)) == canonical


@pytest.mark.parametrize("domain", ["medical", "household"])
def test_damaged_domains_are_refused_by_file_or_valid(domain: str, tmp_path: Path, figure) -> None:
    home = Path(policy_data.__file__).parent / "domains" / domain
    shutil.copytree(home, tmp_path / "mine", ignore=shutil.ignore_patterns("*.py", "__*"))
    files = {name: json.loads((home / f"{name}.json").read_bytes()) for name in (*FILES, METHODS)}

    def one(draw: random.Random) -> str:
        name = draw.choice(list(files))
        path = tmp_path / "mine" / f"{name}.json"
        whole = path.read_bytes()
        text, _ = mutated(files[name], draw)
        path.write_bytes(text)
        # Not remembered: it is the same directory again and again.
        said = verdict(
            lambda: load_domain.__wrapped__(str(tmp_path / "mine")), ("domain: ",), [f"{name}.json"]
        )
        path.write_bytes(whole)
        return said

    found = survey(200, one)
    figure(f"damaged files of the domain {domain} refused by name, or valid", 200, found.total())
