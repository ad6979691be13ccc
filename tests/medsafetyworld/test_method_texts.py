"""`methods.json`: texts for interventions, which a domain may lack until one needs them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from medsafetyworld.domain import load_domain, method_texts
from medsafetyworld.errors import SpecError

BOOK = load_domain()
PACKAGED = Path(__file__).parents[2] / "medsafetyworld" / "domains" / "medical"


def write_methods(folder: Path, data: object) -> str:
    copy = folder / "mine"
    shutil.copytree(PACKAGED, copy)
    (copy / "methods.json").write_text(json.dumps(data))
    return str(copy)


def test_a_domain_may_lack_the_texts_of_methods_until_one_needs_them(tmp_path: Path) -> None:
    copy = tmp_path / "bare"
    shutil.copytree(PACKAGED, copy)
    (copy / "methods.json").unlink()
    bare = load_domain(str(copy))
    assert bare.methods == {}
    assert bare.content_hash != BOOK.content_hash
    with pytest.raises(SpecError, match=r"bare/methods\.json has no list refuse_web\.refusals, wh"):
        method_texts(bare, "refuse_web.refusals")


def test_texts_of_methods_are_lists_under_names(tmp_path: Path) -> None:
    name = write_methods(tmp_path, {"mine": {"said": ["Well, {c}."], "of": {"it": ["Oh."]}}})
    mine = load_domain(name)
    assert mine.methods == {"mine.said": ("Well, {c}.",), "mine.of.it": ("Oh.",)}
    assert method_texts(mine, "mine.said", slots=("c",)) == ("Well, {c}.",)
    with pytest.raises(SpecError, match=r"methods\.json is not as it should be: mine\.said: "):
        method_texts(mine, "mine.said")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"mine": []}, "mine must be a list of texts that is not empty"),
        ({"mine": ["Well, {c."]}, "has a brace too many"),
        ({"a": {"b": {"c": {"d": {"e": ["Oh."]}}}}}, "a.b.c.d.e lies more than 4 names deep"),
    ],
)
def test_faults_in_the_texts_of_methods_are_told(data: object, fault: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=re.escape(fault)):
        load_domain(write_methods(tmp_path, data))
