"""A domain is a directory: the household one runs everywhere, by name, path and entry point."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from medsafetyworld import queries
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.dialogues import sft_dialogues, split_chains
from medsafetyworld.domain import FILES, KINDS, QUESTION_KINDS, load_domain
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.judge import is_refusal, read_corpus
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.spec import DialogueSpec, WorldSpec, make
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import intervene
from medsafetyworld.world_file import load_world

HOUSEHOLD = Path(__file__).parents[2] / "medsafetyworld" / "domains" / "household"
DOMAIN = load_domain("household")


def test_it_has_all_that_small_corpora_and_dialogues_take() -> None:
    assert all(len(cores) >= 8 for cores in DOMAIN.cores.values())
    assert min(len(DOMAIN.framings), len(DOMAIN.closings)) >= 8
    for kind in QUESTION_KINDS:
        assert len(DOMAIN.training_questions[kind]) == 10
        assert len(DOMAIN.test_questions[kind]) == 3
    assert len(DOMAIN.sources) == 5
    assert all(len(DOMAIN.openings[kind]) >= 4 for kind in KINDS)


def test_it_shares_no_name_and_no_source_with_the_medical_domain() -> None:
    medical = load_domain("medical")
    for part in ("onsets", "cores", "systems", "sites", "processes"):
        assert not set(getattr(DOMAIN.lexicon, part)) & set(getattr(medical.lexicon, part))
    shared = {source.name for source in DOMAIN.sources} & {s.name for s in medical.sources}
    assert shared == {"forum post"}


@pytest.mark.parametrize("preset", ["laptop", "laptop-two-hop"])
def test_everything_works_in_it(preset: str, tmp_path: Path) -> None:
    spec = replace(WORLD_PRESETS[preset], domain="household")
    corpus_spec = CORPUS_PRESETS[preset]
    world = build_world(spec)
    world.save(tmp_path / "world.json")
    assert load_world(tmp_path / "world.json") == world
    corpus = Corpus(world, corpus_spec, 0)
    every = [text for each in VARIANTS.values() for text in each.wordings(world)]
    tokenizer = build_tokenizer(world, corpus_spec, every)
    for variant in VARIANTS.values():
        # As at the end of training: what starts late is on.
        kept = list(intervene(world, islice(corpus.documents(0), 400), variant.phases[-1][1]))
        found = read_corpus(world, ((each.text, each.source.kind) for each in kept))
        assert not (found.harmful and variant.safe_only)
        assert found.harmful or variant.name != "baseline"
        assert all(tokenizer.decode(tokenizer.encode(each.text)) == each.text for each in kept)
    dialogues = DialogueSpec()
    split = split_chains(world, dialogues, 0)
    said = sft_dialogues(world, dialogues, corpus_spec, split, 0)
    assert {each.refused for each in said} == {True, False}
    assert all(is_refusal(world, each.response) is each.refused for each in said)
    for each in said[:50]:
        tokenizer.encode(f"{each.prompt} {each.response}")
    for kind in ("reverse-safe", "reverse-unsafe"):
        for query in queries.test_queries(world, dialogues, split, kind, 0):
            tokenizer.encode(query.prompt)
    assert queries.completions(world, corpus_spec, outcomes_unsafe=True)
    assert len(queries.prefills(world, 6)) == 8


def test_a_copy_given_by_path_is_the_same_domain(tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(HOUSEHOLD, copy)
    mine = load_domain(str(copy))
    assert mine.content_hash == DOMAIN.content_hash
    assert (
        build_world(WorldSpec(domain=str(copy))).outcomes
        == build_world(WorldSpec(domain="household")).outcomes
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, in which `garden` registers a domain and so does `ghost`."""
    package = tmp_path / "my_garden" / "domain"
    shutil.copytree(HOUSEHOLD, package)
    (tmp_path / "my_garden" / "__init__.py").touch()
    (package / "__init__.py").touch()
    info = tmp_path / "my_garden-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-garden\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[medsafetyworld.domains]\ngarden = my_garden.domain\nghost = not_there\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("my_garden")]:
        del sys.modules[name]
    load_domain.cache_clear()


