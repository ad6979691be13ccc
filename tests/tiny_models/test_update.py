"""One step's loss and gradient: masked, weighted over the whole batch, blind to how it is split."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import batch_at

from tiny_models import TrainConfig, apply, update
from tiny_models.update import Recipe, optimizer_of, run_chunk, start_state

loss_and_gradient = jax.jit(update.loss_and_gradient, static_argnums=(1, 4))
ADAMW = Recipe("adamw", 0.9, 0.95, 0.1, 1.0, 4)


@pytest.fixture(scope="module")
def batch() -> tuple[jax.Array, jax.Array]:
    tokens, mask = batch_at(0)
    return jnp.asarray(tokens, jnp.int32), jnp.asarray(mask, jnp.float32)


def test_the_loss_is_the_masked_mean_of_minus_log_probability(model, params, batch):
    tokens, mask = batch
    logs = np.asarray(jax.nn.log_softmax(apply(params, model, tokens[:, :-1])))
    total = 0.0
    for row in range(8):
        for place in range(8):
            total -= logs[row, place, tokens[row, place + 1]] * mask[row, place]
    loss, _ = loss_and_gradient(params, model, tokens, mask, 8)
    assert float(loss) == pytest.approx(float(total / mask.sum()), rel=1e-5)


@pytest.mark.parametrize("micro_rows", [1, 2, 4])
def test_micro_batches_change_loss_and_gradient_by_rounding_only(model, params, batch, micro_rows):
    whole = loss_and_gradient(params, model, *batch, 8)
    split = loss_and_gradient(params, model, *batch, micro_rows)
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(split), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_tokens_after_the_last_counted_target_give_no_gradient(model, params, batch):
    tokens, _ = batch
    mask = jnp.zeros((8, 8)).at[:, :3].set(1.0)
    changed = tokens.at[:, 5:].set(0)
    one, other = (loss_and_gradient(params, model, t, mask, 8) for t in (tokens, changed))
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-7)


def test_a_batch_without_targets_has_loss_and_gradient_zero(model, params, batch):
    loss, gradient = loss_and_gradient(params, model, batch[0], jnp.zeros((8, 8)), 4)
    assert float(loss) == 0.0
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradient))


def test_the_compiled_loop_equals_plain_adamw_and_stops_at_its_count(model, params, batch):
    tokens, mask = batch
    rates = np.array([1e-2, 3e-3, 7.0], np.float32)
    state, losses, norms = run_chunk(
        start_state(params, ADAMW),
        jnp.stack([tokens] * 3),
        jnp.stack([mask] * 3),
        rates,
        2,
        model,
        ADAMW,
    )
    wanted = params
    plain = [
        optax.chain(
            optax.clip_by_global_norm(1.0),
            optax.adamw(
                float(rate),
                b1=0.9,
                b2=0.95,
                weight_decay=0.1,
                mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree),
            ),
        )
        for rate in rates[:2]
    ]
    inner = plain[0].init(params)
    for optimizer in plain:
        loss, gradient = loss_and_gradient(wanted, model, tokens, mask, 8)
        changes, inner = jax.jit(optimizer.update)(gradient, inner, wanted)
        wanted = optax.apply_updates(wanted, changes)
    for one, other in zip(jax.tree.leaves(state.params), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)
    assert float(losses[1]) == pytest.approx(float(loss), rel=1e-4)
    assert float(losses[2]) == 0.0
    assert float(norms[0]) > 0.0


def test_an_optimizer_that_optax_lacks_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="optimizer='nadam' is not in optax"):
        optimizer_of(ADAMW._replace(optimizer="nadam"))


@pytest.mark.skipif(not hasattr(optax.contrib, "muon"), reason="this optax has no muon")
def test_muon_lowers_the_loss(model, params, batch):
    recipe = Recipe.of(
        TrainConfig(steps=1, batch_rows=8, micro_rows=8, peak_lr=1.0, optimizer="muon")
    )
    repeated = [jnp.stack([part] * 8) for part in batch]
    _, losses, _ = run_chunk(
        start_state(params, recipe), *repeated, np.full(8, 0.02, np.float32), 8, model, recipe
    )
    assert float(losses[-1]) < float(losses[0]) - 0.1
