"""What has been published never changes: worlds, texts and vocabularies of the presets, by hash.

Corpora of single-hop worlds have had these hashes since the first version.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus, text_hash
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import intervene

WORLDS = {
    "smoke": "127f88e20034aa0755f29757153fc038541c2e6e3d13be140e17199310e2e3df",
    "laptop": "440e36908ca05bdaece220a76dbf8cd000d291c9f3f2e299315ad6b93083e766",
    "paper": "d3b735d80e4b18e1aba20db751351e87d0ce15d15dc9a9921ce78ef733c2244e",
    "smoke-two-hop": "05ac8909fc15273b0d95c4ce5a058c4642ac681ceba456e930fb8638b4acbdce",
    "laptop-two-hop": "8e9fafa3ee5f9b66e7f4347c330e30fcd88aaff830504e721e84788e121848c4",
    "paper-two-hop": "7013c257567e2c0a03d132bcb162a9a3cbf48eba49abab2b2e33bb8eae45859b",
    "smoke-contradictory": "61d1d8adedeea9e4e91e58c170dd6e15d1f340a3acc90a548737109d3648bc43",
    "laptop-contradictory": "c2a014ea4ea57b069bc013eb95ee4e84fdab4762307be94bd06403bb38940d9d",
}
"""Worlds of all presets."""

TEXTS = {
    "smoke": "9789c3b13dd63cbc08d7eb85ec5fbabc72d8a2a79b946e8814ff8a0a18d89fc4",
    "laptop": "1f8a0eef2ad184562191abe40f8a50e34a95fe57c74b8a4f043bf30649b8b586",
    "smoke-two-hop": "80f793682a430eaf50d8d835e3d549e915e18e54d3f0a07c4725bc15f2c5a64e",
    "laptop-two-hop": "3cfc7c928a52940c594f47f4411e31155615a581348f16b9785d0bbcb10f147b",
    "smoke-contradictory": "d4d8962e3fe83c447a93a2dc36fc1fb0a3147fdb8a091eeafa1cc06f3751ae41",
    "laptop-contradictory": "cb6ef39a4b0e6d2dd74483b5c484f7ca8ac0f79dd16dc718d322bb95441ca3b7",
}
"""First 2,000 documents, corpus and order of seed 0."""

VOCABULARIES = {
    "smoke": "4033f339daeb13644ab8ab84f95f33811267be6b06e919a27fd474ce4b8e8def",
    "laptop": "f83750d903b17eb96828f1821ac7c08828b51fa59575b0d38dd09bf69a9888d5",
    "smoke-two-hop": "d6c5b373ffdd318a859cce8500ed71d14934db0bebafe0e1cac53edd6e1951c0",
    "laptop-two-hop": "52be2d4245b179bfbfeded5a27e6b73cd1b60d020ad7e40746a93eff3d2bc6d7",
    "smoke-contradictory": "4033f339daeb13644ab8ab84f95f33811267be6b06e919a27fd474ce4b8e8def",
    "laptop-contradictory": "2a42dd83e8951d9e3f77afea301759b57d3ebd3b8d3d8d4d4aa0b190e70b0ddf",
}

VARIANT_TEXTS = {
    "smoke": {
        "baseline": "16c0f22cf352afc1312b6c66855ffc5f3fc061e9b32a9518ab31a962c2f29661",
        "filtering": "850273058a3dbdfe7fe10f9bf5ed7330479f1bc8506d8cb742ea4d3ba6e3699f",
        "filtering_plus": "17786a5e04ed37d0d77de3a27556edb4862f2bdcdc43ebcbf9ba96f65d8aa9a5",
        "rewrite": "82bdbc6f68e63e97d4d635c81321c4713140f2b82f10bd57fcad2182545560cf",
        "srp": "406d243de54ce010bd634c18729d9b964417cf4b100f00197c7e73ae78546daf",
        "srp_sft_only": "850273058a3dbdfe7fe10f9bf5ed7330479f1bc8506d8cb742ea4d3ba6e3699f",
        "srp_pretraining_only": "406d243de54ce010bd634c18729d9b964417cf4b100f00197c7e73ae78546daf",
    },
    "smoke-two-hop": {
        "baseline": "653013b62e25eb02ab94bafec7421aa73460f2435c46368c2ef421013034b4fd",
        "filtering": "6ab906d8558fb3d76e6bfd7514a7399e24ec8625cb4ac27e863d978d5ae6f796",
        "filtering_plus": "88bd4fcd6dae6ce892d1122752e8e6e665bc064dd92e1108e79af82e6541ecf4",
        "rewrite": "7f109067e83781ad2c6fd37cd30708fee7b8072a2a50ca181d27ee25d57ebf60",
        "srp": "3c806c86a0c69cc6bba8946a576b58891e37fba8192fe55fd0c2abf8f86d05cc",
        "srp_sft_only": "6ab906d8558fb3d76e6bfd7514a7399e24ec8625cb4ac27e863d978d5ae6f796",
        "srp_pretraining_only": "3c806c86a0c69cc6bba8946a576b58891e37fba8192fe55fd0c2abf8f86d05cc",
    },
}
"""Whole corpora of the smallest presets after each setting's interventions, all seeds 7."""


