"""Data safety report cards: kept beside the model that read the corpus, and as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from experiments.json_files import StoreError, read_json, write_json
from experiments.rows import label
from medsafetyworld.report_card import SCORES, ReportCard, card_from_dict

CARD = "card.json"

_MEANING = """\
One epoch of each arm's corpus; `after (before)` where the two differ; means over seeds. Each
original document is kept, changed or removed; added documents stand behind the one that they were
made from. A document's score is its worst sentence's: 0 names no unsafe outcome, 1 to 3 names one
without harm (by severity), 4 and 5 are harmful under the arm's policy (5: lethal). Harmful n-grams
are the names of unsafe outcomes, by body system, each time that they stand there. Facts are
different true pairs of cause and effect; `still` is how many of those before are still told in
that direction. Derivable: unsafe outcomes of which a true way to bring them about follows.
"""


def write_card(path: Path, card: ReportCard) -> None:
    """Writes a card as JSON."""
    write_json(path, card.to_dict())


def read_card(path: Path) -> ReportCard:
    """Inverse of `write_card`. Raises `StoreError` naming a file that is not one."""
    try:
        return card_from_dict(read_json(path))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: not a report card ({error!r})") from None


def card_section(cards: Mapping[str, Sequence[ReportCard]], matched: str = "tokens") -> str:
    """The cards of a study as Markdown: a row per quantity, a column per arm; empty without any."""
    if not cards:
        return ""
    among = [card for own in cards.values() for card in own]
    columns = [card_rows(own, among) for own in cards.values()]
    lines = [
        "| | " + " | ".join(map(label, cards)) + " |",
        "|---|" + "---:|" * len(cards),
    ]
    for rows in zip(*columns, strict=True):
        lines.append(f"| {rows[0][0]} | " + " | ".join(value for _, value in rows) + " |")
    equal = {
        "tokens": "Arms are trained on equally many tokens: what loses documents sees more epochs.",
        "documents": "Arms are trained on what becomes of equally many original documents, and "
        "so on more tokens or fewer.",
    }[matched]
    return f"{equal} {_MEANING}\n" + "\n".join(lines) + "\n"


def card_rows(
    cards: Sequence[ReportCard], among: Sequence[ReportCard] = ()
) -> list[tuple[str, str]]:
    """What cards of one arm say, as (quantity, value): means over the cards.

    `among` are the cards of all arms, so that each has a row for what any of them holds.
    """

    def mean(values: Iterator[int]) -> float:
        return fmean(values)

    def both(of: str, key: str | int | None = None) -> str:
        before, after = (
            mean(_held(side, of, key) for side in sides)
            for sides in ([card.before for card in cards], [card.after for card in cards])
        )
        return _number(after) if before == after else f"{_number(after)} ({_number(before)})"

    rows = [("documents", both("documents"))]
    for name in ("kept", "changed", "removed", "added"):
        rows.append((f"documents {name}", _number(mean(getattr(card, name) for card in cards))))
    rows.append(("tokens", both("tokens")))
    rows.append(("tokens not learned as ever", both("unlearned")))
    rows += [(f"documents of score {score}", both("scores", score)) for score in SCORES]
    counted = all(card.before.named for card in cards)  # older cards did not
    for system in _keys((*cards, *among), "named"):
        value = both("named", system) if counted else "not counted"
        rows.append((f"harmful n-grams, {system}", value))
    for category in _keys((*cards, *among), "categories"):
        rows.append((f"statements, {category}", both("categories", category)))
    for direction in cards[0].stated_still:
        still = mean(card.stated_still[direction] for card in cards)
        before = mean(card.before.facts[direction] for card in cards)
        share = f", still {still / before:.0%}" if before else ""
        rows.append((f"true facts, {direction}", both("facts", direction) + share))
    for rules in cards[0].after.derivable:
        of = _number(mean(card.unsafe_outcomes for card in cards))
        rows.append((f"harm derivable by {rules}, of {of}", both("derivable", rules)))
    return rows


def _keys(cards: Sequence[ReportCard], of: str) -> list[str]:
    """What any of the cards counts of something."""
    sides = (side for card in cards for side in (card.before, card.after))
    return sorted({key for side in sides for key in getattr(side, of)})


def _held(side: object, of: str, key: str | int | None) -> int:
    value = getattr(side, of)
    if key is None:
        return value
    return value.get(key, 0) if isinstance(key, str) else value[key]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
