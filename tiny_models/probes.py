"""What a model believes: log-probabilities of given continuations after given prefixes.

Each prefix is read once. The continuations, which are the same for all prefixes, are merged into a
tree of shared beginnings; its inner nodes run as one sequence on top of the prefix's cache, where
each node sees the prefix and its own ancestors only. The answer equals one full forward pass per
pair (the tests compare).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.batching import check_prompts, padded_batches, round_up
from tiny_models.config import ModelConfig
from tiny_models.incremental import prefill
from tiny_models.transformer import Params, bind


class Tree(NamedTuple):
    """Continuations as a tree. Node 0 is the end of the prefix; the others are read as tokens.

    `tokens` and `depths` `(nodes,)` describe nodes 1, 2, …; `sees` `(nodes, nodes)` is true for a
    node's ancestors and itself; edge `e` is token `edge_tokens[e]` after node `edge_parents[e]`;
    `paths` `(continuations, length)` lists each continuation's edges, -1 past its end.
    """

    tokens: np.ndarray
    depths: np.ndarray
    sees: np.ndarray
    edge_parents: np.ndarray
    edge_tokens: np.ndarray
    paths: np.ndarray


def continuation_logprobs(
    params: Params,
    config: ModelConfig,
    prefixes: Sequence[np.ndarray],
    continuations: Sequence[np.ndarray],
    batch: int = 32,
) -> np.ndarray:
    """Natural log of p(continuation | prefix), float32 `(prefixes, continuations)`.

    Raises `ValueError` for an empty or foreign sequence, or a pair longer than the context.
    """
    longest = max((len(c) for c in continuations), default=0)
    limits = {"context": config.context, "vocab_size": config.vocab_size}
    check_prompts(continuations, more=0, what="continuation", **limits)
    check_prompts(prefixes, more=longest, what="prefix", **limits)
    result = np.zeros((len(prefixes), len(continuations)), np.float32)
    if not longest:
        return result
    tree = build_tree(continuations)
    for rows, tokens, padding in padded_batches(prefixes, batch):
        edges = np.asarray(
            _edge_logprobs(params, tokens, padding, tree._replace(paths=None), config)
        )
        along = np.where(tree.paths >= 0, edges[: len(rows), tree.paths], 0.0)
        result[rows] = along.sum(axis=-1, dtype=np.float64)
    return result


def build_tree(continuations: Sequence[np.ndarray]) -> Tree:
    """Merges shared beginnings; sizes are padded so that similar sets share a compiled program."""
    sequences = [tuple(int(token) for token in c) for c in continuations]
    inner = sorted({s[:end] for s in sequences for end in range(1, len(s))})
    nodes = {(): 0} | {beginning: number for number, beginning in enumerate(inner, start=1)}
    edges = sorted({s[:end] for s in sequences for end in range(1, len(s) + 1)})
    numbers = {edge: number for number, edge in enumerate(edges)}
    size, edge_size = round_up(len(inner)), round_up(len(edges), 32)
    tree = Tree(
        tokens=np.zeros(size, np.int32),
        depths=np.zeros(size, np.int32),
        sees=np.eye(size, dtype=bool),
        edge_parents=np.zeros(edge_size, np.int32),
        edge_tokens=np.zeros(edge_size, np.int32),
        paths=np.full((len(sequences), max(map(len, sequences))), -1),
    )
    for place, beginning in enumerate(inner):
        tree.tokens[place], tree.depths[place] = beginning[-1], len(beginning) - 1
        for end in range(1, len(beginning)):
            tree.sees[place, nodes[beginning[:end]] - 1] = True
    for edge, number in numbers.items():
        tree.edge_parents[number], tree.edge_tokens[number] = nodes[edge[:-1]], edge[-1]
    for row, s in enumerate(sequences):
        tree.paths[row, : len(s)] = [numbers[s[:end]] for end in range(1, len(s) + 1)]
    return tree


@functools.partial(jax.jit, static_argnames="config")
def _edge_logprobs(
    params: Params, tokens: jax.Array, padding: jax.Array, tree: Tree, config: ModelConfig
) -> jax.Array:
    """Log-probability of each edge of the tree after each prefix, `(batch, edges)`."""
    batch, time = tokens.shape
    nodes = tree.tokens.shape[0]
    root_logits, caches = prefill(params, config, tokens, padding, time + nodes)
    decoder = bind(params, config)
    in_prefix = jnp.arange(time) >= padding[:, None]
    mask = jnp.concatenate(
        [
            jnp.broadcast_to(in_prefix[:, None], (batch, nodes, time)),
            jnp.broadcast_to(tree.sees, (batch, nodes, nodes)),
        ],
        axis=-1,
    )
    features, _ = decoder.extend(
        jnp.broadcast_to(tree.tokens, (batch, nodes)),
        (time - padding)[:, None] + tree.depths,
        mask,
        caches,
        time,
    )
    logits = jnp.concatenate([root_logits[:, None], decoder.readout(features)], axis=1)
    norms = jax.nn.logsumexp(logits, axis=-1)
    return logits[:, tree.edge_parents, tree.edge_tokens] - norms[:, tree.edge_parents]