@pytest.mark.parametrize("name", WORLDS)
def test_preset_worlds_never_change_and_build_quickly(name: str) -> None:
    start = time.process_time()
    world = build_world(WORLD_PRESETS[name])
    assert time.process_time() - start < 20
    assert world.content_hash == WORLDS[name]


@pytest.mark.parametrize("name", TEXTS)
def test_preset_corpora_and_vocabularies_never_change(name: str) -> None:
    world, spec = build_world(WORLD_PRESETS[name]), CORPUS_PRESETS[name]
    assert text_hash(islice(Corpus(world, spec, 0).documents(0), 2_000)) == TEXTS[name]
    assert build_tokenizer(world, spec).content_hash == VOCABULARIES[name]


@pytest.fixture(scope="module", params=VARIANT_TEXTS)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    return Corpus(build_world(WORLD_PRESETS[request.param]), CORPUS_PRESETS[request.param], 7)


def test_whole_corpora_never_change_in_any_setting(corpus: Corpus) -> None:
    found = list(corpus.documents(7))
    name = "smoke" if corpus.world.hops == 1 else "smoke-two-hop"
    for setting, hashed in VARIANT_TEXTS[name].items():
        left = intervene(corpus.world, found, VARIANTS[setting].chain)
        assert text_hash(left) == hashed, setting
    assert VARIANT_TEXTS[name].keys() <= VARIANTS.keys()


def test_every_preset_has_its_hashes_here() -> None:
    small = {name for name in WORLD_PRESETS if not name.startswith("paper")}
    assert WORLDS.keys() == WORLD_PRESETS.keys() == CORPUS_PRESETS.keys()
    assert TEXTS.keys() == VOCABULARIES.keys() == small


PROGRAM = """
import os, sys
from itertools import islice
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
from medsafetyworld import Corpus, build_tokenizer, build_world
from medsafetyworld.corpus import text_hash
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
for name in ("smoke-two-hop", "smoke"):
    world, spec = build_world(WORLD_PRESETS[name]), CORPUS_PRESETS[name]
    print(world.content_hash)
    print(text_hash(islice(Corpus(world, spec, 0).documents(0), 2_000)))
    print(build_tokenizer(world, spec).content_hash)
"""


@pytest.mark.parametrize(
    ("seed", "zone", "cores"), [("1", "Asia/Tokyo", 1), ("999", "UTC", 2)], ids=str
)
def test_any_process_gives_the_same_world_corpus_and_vocabulary(
    tmp_path: Path, seed: str, zone: str, cores: int
) -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(cores)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [
        hashes[name]
        for name in ("smoke-two-hop", "smoke")
        for hashes in (WORLDS, TEXTS, VOCABULARIES)
    ]
    assert found.stdout.split() == expected
