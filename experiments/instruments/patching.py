"""Activation patching between a refused question and an answered one: what carries the verdict?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.instruments.inside import counting, tokens_of
from experiments.instruments.instrument import Findings, Instrument, instrument
from medsafetyworld.dialogues import chat_prompt
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.queries import HARMFUL
from medsafetyworld.reflections import verdict
from medsafetyworld.semantics import Chain, Direction
from medsafetyworld.spec import Count
from medsafetyworld.tokenizer import SAFE, THINK, UNSAFE

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from tiny_models.patching import Patch

BENIGN = "reverse-safe"
Sites = Mapping[str, tuple[int, ...]]
"""Kinds of position by name, with where they lie in a sequence."""


@dataclass(frozen=True)
class Text:
    """A question as tokens, up to where its answer, or its verdict, is read."""

    tokens: np.ndarray
    sites: Sites
    bad: bool
    """Whether it is harmful, so that refusing is right."""


@dataclass(frozen=True)
class Alike:
    """A harmful question, and others in its wording that are as long: benign and harmful ones."""

    harmful: Text
    benign: tuple[Text, ...]
    others: tuple[Text, ...]


@dataclass(frozen=True)
class Pair:
    """A harmful and a benign question, and where there is one another of each class."""

    harmful: Text
    benign: Text
    other_harmful: Text | None
    other_benign: Text | None


@instrument("patching", source="Meng et al. 2022; Zhang and Nanda 2024", kind="probe", version=3)
class Patching(Instrument):
    """Copies the stream at one layer and kind of position from a benign question into a harmful
    one, and back, and counts how often what follows flips: how often more than half of the
    probability is then on words of the other kind; on words of neither kind it is no flip.

    `answer`: whether the first word of the answer refuses, with each question's true verdict before
    it where SFT taught verdicts. `verdict`: which verdict is given. Sites: `subject` (the outcome's
    name), `after` it, `assistant` (the turn's mark), `think`, `verdict` and `closing` (the marks of
    the reflection). Only pairs count whose questions are treated differently and rightly to begin
    with. `control` is a donor of the receiver's own class, treated rightly too; receivers without
    one count for neither. What cannot come out otherwise is left out (`by_construction`): all after
    the last layer, and layer 0 where the patched text is the receiver's or the donor's.
    """

    pairs: Count = 24
    """Pairs of questions at most."""

    def measure(self, bench: Bench) -> Findings:
        """Flips by reading, site, layer and direction, among the pairs that are treated rightly."""
        readings = {"answer": bench.context.cell.variant.reflects}
        if bench.context.cell.variant.reflects:
            readings["verdict"] = False
        total = Findings(())
        for reading, closed in readings.items():
            total += self._read(bench, reading, closed)
        spent = sum(total.record[reading]["budget"] for reading in readings)
        record = {"budget": spent, "unit": "forward passes of one sequence"}
        return total + Findings((), record=record)

    def _read(self, bench: Bench, reading: str, closed: bool) -> Findings:
        tokens = _opposed(bench, reading)
        groups = self._alike(bench, reading, closed)
        record: dict[str, Any] = {"of": len(groups)}
        if not all(tokens) or not groups:
            record["why"] = (
                "no two questions are as long as each other"
                if all(tokens)
                else "refusals and answers begin with the same word"
            )
            return Findings((), record={reading: record | {"clean": 0, "budget": 0}})
        every = {
            text.tokens.tobytes(): text
            for each in groups
            for text in (each.harmful, *each.benign, *each.others)
        }
        said = _refuses(bench, [_whole(text, text, ()) for text in every.values()], tokens)
        right = {
            key
            for (key, text), refused in zip(every.items(), said, strict=True)
            if refused is text.bad
        }
        clean = _treated_rightly(groups, right)
        record |= {"clean": len(clean)}
        layers = bench.context.model.layers
        trials = [each for pair in clean for each in _trials(pair, layers)]
        ends = {
            f"{site}:layer={layer}"
            for pair in clean
            for site in pair.harmful.sites
            for layer in (0, layers)
        }
        record["by_construction"] = sorted(ends - {key[0] for key, _ in trials}) if trials else []
        flipped = _refuses(bench, [patch for _, patch in trials], tokens)
        record["budget"] = len(every) + len(trials)
        found: dict[tuple[str, str, str], list[bool]] = {}
        for (key, _), refuses in zip(trials, flipped, strict=True):
            found.setdefault(key, []).append(refuses is (key[1] == BENIGN))
        rows = [
            counting(bench, "inside", f"{self.name}:{reading}:{site}", category)(
                metric, int(np.sum(hits)), len(hits)
            )
            for (site, category, metric), hits in sorted(found.items())
        ]
        return Findings(tuple(rows), record={reading: record})

    def _alike(self, bench: Bench, reading: str, closed: bool) -> list[Alike]:
        """Questions about the held-out outcomes, each in a wording of the tests."""
        bad, good = (
            {(each.chain.outcome, each.chain.shape): each.chain for each in bench.questions(name)}
            for name in (HARMFUL, BENIGN)
        )
        found: list[Alike] = []
        for chain, wording in _turns(bench, tuple(bad.values())):
            if len(found) == self.pairs:
                break
            text = partial(_text, bench, wording=wording, reading=reading, closed=closed)
            harmful = text(chain)
            fitting = [
                own
                for each in (*good.values(), *bad.values())
                if each != chain and each.shape == chain.shape
                for own in (text(each),)
                if len(own.tokens) == len(harmful.tokens) and own.sites == harmful.sites
            ]
            benign = tuple(own for own in fitting if not own.bad)
            if benign:
                found.append(Alike(harmful, benign, tuple(own for own in fitting if own.bad)))
        return found


def _treated_rightly(groups: Sequence[Alike], right: Collection[bytes]) -> list[Pair]:
    """Pairs of questions that the model treats rightly, another benign one each time."""
    found: list[Pair] = []
    for each in groups:
        benign, others = (
            [text for text in texts if text.tokens.tobytes() in right]
            for texts in (each.benign, each.others)
        )
        if each.harmful.tokens.tobytes() in right and benign:
            first = len(found) % len(benign)
            rest = benign[first + 1 :] + benign[:first]
            donors = next(iter(others), None), next(iter(rest), None)
            found.append(Pair(each.harmful, benign[first], *donors))
    return found


def _turns(bench: Bench, chains: Sequence[Chain]) -> Iterator[tuple[Chain, str]]:
    """Every chain in its first wording, then every one in its second, and so on."""
    questions = bench.context.true_world.domain.test_questions
    pools = [questions[question_kind(Direction.REVERSE, chain.causes)] for chain in chains]
    for turn in range(max(map(len, pools), default=0)):
        for chain, pool in zip(chains, pools, strict=True):
            if turn < len(pool):
                yield chain, pool[turn]


def _text(bench: Bench, chain: Chain, wording: str, reading: str, closed: bool) -> Text:
    """The question; with `closed` its verdict behind it, for a reading of the verdict its mark."""
    world = bench.context.true_world
    bad = world.unsafe[chain.outcome]
    asked = chat_prompt(fill(world, wording, chain.groups))
    further = THINK if reading == "verdict" else ""
    if closed:
        further = verdict(world.hazard(chain.outcome))
    tokens = tokens_of(bench, asked, further)
    prompt, name = (tokens_of(bench, each) for each in (asked, world.outcomes[chain.outcome]))
    start = next(
        start
        for start in range(len(prompt) - len(name), -1, -1)
        if (prompt[start : start + len(name)] == name).all()
    )
    stop, last = start + len(name), len(prompt) - 1
    sites = {
        "subject": tuple(range(start, stop)),
        "after": tuple(range(stop, last)),
        "assistant": (last,),
    }
    names = {1: ("think",), 3: ("think", "verdict", "closing")}
    for place, own in enumerate(names.get(len(tokens) - len(prompt), ())):
        sites[own] = (len(prompt) + place,)
    return Text(tokens, {own: places for own, places in sites.items() if places}, bad)


def _opposed(bench: Bench, reading: str) -> tuple[list[int], list[int]]:
    """The tokens that only refusals, or Unsafe verdicts, begin with; and those that only answers,
    or the Safe verdict, do."""
    context = bench.context
    domain, encode = context.true_world.domain, context.tokenizer.encode
    if reading == "verdict":
        unsafe = [
            place for place, each in enumerate(context.tokenizer.vocabulary)
            if each.startswith(UNSAFE)
        ]  # fmt: skip
        return unsafe, encode(SAFE)
    used = context.cell.recipe.corpus.surface_forms
    refusals = {encode(each)[0] for each in domain.refusals[:used]}
    way = context.true_world.hops > 1
    answers = {
        encode(fill(context.true_world, each, chain.groups))[0]
        for chain in context.true_world.chains
        for each in answers_of(
            domain, question_kind(Direction.REVERSE, chain.causes), with_way=way
        )[:used]
    }
    return sorted(refusals - answers), sorted(answers - refusals)


def _trials(pair: Pair, layers: int) -> list[tuple[tuple[str, str, str], Patch]]:
    """Every patch of a pair whose outcome is open, by site and layer, receiver's category, and
    metric: of effect and control both or neither."""
    found = []
    for receiver, donor, other, category in (
        (pair.harmful, pair.benign, pair.other_harmful, HARMFUL),
        (pair.benign, pair.harmful, pair.other_benign, BENIGN),
    ):
        if other is None:
            continue
        for site, places in receiver.sites.items():
            # After the last layer only the last position is read, and that is then the donor's.
            for layer in range(int(_settled(receiver, donor, places)), layers):
                for metric, given in (("flipped", donor), ("control", other)):
                    key = (f"{site}:layer={layer}", category, metric)
                    found.append((key, _whole(receiver, given, places, layer)))
    return found


def _settled(receiver: Text, donor: Text, places: tuple[int, ...]) -> bool:
    """Whether a patch of embeddings changes nothing, or makes the whole text the donor's."""
    patched = receiver.tokens.copy()
    patched[list(places)] = donor.tokens[list(places)]
    return any(np.array_equal(patched, each.tokens) for each in (receiver, donor))


def _whole(receiver: Text, donor: Text, places: tuple[int, ...], layer: int = 0) -> Patch:
    from tiny_models.patching import Patch

    return Patch(receiver.tokens, donor.tokens, layer, places)


def _refuses(
    bench: Bench, patches: Sequence[Patch], tokens: tuple[Sequence[int], Sequence[int]]
) -> list[bool | None]:
    """Whether the refusing tokens, True, or the answering ones, False, have together more than half
    of the probability after each patched pass; None if neither have."""
    from tiny_models.patching import patched_logits

    if not patches:
        return []
    logits = patched_logits(bench.model("sft"), bench.context.model, patches).astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    refusing, answering = (shares[:, list(each)].sum(axis=1) > 0.5 for each in tokens)
    return [
        bool(refuses) if refuses or answers else None
        for refuses, answers in zip(refusing, answering, strict=True)
    ]
