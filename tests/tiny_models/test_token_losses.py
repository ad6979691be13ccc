"""Targets that are masked, unlearned or routed: each gets the gradient that its code promises."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_model import CONFIG, batch_at, run

from tiny_models import Coded, Params, TokenLosses, ablate, apply, train, train_ensemble, update
from tiny_models.checkpoint import flatten, parameter_hash
from tiny_models.chunks import Batch
from tiny_models.token_losses import LEARN, MASK, ROUTE, UNLIKELY, in_slice, unlikelihood
from tiny_models.update import Recipe

UNITS = 5
PLAIN = Recipe.of(CONFIG)
ROUTED = Recipe.of(CONFIG, TokenLosses(routed=UNITS))
loss_and_gradient = jax.jit(update.loss_and_gradient, static_argnums=(1, 4))


def coded_at(step: int) -> Batch:
    """The rows of `batch_at` with every code somewhere."""
    tokens, mask = batch_at(step)
    return tokens, Coded(mask, np.random.default_rng(step).integers(0, 4, (8, 8)))


def of_codes(codes: np.ndarray | int) -> tuple[jax.Array, Coded]:
    tokens, mask = batch_at(0)
    told = jnp.broadcast_to(jnp.asarray(codes), (8, 8))
    return jnp.asarray(tokens, jnp.int32), Coded(jnp.asarray(mask, jnp.float32), told)


def close(left: object, right: object) -> None:
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_targets_that_are_learned_have_the_plain_loss_and_gradient(model, params):
    tokens, coded = of_codes(LEARN)
    plain = loss_and_gradient(params, model, tokens, coded.mask, PLAIN)
    close(loss_and_gradient(params, model, tokens, coded, ROUTED), plain)


def test_masked_targets_are_as_good_as_dropped(model, params):
    drawn = np.random.default_rng(1).integers(0, 2, (8, 8))
    tokens, coded = of_codes(np.where(drawn, MASK, LEARN))
    dropped = loss_and_gradient(params, model, tokens, coded.mask * (1 - drawn), PLAIN)
    close(loss_and_gradient(params, model, tokens, coded, PLAIN), dropped)


def test_routed_targets_train_the_last_units_of_every_layer_and_nothing_else(model, params):
    tokens, coded = of_codes(ROUTE)
    plain = loss_and_gradient(params, model, tokens, coded.mask, PLAIN)
    loss, gradient = loss_and_gradient(params, model, tokens, coded, ROUTED)
    assert float(loss) == pytest.approx(float(plain[0]), rel=1e-5)
    everything = dict(flatten(plain[1]))
    for name, leaf in flatten(gradient):
        wanted = np.zeros(leaf.shape)
        if name.endswith(("mlp.gate", "mlp.up")):
            wanted[:, -UNITS:] = everything[name][:, -UNITS:]
        elif name.endswith("mlp.down"):
            wanted[-UNITS:] = everything[name][-UNITS:]
        np.testing.assert_allclose(leaf, wanted, rtol=1e-4, atol=1e-7)
        assert np.any(wanted) == (".mlp." in name)


def test_what_is_learned_beside_routed_targets_trains_everything(model, params):
    codes = np.where(np.arange(8) < 4, LEARN, ROUTE)
    tokens, coded = of_codes(codes)
    loss, gradient = loss_and_gradient(params, model, tokens, coded, ROUTED)
    parts = []
    for code in (LEARN, ROUTE):
        alone = Coded(coded.mask * (codes == code), coded.codes)
        weight = float(alone.mask.sum() / coded.mask.sum())
        part = loss_and_gradient(params, model, tokens, alone, ROUTED)
        parts.append(jax.tree.map(lambda leaf, weight=weight: leaf * weight, part))
    close((loss, gradient), jax.tree.map(jnp.add, *parts))


def test_the_slice_that_is_ablated_is_the_one_that_was_routed(model, params):
    marks, ablated = dict(flatten(in_slice(params, UNITS))), dict(flatten(ablate(params, UNITS)))
    assert sum(float(leaf.sum()) for leaf in marks.values()) == model.layers * 3 * 16 * UNITS
    for name, leaf in flatten(params):
        np.testing.assert_array_equal(ablated[name], np.where(marks[name], 0.0, leaf))
    tokens = jnp.arange(9)[None]
    small = jax.tree.map(lambda leaf: leaf, params)
    for layer in small["layers"].values():
        mlp = layer["mlp"]
        cut = {"gate": mlp["gate"][:, :-UNITS], "up": mlp["up"][:, :-UNITS]}
        layer["mlp"] = cut | {"down": mlp["down"][:-UNITS]}
    np.testing.assert_allclose(
        apply(ablate(params, UNITS), model, tokens), apply(small, model, tokens), atol=1e-5
    )
    assert parameter_hash(ablate(params, 0)) == parameter_hash(params)


def test_unlikelihood_is_minus_the_log_of_what_the_others_have(model, params):
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(4, 23)), jnp.float32)
    targets = jnp.array([0, 5, 22, 5])
    chances = jax.nn.softmax(logits)[jnp.arange(4), targets]
    np.testing.assert_allclose(unlikelihood(logits, targets), -jnp.log(1 - chances), rtol=1e-4)


def test_unlikelihood_and_its_gradient_stay_finite_where_the_target_is_certain():
    logits = jnp.zeros((1, 23)).at[0, 3].set(90.0)
    loss, gradient = jax.value_and_grad(lambda x: unlikelihood(x, jnp.array([3])).sum())(logits)
    assert float(loss) == pytest.approx(90.0 - np.log(22), rel=1e-5)
    assert np.isfinite(gradient).all()
    assert float(gradient[0, 3]) == pytest.approx(1.0)


def test_the_gradient_of_unlikely_targets_is_that_of_finite_differences(model, params):
    tokens, coded = of_codes(UNLIKELY)
    loss, gradient = loss_and_gradient(params, model, tokens, coded, PLAIN)
    plain, _ = loss_and_gradient(params, model, tokens, coded.mask, PLAIN)
    assert float(loss) < 0.2 < float(plain)  # a fresh model says each of 23 tokens rarely
    draw = np.random.default_rng(2)
    way = jax.tree.map(lambda leaf: jnp.asarray(draw.normal(size=leaf.shape), jnp.float32), params)
    slope = sum(jnp.vdot(g, w) for g, w in zip(*map(jax.tree.leaves, (gradient, way)), strict=True))

    def loss_at(step: float) -> float:
        moved: Params = jax.tree.map(lambda leaf, along: leaf + step * along, params, way)
        return float(loss_and_gradient(moved, model, tokens, coded, PLAIN)[0])

    assert float(slope) == pytest.approx((loss_at(1e-3) - loss_at(-1e-3)) / 2e-3, rel=2e-2)


def test_micro_batches_carry_their_codes(model, params):
    tokens, coded = of_codes(np.random.default_rng(3).integers(0, 4, (8, 8)))
    whole = loss_and_gradient(params, model, tokens, coded, ROUTED._replace(micro_rows=8))
    close(loss_and_gradient(params, model, tokens, coded, ROUTED), whole)


def test_a_plain_run_s_program_is_the_one_without_codes(model, params):
    tokens, coded = of_codes(LEARN)

    def plain(params: Params, tokens: jax.Array, mask: jax.Array) -> object:
        total = jnp.maximum(jnp.sum(mask), 1.0)
        loss = update.masked_loss
        return jax.value_and_grad(loss)(params, model, tokens, mask, total, "float32", "plain")

    def ours(params: Params, tokens: jax.Array, mask: jax.Array) -> object:
        return update.loss_and_gradient(params, model, tokens, mask, PLAIN._replace(micro_rows=8))

    said = [str(jax.make_jaxpr(each)(params, tokens, coded.mask)) for each in (plain, ours)]
    assert said[0] == said[1]


def test_a_coded_run_resumes_and_an_ensemble_reads_the_codes_too(tmp_path: Path, model, params):
    losses = TokenLosses(routed=UNITS)
    whole = run(tmp_path / "whole", model, params, coded_at, token_losses=losses)

    def stops(step: int) -> Batch:
        if step == 5:
            raise KeyboardInterrupt
        return coded_at(step)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", model, params, stops, token_losses=losses)
    with pytest.raises(ValueError, match="routed"):
        run(tmp_path / "cut", model, params, coded_at, token_losses=TokenLosses(routed=4))
    assert run(tmp_path / "cut", model, params, coded_at, token_losses=losses) == whole
    (member,) = train_ensemble(
        params=[params],
        model=model,
        config=CONFIG,
        batch_at=[coded_at],
        directory=tmp_path / "member",
        token_losses=losses,
    )
    alone = train(
        params=params,
        model=model,
        config=CONFIG,
        batch_at=coded_at,
        directory=tmp_path / "cut",
        token_losses=losses,
    )
    for one, other in zip(jax.tree.leaves(member), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(
    ("codes", "losses", "sentence"),
    [
        (np.full((8, 8), 4), TokenLosses(routed=2), r"a loss code outside \[0, 3\]"),
        (np.full((8, 8), ROUTE), TokenLosses(), r"outside \[0, 2\]; 3 \(route\) needs routed > 0"),
        (np.zeros((8, 7), int), TokenLosses(), "loss codes of shape"),
        (np.zeros((8, 8)), TokenLosses(), "must be integers"),
        (None, TokenLosses(), "gave no loss codes, which a run with losses"),
        (np.zeros((8, 8), int), None, "gave loss codes, which a run without losses"),
        (np.zeros((8, 8), int), TokenLosses(routed=24), "routed must be .* hidden=24"),
    ],
)
def test_codes_that_do_not_fit_are_refused(tmp_path: Path, model, params, codes, losses, sentence):
    def rule(step: int) -> Batch:
        tokens, mask = batch_at(step)
        return tokens, mask if codes is None else Coded(mask, codes)

    with pytest.raises(ValueError, match=sentence):
        run(tmp_path, model, params, rule, token_losses=losses)
