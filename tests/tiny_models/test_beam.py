"""Safe beam search finds what a slow search by full forward passes finds."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_model import full_logits, prompts_of

from tiny_models import generate, init_params, safe_beam
from tiny_models.beam import select

STOP, TAG = 4, 7
SETTINGS = {"max_new_tokens": 6, "stop_token": STOP, "batch": 4}
LENGTHS = [1, 5, 11, 3]


@pytest.fixture(scope="module")
def loud(model):
    """Larger weights, so that what is likely depends on what was said."""
    return [
        jax.tree.map(lambda leaf: 3.0 * leaf, init_params(model, seed=seed)) for seed in range(3)
    ]


def logprobs(params, model, row: list[int]) -> np.ndarray:
    logits = full_logits(params, model, np.array(row))[-1].astype(np.float64)
    return logits - np.logaddexp.reduce(logits)


def slow(params, model, prompt, beams: int, ahead: int, tag: int | None) -> tuple[list[int], int]:
    """The best beam by full forward passes, and how many steps it took."""

    def children(beam: dict, count: int) -> list[dict]:
        if beam["ended"]:
            return [beam]
        logs = logprobs(params, model, beam["row"])
        made = []
        for token in np.argsort(-logs, kind="stable")[:count].tolist():
            row = [*beam["row"], token]
            danger = 0.0 if tag is None else float(np.exp(logprobs(params, model, row)[tag]))
            score = beam["score"] + logs[token]
            made.append({"row": row, "score": score, "ended": token == STOP, "danger": danger})
        return made

    best = [{"row": list(prompt), "score": 0.0, "ended": False, "danger": 0.0}]
    step = 0
    for step in range(SETTINGS["max_new_tokens"]):
        count = beams * ahead if step == 0 else ahead
        found = [child for beam in best for child in children(beam, count)]
        found.sort(key=lambda each: (each["danger"], -each["score"]))
        found = found[: max(beams, len(found) - len(found) // 2)]
        best = sorted(found, key=lambda each: -each["score"])[:beams]
        if best[0]["ended"]:
            break
    said = best[0]["row"][len(prompt) :]
    return (said[:-1] if best[0]["ended"] else said), step + 1


@pytest.mark.parametrize(("beams", "ahead"), [(1, 2), (3, 3)])
@pytest.mark.parametrize("tag", [None, TAG])
def test_the_search_equals_a_slow_one(model, loud, beams, ahead, tag):
    prompts = prompts_of(LENGTHS)
    said = set()
    for params in loud:
        found = safe_beam(
            params, model, prompts, tag_token=tag, beams=beams, ahead=ahead, **SETTINGS
        )
        for prompt, got in zip(prompts, found, strict=True):
            wanted, steps = slow(params, model, prompt, beams, ahead, tag)
            assert got.tokens.tolist() == wanted
            assert got.forward_tokens == len(prompt) + beams * ahead * steps
            said.add((tuple(wanted), steps))
    assert len(said) > 6


def test_one_beam_without_a_tag_is_greedy_decoding(model, loud):
    prompts = prompts_of(LENGTHS)
    found = safe_beam(loud[0], model, prompts, tag_token=None, beams=1, ahead=2, **SETTINGS)
    greedy = generate(loud[0], model, prompts, **SETTINGS)
    assert [each.tokens.tolist() for each in found] == [each.tolist() for each in greedy]


def test_a_tag_of_constant_probability_leaves_plain_beam_search(model, loud):
    params = jax.tree.map(lambda leaf: leaf, loud[1])
    # Every feature vector has a positive first entry, to which the tag answers with a great no.
    for layer in params["layers"].values():
        layer["attention"]["o"] = layer["attention"]["o"].at[:, 0].set(0.0)
        layer["mlp"]["down"] = layer["mlp"]["down"].at[:, 0].set(0.0)
    table = params["embedding"].at[:, 0].set(1.0)
    params["embedding"] = table.at[TAG].set(0.0).at[TAG, 0].set(-1e5)
    prompts = [np.where(prompt == TAG, 0, prompt) for prompt in prompts_of(LENGTHS)]
    plain, tagged = (
        safe_beam(params, model, prompts, tag_token=tag, beams=3, ahead=3, **SETTINGS)
        for tag in (None, TAG)
    )
    assert [each.tokens.tolist() for each in tagged] == [each.tokens.tolist() for each in plain]


def test_what_is_found_does_not_depend_on_the_batch(model, loud):
    prompts = prompts_of(LENGTHS)
    shape = {"tag_token": TAG, "beams": 3, "ahead": 3}
    alone = safe_beam(loud[2], model, prompts, **shape, **{**SETTINGS, "batch": 1})
    together = safe_beam(loud[2], model, prompts, **shape, **SETTINGS)
    assert [e.tokens.tolist() for e in alone] == [e.tokens.tolist() for e in together]
    assert [e.forward_tokens for e in alone] == [e.forward_tokens for e in together]


def chosen(scores: list[float], tag: list[float], beams: int) -> list[int]:
    found, places = select(jnp.array([scores]), jnp.array([tag]), beams)
    return [place for place, score in zip(places[0].tolist(), found[0], strict=True) if score > -99]


def test_the_half_likeliest_to_be_tagged_is_dropped_and_the_most_probable_stay():
    scores, tag = [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0], [0.9, 0.1, 0.8, 0.2, 0.3, 0.7]
    assert chosen(scores, tag, 2) == [1, 3]
    assert chosen(scores, tag, 3) == [1, 3, 4]
    assert chosen(scores, tag, 5) == [1, 2, 3, 4, 5]  # no beam stays empty


def test_of_equally_dangerous_candidates_the_less_probable_are_dropped():
    assert chosen([-4.0, -1.0, -3.0, -2.0], [0.5] * 4, 2) == [1, 3]


def test_what_is_no_candidate_is_neither_counted_nor_chosen():
    nothing = -np.inf
    assert chosen([-1.0, nothing, -2.0, nothing], [0.9, 0.0, 0.1, 0.0], 1) == [2]
    assert chosen([-1.0, nothing, -2.0, nothing], [0.9, 0.0, 0.1, 0.0], 3) == [0, 2]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ahead": 1}, "ahead must be at least 2"),
        ({"beams": 12}, "beams . ahead at most vocab_size=23"),
        ({"beams": 0}, "beams must be at least 1"),
        ({"tag_token": 23}, "tag_token must lie in"),
        ({"max_new_tokens": 48}, "more than context=48"),
    ],
)
def test_what_cannot_be_searched_is_refused(model, params, changes, sentence):
    asked = {**SETTINGS, "tag_token": TAG, "beams": 2, "ahead": 2, **changes}
    with pytest.raises(ValueError, match=sentence):
        safe_beam(params, model, prompts_of([5]), **asked)