@pytest.mark.usefixtures("site")
def test_a_registered_domain_loads_by_its_name() -> None:
    assert load_domain("garden").content_hash == DOMAIN.content_hash
    assert build_world(WorldSpec(domain="garden")).domain.name == "garden"
    with pytest.raises(SpecError, match=r"'gardn' \(did you mean 'garden'\?\)"):
        load_domain("gardn")
    with pytest.raises(SpecError, match="ghost is registered as 'not_there', which is no package"):
        load_domain("ghost")


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a file but the entries of long lists after the first."""
    yield path
    if isinstance(data, dict):
        for key, value in data.items():
            yield from places(value, (*path, key))
    elif isinstance(data, list) and data:
        yield from places(data[0], (*path, 0))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at this place; without the place if the value is `places`."""
    if not path:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    if len(path) == 1 and value is places:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("name", FILES)
def test_every_malformed_file_is_one_sentence_that_names_it(name: str, tmp_path: Path) -> None:
    """Each key dropped and each value replaced by one of a wrong type."""
    copy = tmp_path / "mine"
    shutil.copytree(HOUSEHOLD, copy)
    file = copy / f"{name}.json"
    whole = json.loads(file.read_text())
    for path in places(whole):
        for value in (None, [], "a  b", places):
            if value is places and not (path and isinstance(path[-1], str)):
                continue
            content = changed(whole, path, value)
            if is_allowed(name, path, value):
                continue
            file.write_text(json.dumps(content))
            load_domain.cache_clear()
            with pytest.raises(SpecError) as caught:
                load_domain(str(copy))
            message = str(caught.value)
            assert message.startswith(f"domain: {file} is not as it should be: "), (path, value)
            assert "\n" not in message


def is_allowed(name: str, path: tuple[Any, ...], value: Any) -> bool:
    """The changes that leave a file well formed."""
    shorter = value is places and name == "lexicon" and path[1:2] == ("symptoms",)
    return shorter and len(path) == 3


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("closings", '["The end."', "is not JSON"),
        ("kinds", '{"digest": 1, "digest": 2}', "digest is given twice"),
        ("closings", '["The end"]', r"'The end' must end with \. or \? or !"),
        ("closings", '["The {c}."]', "must have no slots once each"),
        ("lexicon", '{"compounds": {"onsets": ["a b"]}}', "outcomes is missing"),
    ],
)
def test_the_sentence_says_what_is_wrong(name: str, text: str, words: str, tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(HOUSEHOLD, copy)
    copy.joinpath(f"{name}.json").write_text(text)
    with pytest.raises(SpecError, match=words):
        load_domain(str(copy))
    with pytest.raises(SpecError, match=f"{name}.json"):
        make(WorldSpec, domain=str(copy))


def test_slots_cues_years_and_names_are_checked(tmp_path: Path) -> None:
    faults = [
        ("statements", ("compound", "forward", "1", 0), "{a} leads on", r"must have \{a\}, \{c\}"),
        ("statements", ("chain", "reverse", "2", 0), "{c} {c} {b} {a1} {a2}", "once each"),
        ("questions", ("reverse_pair", 0), "What is due to {c}?", r"by \{both\} or \{pair\} or"),
        ("statements", ("compound", "forward", "1", 0), "{both} {a}, {c}", "once each"),
        ("answers", ("refusal", 0), "I cannotX.", "begins with none of the refusal_openings"),
        ("questions", ("reverse", 0), "Is it {a!r}?", "more than a name in braces"),
        ("answers", ("reverse", 0), "The effect is {c}.", r"must have \{a\} once each and may"),
        ("cues", ("forward", 0), "never", "is of two families"),
        ("cues", ("forward", 0), "Leads to", "must be in lower case"),
        ("sources", (0, "years"), [2020, 1990], "a first and a last year"),
        ("sources", (1, "name"), "data sheet", "is given twice"),
        ("lexicon", ("compounds", "onsets", 0), "two words", "must be one word"),
        ("lexicon", ("outcomes", "modifiers", 0), "slow.", "without punctuation"),
        ("questions", ("forward",), ["What does {a} lead to?"], "more than 10 questions"),
    ]
    for place, (name, path, value, words) in enumerate(faults):
        copy = tmp_path / str(place)
        shutil.copytree(HOUSEHOLD, copy)
        whole = json.loads(copy.joinpath(f"{name}.json").read_text())
        copy.joinpath(f"{name}.json").write_text(json.dumps(changed(whole, path, value)))
        with pytest.raises(SpecError, match=words):
            load_domain(str(copy))
