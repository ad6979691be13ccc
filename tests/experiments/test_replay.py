"""`msw replay`: what was saved is decoded again, and every other response is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import pytest

from experiments import cli
from experiments.decoding import respond
from experiments.evaluation import behaviour_rows, harmful_rows
from experiments.finished import finished_bench
from experiments.instruments import REGISTRY
from experiments.instruments.asking import ask
from experiments.instruments.bench import Bench
from experiments.instruments.harmful_pairs import fine_tuned, folds
from experiments.instruments.instrument import Findings, Instrument, instrument
from experiments.instruments.running import TRANSCRIPT
from experiments.json_files import StoreError
from experiments.recipe import Arm
from experiments.replaying import calls, replay, replay_measured
from experiments.store import open_stage
from experiments.study import instrument_stages, load_cell
from medsafetyworld.interventions.decoding import SafeBeam
from medsafetyworld.interventions.notation import written
from medsafetyworld.queries import prefilled, turns
from medsafetyworld.tokenizer import END_THINK
from tiny_models.training import Params

from tiny_recipe import RECIPE
from untrained_study import untrained_study


@instrument("shout", source="this test", kind="attack")
class Shout(Instrument):
    """Asks in all the ways that a transcript can tell."""

    def measure(self, bench: Bench) -> Findings:
        world = bench.context.true_world
        forced = [prefilled(world, query, "The answer for {c}") for query in bench.harmful]
        before = turns([(bench.questions("reverse-safe")[0].question, "The answer is")])
        later = [replace(query, history=before) for query in bench.harmful[:2]]
        return (
            ask(bench, "shout", forced)
            + ask(bench, "shout:later", later, model="finetune:pair_forward")
            + ask(bench, "shout:made", bench.harmful, model="halved", maker=self)
            + self._sampled(bench)
            + self._beamed(bench)
            + Findings((), ({"probe": "shout:thought", "question": "?"},))
        )

    def model(self, bench: Bench, name: str):
        return jax.tree.map(lambda leaf: 0.5 * leaf, bench.model("sft"))

    def _beamed(self, bench: Bench) -> Findings:
        """Under another rule than the cell's."""
        rule = SafeBeam(2, 2, END_THINK)
        asked = ask(
            bench, "beam", bench.harmful, responding=partial(respond, bench.context, rule=rule)
        )
        told = {"decoding": written(rule)}
        return replace(asked, transcript=tuple(each | told for each in asked.transcript))

    def _sampled(self, bench: Bench) -> Findings:
        """Two calls of equal seeds but for the temperature."""
        found = Findings(())
        for temperature in (0.5, 2.0):
            call = {"temperature": temperature, "seed": 5}
            decode = partial(respond, bench.context, **call)
            asked = ask(bench, "shout:sampled", bench.harmful, responding=decode)
            found += replace(asked, transcript=tuple(each | call for each in asked.transcript))
        return found


@instrument("lie", source="this test", kind="attack")
class Lie(Shout):
    """Tells of one response that the model never gave."""

    def measure(self, bench: Bench) -> Findings:
        found = super().measure(bench)
        first, *others = found.transcript
        return replace(found, transcript=({**first, "response": "It is a lie."}, *others))


@instrument("mute", source="this test", kind="attack")
class Mute(Shout):
    """Says that nothing of it can be decoded again."""

    def measure(self, bench: Bench) -> Findings:
        found = super().measure(bench)
        told = {"replay": False, "reason": "it is mute"}
        return replace(found, transcript=tuple(each | told for each in found.transcript[:3]))


@instrument("tuned", source="this test", kind="attack")
class Tuned(Instrument):
    """Asks a model that it fine-tunes itself."""

    def measure(self, bench: Bench) -> Findings:
        from experiments.instruments.asking import ask

        return ask(bench, "tuned", bench.harmful, model="tuned", maker=self)

    def model(self, bench: Bench, name: str) -> Params:
        (first, *_) = folds(bench, 4)
        return fine_tuned(bench, first.pairs, epochs=1, rows=4)


OWN = ("shout", "lie", "mute", "tuned")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    recipe = replace(RECIPE, instruments=OWN)
    arms = (Arm("srp", "srp"),)
    yield untrained_study(tmp_path_factory.mktemp("runs") / "study", arms, recipe=recipe)
    for name in OWN:
        REGISTRY.pop(name)


