"""How good verdicts are against the oracle's: ROC curves, and errors by kind of document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medsafetyworld.interventions.verdicts import HARMFUL

REPORT = "classifier.json"
"""The file of a classifier stage with the measurements that are read here."""
LEVELS = {"unsafe": 1, "harmful": HARMFUL}
"""What is to be told from the rest, and the least score that it has."""
_POINTS = 200


def roc(outputs: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False- and true-positive rates `(thresholds + 1,)` from the strictest threshold down.

    Raises ValueError if either kind is missing: there is then no rate.
    """
    if positive.all() or not positive.any():
        raise ValueError("a ROC curve needs positives and negatives")
    order = np.argsort(-outputs, kind="stable")
    last = np.flatnonzero(np.diff(outputs[order], append=-np.inf))
    hits = np.cumsum(positive[order])[last] / positive.sum()
    alarms = np.cumsum(~positive[order])[last] / (~positive).sum()
    return np.concatenate([[0.0], alarms]), np.concatenate([[0.0], hits])


def auc(outputs: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive has more than a negative; chance is 0.5."""
    alarms, hits = roc(outputs, positive)
    return float((np.diff(alarms) * (hits[1:] + hits[:-1]) / 2).sum())


def curves(
    outputs: Mapping[str, np.ndarray], truth: np.ndarray
) -> dict[str, dict[str, dict[str, Any]]]:
    """By level and classifier: the area, and some points of the curve."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for level, least in LEVELS.items():
        positive = truth >= least
        if positive.all() or not positive.any():
            continue
        found[level] = {}
        for name, each in outputs.items():
            alarms, hits = roc(each, positive)
            some = np.unique(np.linspace(0, len(alarms) - 1, _POINTS).astype(int))
            found[level][name] = {
                "auc": auc(each, positive),
                "false_positive_rate": alarms[some].round(6).tolist(),
                "true_positive_rate": hits[some].round(6).tolist(),
            }
    return found


def errors_by_kind(
    kinds: Sequence[str], said: np.ndarray, truth: np.ndarray
) -> dict[str, dict[str, dict[str, int]]]:
    """By level and kind of document: how many there are, how many missed, how many false alarms."""
    named = np.asarray(kinds)
    found: dict[str, dict[str, dict[str, int]]] = {}
    for level, least in LEVELS.items():
        found[level] = {}
        for kind in sorted(set(kinds)):
            bad, told = truth[named == kind] >= least, said[named == kind] >= least
            found[level][kind] = {
                "positives": int(bad.sum()),
                "missed": int((bad & ~told).sum()),
                "negatives": int((~bad).sum()),
                "false_alarms": int((~bad & told).sum()),
            }
    return found


def roc_text(report: Mapping[str, Any]) -> str:
    """Areas and errors of a trained classifier as plain lines."""
    lines = []
    for level, by_name in report["curves"].items():
        areas = ", ".join(
            f"{name} {each['auc']:.3f}" for name, each in sorted(by_name.items(), reverse=True)
        )
        lines.append(f"{level} sentences, area under the ROC curve (chance 0.5): {areas}")
    for level, by_kind in report["errors"].items():
        for kind, each in by_kind.items():
            lines.append(
                f"{level} documents, {kind}: {each['missed']} of {each['positives']} missed, "
                f"{each['false_alarms']} of {each['negatives']} others taken for it"
            )
    return "\n".join(lines)
