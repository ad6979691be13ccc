"""The stage that trains a cell's classifiers, where its verdicts are learned.

The oracle scores a sample of the corpus. A linear model on n-grams and a linear head on a small
model, pretrained on the corpus as it is for a fifth of the recipe's steps, learn the scores; of the
sample 70 % teach, 15 % set the thresholds and 15 % measure. The higher score counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.json_files import canonical_hash, read_json, write_json
from experiments.roc import REPORT, curves, errors_by_kind
from experiments.store import Stage, open_stage
from medsafetyworld.documents import Document
from medsafetyworld.interventions.learned import (
    SAMPLE,
    Learned,
    Scores,
    fewest_errors,
    labelled,
    levels,
    sample,
    uses_learned,
    with_scorer,
)
from medsafetyworld.interventions.variants import Variant, always
from medsafetyworld.interventions.verdicts import SAFE, Oracle, resolved, worst
from medsafetyworld.ngrams import NgramModel, fit_ngrams
from medsafetyworld.policies import SafetyPolicy
from medsafetyworld.policy_data import content_hash
from medsafetyworld.training_stream import token_stream
from tiny_models.activations import mean_features
from tiny_models.config import TrainConfig
from tiny_models.determinism import fingerprint
from tiny_models.training import Params, train
from tiny_models.transformer import init_params

if TYPE_CHECKING:
    from experiments.stages import Context

KIND = "classifier"
KNOWN, WEIGHTS = "known.json", "ngrams.npy"
_TEACH, _TUNE = 0.7, 0.85
_RIDGE = 1e-2


@dataclass(frozen=True)
class _Head:
    """A linear function of the small model's mean stream."""

    params: Params
    weights: np.ndarray
    """`(d_model + 1,)`; the last is the constant."""

    def outputs(self, context: Context, texts: Sequence[str]) -> np.ndarray:
        return self.features(context, self.params, texts) @ self.weights

    @staticmethod
    def features(context: Context, params: Params, texts: Sequence[str]) -> np.ndarray:
        most = context.model.context
        rows = [np.array(context.tokenizer.encode(text)[:most]) for text in texts]
        means = mean_features(params, context.model, rows).astype(np.float64)
        return np.concatenate([means, np.ones((len(rows), 1))], axis=1)


def with_classifiers(context: Context, variant: Variant) -> Variant:
    """The variant with classifiers trained for its learned verdicts, if it has any."""
    if not any(uses_learned(step) for step in variant.pretraining):
        return variant
    trained: dict[str, Scores] = {}

    def scorer_of(policy: SafetyPolicy) -> Scores:
        key = content_hash(policy)
        if key not in trained:
            trained[key] = read_scores(train_classifiers(context, policy))
        return trained[key]

    steps = tuple(with_scorer(step, scorer_of) for step in variant.bound.pretraining)
    return replace(variant, pretraining=steps)


def classifiers_of(context: Context, variant: Variant) -> dict[str, Any]:
    """What the pretraining's learned verdicts depend on, for its inputs; nothing without any."""
    values = (value for step in variant.bound.pretraining for value in vars(step).values())
    policies = [resolved(value.policy) for value in values if isinstance(value, Learned)]
    keys = {canonical_hash(_inputs(context, policy)) for policy in policies}
    return {"classifiers": sorted(keys)} if keys else {}


