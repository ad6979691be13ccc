"""Classifiers of a study: trained once, measured on what they did not see, used by every step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from experiments import stages
from experiments.classifier import read_scores, train_classifiers
from experiments.json_files import StoreError, canonical_hash, read_json
from experiments.proof import prove
from experiments.recipe import Arm, Cell
from experiments.roc import REPORT, auc, curves, errors_by_kind, roc_text
from experiments.roc_figure import roc_figure
from experiments.stages import Context
from medsafetyworld.interventions.verdicts import HARMFUL, Oracle, worst
from medsafetyworld.policies import PAPER_POLICY

from tiny_recipe import RECIPE


def context(root: Path, variant: str) -> Context:
    the_cell = Cell(RECIPE, Arm("some", variant), 0, 7)
    return Context(the_cell, root, lambda stage, progress: None)


@pytest.fixture(scope="module")
def filtered(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return context(tmp_path_factory.mktemp("filtered"), "classifier_filter")


def reading_of(given: Context) -> dict[str, int]:
    return prove(given.corpus, given.cell, variant=given.variant)[0].counts()


def test_a_cell_with_learned_verdicts_trains_its_classifiers_first(filtered: Context) -> None:
    learned = reading_of(filtered)
    assert len(list(filtered.root.glob("classifier-*/manifest.json"))) == 1
    exact, every = (reading_of(context(filtered.root, name)) for name in ("filter", "baseline"))
    assert exact["harmful"] == 0
    assert learned["harmful"] < every["harmful"] / 2
    assert learned["documents"] != every["documents"]


def test_classifiers_are_trained_once_and_read_back_the_same(filtered: Context) -> None:
    stage = train_classifiers(filtered, PAPER_POLICY)
    stamp = (stage.path / "manifest.json").stat().st_mtime_ns
    again = train_classifiers(context(filtered.root, "rewrite"), PAPER_POLICY)
    assert again.path == stage.path
    assert (stage.path / "manifest.json").stat().st_mtime_ns == stamp
    scores = read_scores(stage)
    texts = [each.text for one in filtered.corpus.documents(0) for each in one.sentences]
    used = [filtered.variant.pretraining[0].by.scorer(text) for text in texts[:200]]  # pyright: ignore
    assert [scores(text) for text in texts[:200]] == used
    assert len(set(used)) > 2


def test_they_tell_harm_better_than_chance_and_the_report_says_so(filtered: Context) -> None:
    report = read_json(train_classifiers(filtered, PAPER_POLICY).verified(REPORT))
    assert report["curves"]["harmful"]["n-grams"]["auc"] > 0.9
    assert report["curves"]["unsafe"]["head"]["auc"] > 0.6
    counted = sum(
        each[side]
        for each in report["errors"]["harmful"].values()
        for side in ("positives", "negatives")
    )
    assert counted == round(0.15 * min(10_000, len(filtered.corpus)))
    text = roc_text(report)
    assert "harmful sentences, area under the ROC curve (chance 0.5): n-grams" in text
    alarms = report["errors"]["unsafe"]["note"]
    assert alarms["false_alarms"] < 0.1 * alarms["negatives"]
    assert "documents, note:" in text
    assert len(roc_figure(report).axes) == 2


def test_a_classifier_that_was_changed_is_not_used(tmp_path: Path) -> None:
    stage = train_classifiers(context(tmp_path, "classifier_filter"), PAPER_POLICY)
    path = stage.path / "known.json"
    path.write_text("{}\n" if path.read_text() != "{}\n" else '{"a": 1}\n')
    with pytest.raises(StoreError, match=r"known\.json"):
        read_scores(stage)


def test_the_address_of_a_pretraining_depends_on_its_classifiers(
    filtered: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def address() -> str:
        return canonical_hash(stages.pretrain_inputs(filtered))

    before = address()
    monkeypatch.setattr("experiments.classifier.SAMPLE", 50)
    assert address() != before
    assert "classifiers" not in stages.pretrain_inputs(context(filtered.root, "filtering"))


def test_the_area_is_that_of_the_rank_sum() -> None:
    rng = np.random.default_rng(0)
    outputs = rng.integers(0, 12, 300).astype(float)
    positive = rng.random(300) < outputs / 14
    ranks = rankdata(outputs)
    count = positive.sum()
    rank_sum = ranks[positive].sum() - count * (count + 1) / 2
    assert auc(outputs, positive) == pytest.approx(rank_sum / (count * (~positive).sum()))
    assert auc(positive.astype(float), positive) == 1.0
    assert auc(np.zeros(300), positive) == 0.5
    with pytest.raises(ValueError, match="positives and negatives"):
        auc(outputs, np.zeros(300, dtype=bool))
    assert curves({"n-grams": outputs}, np.zeros(300)) == {}


def test_errors_add_up_by_kind_of_document(filtered: Context) -> None:
    documents = list(filtered.corpus.documents(0))[:300]
    truth = np.array([worst(Oracle(PAPER_POLICY), filtered.world, each) for each in documents])
    kinds = ["note" if place % 2 else "digest" for place in range(len(documents))]
    blind = errors_by_kind(kinds, np.zeros_like(truth), truth)["harmful"]
    assert sum(each["missed"] for each in blind.values()) == (truth >= HARMFUL).sum() > 0
    assert all(each["false_alarms"] == 0 for each in blind.values())
    alarmed = errors_by_kind(kinds, np.full_like(truth, 5), truth)["harmful"]
    assert all(each["missed"] == 0 for each in alarmed.values())
    assert all(each["false_alarms"] == each["negatives"] for each in alarmed.values())