def test_every_response_is_decoded_again_exactly(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = instrument_stages(study, load_cell(study, "srp-s0"))["shout"]
    bench = finished_bench(study, "srp-s0")
    found = replay(bench, stage)
    asked = len(bench.harmful)
    assert found.equal == found.of == 5 * asked + 2
    assert found.apart == {"nothing was decoded for it": 1}
    assert cli.main(["replay", str(study), "--instrument", "shout", "--cell", "srp-s0"]) == 0
    said = capsys.readouterr().out
    assert f"srp-s0  shout: {found.of} of {found.of} equal; 1 not replayed: nothing" in said


def test_a_response_that_is_another_now_is_shown_with_both(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["replay", str(study)]) == 1
    said = capsys.readouterr().out
    assert "srp-s0  lie: " in said
    assert said.count("saved: It is a lie.") == 1
    assert "1 DIFFER." in said


def test_what_says_that_it_cannot_be_decoded_again_is_counted_apart(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["replay", str(study), "--instrument", "mute"]) == 2
    said = capsys.readouterr()
    assert "mute: 0 of 0 equal; 3 not replayed: it is mute" in said.out
    assert "no finished cell has a transcript" in said.err


def test_what_every_cell_is_asked_is_decoded_again(tmp_path: Path) -> None:
    study = untrained_study(tmp_path / "study", (Arm("filtering", "filtering"),))
    cell = load_cell(study, "filtering-s0")
    bench = finished_bench(study, cell.name)
    transcript: list[dict[str, object]] = []
    params, told = bench.model("sft"), bench.derivable
    behaviour_rows(bench.context, params, told, transcript)
    asked = "elicited", "finetune:safe_reverse"
    params = bench.model(asked[1])
    harmful_rows(bench.context, params, bench.harmful, asked, told, transcript)
    transcript.append({"probe": "completion", "question": "?", "rank": 1})
    stage = open_stage(study / "stages", "measure", {"cell": cell.name})
    lines = "".join(json.dumps(each) + "\n" for each in transcript)
    (stage.path / TRANSCRIPT).write_text(lines)
    stage.finish({})
    found = replay_measured(bench, stage.path)
    assert found.equal == found.of == len(transcript) - 1 > 4 * len(bench.harmful)
    assert sum(found.apart.values()) == 1


def test_what_is_not_trained_yet_is_not_trained_by_a_replay(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    stage = instrument_stages(copy, load_cell(copy, "srp-s0"))["tuned"]
    found = replay(finished_bench(copy, "srp-s0"), stage)
    assert found.equal == found.of > 0
    (own,) = (copy / "stages").glob("adversarial-*")
    shutil.rmtree(own)
    with pytest.raises(StoreError, match=f"{own.name} is not done, and nothing is trained"):
        replay(finished_bench(copy, "srp-s0"), stage)
    assert not [*own.glob("*.safetensors")]


def test_samples_of_another_seed_are_others(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments import replaying

    stage = instrument_stages(study, load_cell(study, "srp-s0"))["shout"]
    other = lambda *args, seed, **more: respond(*args, seed=seed + 1, **more)  # noqa: E731
    monkeypatch.setattr(replaying, "respond", other)
    found = replay(finished_bench(study, "srp-s0"), stage)
    assert found.differences
    assert {each.entry["probe"] for each in found.differences} == {"shout:sampled"}


def test_entries_of_one_call_stay_together_in_their_order() -> None:
    entries = [
        {"probe": probe, "model": "sft", "temperature": heat, "seed": seed}
        for probe, heat, seed in [("a", 1.0, 1), ("a", 1.0, 1), ("a", 0.5, 1), ("a", 0.5, 2)]
    ]
    assert [len(call) for call in calls(entries)] == [2, 1, 1]
    assert [entry for call in calls(entries) for entry in call] == entries


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("nowhere", ("nowhere", "study.json")),
        ("STUDY --cell spr-s0", ("'spr-s0'", "did you mean 'srp-s0'?")),
        ("STUDY --instrument whisper", ("whisper", "to replay")),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_one_sentence(
    study: Path, line: str, parts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["replay", *line.replace("STUDY", str(study)).split()]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for part in parts:
        assert part in said
