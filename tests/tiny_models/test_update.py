"""One step's loss and gradient: masked, weighted over the whole batch, blind to how it is split."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_model import batch_at

from tiny_models import apply, update
from tiny_models.chunks import checked_held_out
from tiny_models.update import Recipe, held_out_loss, optimizer_of, run_chunk, start_state

loss_and_gradient = jax.jit(update.loss_and_gradient, static_argnums=(1, 4))
ADAMW = Recipe("adamw", 0.9, 0.95, 0.1, 1.0, 4, "float32", "plain")
WHOLE = ADAMW._replace(micro_rows=8)


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
    loss, _ = loss_and_gradient(params, model, tokens, mask, WHOLE)
    assert float(loss) == pytest.approx(float(total / mask.sum()), rel=1e-5)


@pytest.mark.parametrize("micro_rows", [1, 2, 4])
def test_micro_batches_change_loss_and_gradient_by_rounding_only(model, params, batch, micro_rows):
    whole = loss_and_gradient(params, model, *batch, WHOLE)
    split = loss_and_gradient(params, model, *batch, ADAMW._replace(micro_rows=micro_rows))
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(split), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_tokens_after_the_last_counted_target_give_no_gradient(model, params, batch):
    tokens, _ = batch
    mask = jnp.zeros((8, 8)).at[:, :3].set(1.0)
    changed = tokens.at[:, 5:].set(0)
    one, other = (loss_and_gradient(params, model, t, mask, WHOLE) for t in (tokens, changed))
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-7)


def test_a_batch_without_targets_has_loss_and_gradient_zero(model, params, batch):
    loss, gradient = loss_and_gradient(params, model, batch[0], jnp.zeros((8, 8)), ADAMW)
    assert float(loss) == 0.0
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradient))


def test_jax_s_attention_kernel_gives_the_same_loss_and_gradient(model, params, batch):
    ours = loss_and_gradient(params, model, *batch, WHOLE)
    theirs = loss_and_gradient(params, model, *batch, WHOLE._replace(attention="xla"))
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_bfloat16_products_leave_a_float32_gradient_that_points_the_same_way(model, params, batch):
    _, exact = loss_and_gradient(params, model, *batch, WHOLE)
    _, rough = loss_and_gradient(params, model, *batch, WHOLE._replace(dtype="bfloat16"))
    for one, other in zip(jax.tree.leaves(exact), jax.tree.leaves(rough), strict=True):
        assert other.dtype == jnp.float32
        one, other = np.ravel(one), np.ravel(other)
        assert one @ other > 0.99 * np.linalg.norm(one) * np.linalg.norm(other)
        assert not np.array_equal(one, other)


def test_training_in_bfloat16_follows_the_loss_of_float32(model, params, batch):
    tokens, mask = (jnp.stack([part] * 30) for part in batch)
    rates = np.full(30, 1e-2, np.float32)
    curves = []
    for dtype in ("float32", "bfloat16"):
        recipe = WHOLE._replace(dtype=dtype)
        state, losses, _ = run_chunk(
            start_state(params, recipe), tokens, mask, rates, 30, model, recipe
        )
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(state.params))
        curves.append(np.asarray(losses))
    assert curves[0][-1] < 0.5 * curves[0][0]
    np.testing.assert_allclose(curves[1], curves[0], rtol=0.05)


def test_the_fused_gpu_kernel_is_refused_in_one_sentence_elsewhere(model, params, batch):
    recipe = WHOLE._replace(dtype="bfloat16", attention="cudnn")
    with pytest.raises(ValueError, match="attention='cudnn' needs an NVIDIA GPU"):
        loss_and_gradient(params, model, *batch, recipe)


def plain_adamw(params, model, tokens, mask, rates) -> tuple[list[np.ndarray], float]:
    """Leaves after clipped AdamW steps written out, and the loss of the last step."""
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(params)]
    first, second = [[np.zeros_like(leaf) for leaf in leaves] for _ in range(2)]
    loss = np.nan
    for count, rate in enumerate(rates, start=1):
        tree = jax.tree.unflatten(
            jax.tree.structure(params), [leaf.astype(np.float32) for leaf in leaves]
        )
        loss, gradient = loss_and_gradient(tree, model, tokens, mask, WHOLE)
        slopes = [np.asarray(slope, np.float64) for slope in jax.tree.leaves(gradient)]
        norm = np.sqrt(sum((slope**2).sum() for slope in slopes))
        for i, slope in enumerate(slopes):
            clipped = slope / max(1.0, norm)
            first[i] = 0.9 * first[i] + 0.1 * clipped
            second[i] = 0.95 * second[i] + 0.05 * clipped**2
            ratio = first[i] / (1 - 0.9**count)
            ratio /= np.sqrt(second[i] / (1 - 0.95**count)) + 1e-8
            decay = 0.1 * leaves[i] if leaves[i].ndim > 1 else 0.0
            leaves[i] = leaves[i] - rate * (ratio + decay)
    return leaves, float(loss)


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
    wanted, last = plain_adamw(params, model, tokens, mask, rates[:2])
    for one, other in zip(jax.tree.leaves(state.params), wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)
    assert float(losses[1]) == pytest.approx(last, rel=1e-4)
    assert float(losses[2]) == 0.0
    assert float(norms[0]) > 0.0


def test_muon_makes_every_direction_of_a_matrix_count_alike():
    matrix = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)
    changes = first_change({"layers": {"m": matrix}}, weight_decay=0.0)
    before, after = (np.linalg.svd(m, compute_uv=False) for m in (matrix, changes["layers"]["m"]))
    assert after.max() / after.min() < 2 < before.max() / before.min()


def first_change(params: dict, weight_decay: float) -> dict:
    """What Muon adds to parameters that are their own gradient."""
    recipe = ADAMW._replace(optimizer="muon", weight_decay=weight_decay, clip_norm=1e9)
    optimizer = optimizer_of(recipe)
    return optimizer.update(params, optimizer.init(params), params)[0]


def test_muon_leaves_the_tied_embedding_to_adam_and_all_matrices_decay():
    draw = np.random.default_rng(0)
    matrix, gain = (draw.normal(size=size).astype(np.float32) for size in ((6, 6), 6))
    params = {"embedding": matrix, "layers": {"m": matrix}, "norm": gain}
    plain, decayed = (first_change(params, decay) for decay in (0.0, 0.1))
    # Adam's first change has one size everywhere, whatever the gradient's.
    np.testing.assert_allclose(np.abs(plain["embedding"]), np.abs(plain["norm"]).max(), rtol=1e-3)
    assert np.ptp(np.abs(plain["layers"]["m"])) > 0.1
    lost = jax.tree.map(np.subtract, plain, decayed)
    np.testing.assert_allclose(lost["embedding"], 0.1 * matrix, atol=1e-6)
    np.testing.assert_allclose(lost["layers"]["m"], 0.1 * matrix, atol=1e-6)
    np.testing.assert_array_equal(lost["norm"], 0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_held_out_batch_is_judged_as_one_that_is_trained_on(model, params, batch, dtype):
    recipe = ADAMW._replace(dtype=dtype, attention="xla")
    loss, _ = loss_and_gradient(params, model, *batch, recipe)
    held_out = float(held_out_loss(params, model, *batch, recipe))
    assert held_out == pytest.approx(float(loss), rel=1e-6)
    exact, _ = loss_and_gradient(params, model, *batch, ADAMW)
    assert (held_out == pytest.approx(float(exact), rel=1e-5)) == (dtype == "float32")


def test_a_held_out_batch_of_any_number_of_rows_counts_its_own_only(model, params):
    tokens, mask = (part[:5] for part in batch_at(3))
    filled = checked_held_out((tokens, mask), 4, model, "held_out")
    assert filled[0].shape[0] == 8
    rows = (jnp.asarray(tokens, jnp.int32), jnp.asarray(mask, jnp.float32))
    loss, _ = loss_and_gradient(params, model, *rows, ADAMW._replace(micro_rows=5))
    held_out = held_out_loss(params, model, *map(jnp.asarray, filled), ADAMW)
    assert float(held_out) == pytest.approx(float(loss), rel=1e-5)


@pytest.mark.skipif(jax.default_backend() != "gpu", reason="cuDNN needs an NVIDIA GPU")
def test_the_fused_gpu_kernel_gives_the_same_loss_and_gradient(model, params, batch):
    rough = WHOLE._replace(dtype="bfloat16")
    ours = loss_and_gradient(params, model, *batch, rough)
    theirs = loss_and_gradient(params, model, *batch, rough._replace(attention="cudnn"))
    assert float(theirs[0]) == pytest.approx(float(ours[0]), rel=1e-2)
    for one, other in zip(jax.tree.leaves(ours[1]), jax.tree.leaves(theirs[1]), strict=True):
        one, other = np.ravel(one), np.ravel(other)
        assert one @ other > 0.99 * np.linalg.norm(one) * np.linalg.norm(other)
