"""Laws of a domain's files: the same content from anywhere, and any damage refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from medsafetyworld.domain import (
    FILES,
    load_domain,
)
from medsafetyworld.errors import SpecError

from domain_cases import (
    BOOK,
)

PACKAGED = Path(__file__).parents[2] / "medsafetyworld" / "domains" / "medical"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A directory with the files of the packaged domain."""
    shutil.copytree(PACKAGED, tmp_path / "mine", ignore=shutil.ignore_patterns("*.py", "__*"))
    return tmp_path / "mine"


def test_a_domain_loads_by_the_path_of_its_directory_with_the_same_content(copy: Path) -> None:
    loaded = load_domain(str(copy))
    assert loaded.name == str(copy)
    assert loaded.content_hash == BOOK.content_hash
    assert loaded.cores == BOOK.cores
    assert load_domain() == load_domain("medical") == BOOK


def test_any_change_of_a_wording_changes_the_domains_hash(copy: Path) -> None:
    path = copy / "closings.json"
    path.write_text(path.read_text().replace(".", "!", 1))
    assert load_domain(str(copy)).content_hash != BOOK.content_hash


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_or_damaged_is_refused_by_name(copy: Path, name: str) -> None:
    path = copy / f"{name}.json"
    whole = path.read_text()
    for damage, message in (("{", "is not JSON"), ("[1]", "not as it should be"), ("3", "should")):
        path.write_text(damage)
        with pytest.raises(SpecError, match=rf"^domain: .*{name}\.json .*{message}") as caught:
            load_domain(str(copy))
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(SpecError, match=rf"{name}\.json cannot be read .*a domain has the files"):
        load_domain(str(copy))
    path.write_text(whole)
    assert load_domain(str(copy)).content_hash == BOOK.content_hash


def test_an_unknown_domain_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SpecError, match=r"'medicl' \(did you mean 'medical'"):
        load_domain("medicl")
    with pytest.raises(SpecError, match=r"allowed: .*medical.* or the path of a directory"):
        load_domain("zzz")


def test_an_empty_list_is_refused_by_file(copy: Path) -> None:
    path = copy / "answers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"stems": []}))
    with pytest.raises(SpecError, match=r"answers\.json .*stems must be a list .* not empty"):
        load_domain(str(copy))