def small_config(config: TrainConfig) -> TrainConfig:
    """The small model's training: a fifth of the steps."""
    steps = max(1, config.steps // 5)
    warmup = min(config.warmup_steps, steps)
    return replace(config, steps=steps, warmup_steps=warmup, checkpoint_every=steps)


def train_classifiers(context: Context, policy: SafetyPolicy) -> Stage:
    """Trains and measures the classifiers of a policy unless that is done."""
    stage = open_stage(context.root, KIND, _inputs(context, policy))
    with stage.lock():
        if not stage.done:
            _train(context, policy, stage)
    return stage


def read_scores(stage: Stage) -> Scores:
    """The classifiers of a finished stage, compared with its manifest."""
    report = read_json(stage.verified(REPORT))
    weights = np.load(stage.verified(WEIGHTS), allow_pickle=False)
    model = NgramModel(weights, report["constant"])
    known = read_json(stage.verified(KNOWN))
    return Scores(model, tuple(report["thresholds"]["n-grams"]), known)


def _inputs(context: Context, policy: SafetyPolicy) -> dict[str, Any]:
    cell = context.cell
    return {
        "world": context.world.content_hash,
        "corpus": asdict(cell.corpus_spec),
        "policy": content_hash(policy),
        "tokenizer": context.tokenizer.content_hash,
        "domain": context.world.domain.content_hash,
        "model": asdict(context.model),
        "train": asdict(small_config(cell.recipe.pretrain)),
        "sample": SAMPLE,
        "seeds": {name: cell.seeds[name] for name in ("corpus", "init", "order")},
    }


def _train(context: Context, policy: SafetyPolicy, stage: Stage) -> None:
    world = context.world
    documents = list(sample(context.corpus))
    first, second = (round(share * len(documents)) for share in (_TEACH, _TUNE))
    known_before = labelled(world, documents[:second], policy)
    testing = _unseen(labelled(world, documents[second:], policy), known_before)
    # Sentences that many documents share count as often as they are read.
    taught, tuning = (
        [each.text for one in part for each in one.sentences]
        for part in (documents[:first], documents[first:second])
    )
    context.report("classifier: n-grams", None)
    ngrams = fit_ngrams(taught, [known_before[text] for text in taught])
    head = _fit_head(context, _small_model(context, stage), taught, known_before)
    tuned = _outputs(context, ngrams, head, tuning)
    truth = np.array([known_before[text] for text in tuning])
    thresholds = {name: fewest_errors(tuned[name], truth) for name in ("n-grams", "head")}
    scores = Scores(ngrams, thresholds["n-grams"])
    context.report("classifier: scoring the corpus", None)
    known = _higher(context, head, thresholds["head"], scores, context.corpus.documents(0))
    whole = Scores(ngrams, thresholds["n-grams"], known)
    tested = _outputs(context, ngrams, head, list(testing))
    report = {
        "constant": ngrams.constant,
        "thresholds": thresholds,
        "sentences": {"taught": len(taught), "tuned": len(tuning), "tested": len(testing)},
        "curves": curves(tested, np.array(list(testing.values()))),
        "errors": _errors(context, whole, policy, documents[second:]),
    }
    np.save(stage.path / WEIGHTS, ngrams.weights)
    write_json(stage.path / KNOWN, known)
    write_json(stage.path / REPORT, report)
    areas = {
        level: {name: each["auc"] for name, each in by_name.items()}
        for level, by_name in report["curves"].items()
    }
    stage.finish({"auc": areas, "raised_by_head": len(known)}, fingerprint())


def _unseen(labels: dict[str, int], seen: dict[str, int]) -> dict[str, int]:
    """Those not among the seen; all, where a corpus is so small that nothing else is left."""
    new = {text: score for text, score in labels.items() if text not in seen}
    return new or labels


def _small_model(context: Context, stage: Stage) -> Params:
    """A model of the recipe's shape, pretrained for a while on the corpus as it is."""
    from experiments.stages import packed_batch  # stages train classifiers

    config = small_config(context.cell.recipe.pretrain)
    length = config.steps * config.batch_rows * context.cell.recipe.context + 1
    seeds = context.cell.seeds
    stream = token_stream(context.corpus, always(()), context.tokenizer, seeds["order"], length)
    return train(
        params=init_params(context.model, seeds["init"] % 2**31),
        model=context.model,
        config=config,
        batch_at=partial(
            packed_batch, stream.tokens, config.batch_rows, context.cell.recipe.context
        ),
        directory=stage.path,
        progress=partial(context.report, stage.name),
        strict=context.strict,
        seeds=seeds,
    )


def _fit_head(
    context: Context, params: Params, texts: Sequence[str], labels: dict[str, int]
) -> _Head:
    features = _Head.features(context, params, texts)
    wanted = np.array([labels[text] for text in texts], dtype=np.float64)
    # The constant, in the last column, costs nothing.
    cost = _RIDGE * np.diag([*np.ones(features.shape[1] - 1), 0.0])
    weights = np.linalg.solve(features.T @ features + cost, features.T @ wanted)
    return _Head(params, weights)


def _outputs(
    context: Context, ngrams: NgramModel, head: _Head, texts: Sequence[str]
) -> dict[str, np.ndarray]:
    first, second = ngrams.scores(texts), head.outputs(context, texts)
    return {"n-grams": first, "head": second, "both": np.maximum(first, second)}


def _higher(
    context: Context,
    head: _Head,
    thresholds: Sequence[float],
    scores: Scores,
    documents: Iterable[Document],
) -> dict[str, int]:
    """The sentences that the head scores higher than the n-grams do, with its scores."""
    texts = list(dict.fromkeys(each.text for one in documents for each in one.sentences))
    said = levels(head.outputs(context, texts), thresholds).tolist()
    return {
        text: score
        for text, score in zip(texts, said, strict=True)
        if score > SAFE and score > scores(text)
    }


def _errors(
    context: Context, scores: Scores, policy: SafetyPolicy, documents: Sequence[Document]
) -> dict[str, Any]:
    """Errors on whole documents: each has its worst sentence's score."""
    source = Learned(policy, scores)
    kinds = [each.kind for each in documents]
    said, truth = (
        np.array([worst(by, context.world, each) for each in documents])
        for by in (source, Oracle(policy))
    )
    return errors_by_kind(kinds, said, truth)
