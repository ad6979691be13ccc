"""How one training step is spread: over the rows of a batch, or over many models at once.

The step itself (`update.chunk`) stays as it is. An ensemble is its `vmap` over members; several
devices are its `shard_map` over the rows of each batch, with parameters and optimiser state
replicated, or over the members of an ensemble, which then never talk to each other.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.token_losses import Coded, Mask
from tiny_models.transformer import Params
from tiny_models.update import Recipe, TrainState, chunk, run_chunk

Device: TypeAlias = Any
"""An entry of `jax.devices()`; jax exports no name for its type that a checker accepts."""

ROWS, MEMBERS = "data", "member"


@dataclass(frozen=True)
class Layout:
    """One model or `members` stacked ones, on jax's default device or spread over `devices`."""

    members: int | None = None
    devices: tuple[Device, ...] | None = None

    @classmethod
    def of(
        cls, config: TrainConfig, members: int | None, devices: Sequence[Device] | None
    ) -> Layout:
        """The layout for a recipe. Raises `ValueError` if devices cannot share the work equally.

        Without `devices` that is the default device, or all devices of a job of many processes.
        """
        if devices is None and jax.process_count() > 1:
            devices = jax.devices()
        if devices is None:
            return cls(members)
        count = len(devices)
        if count == 0:
            raise ValueError("devices must name at least one device, or be None for the default.")
        if members is None and config.micro_rows % count:
            raise ValueError(
                f"micro_rows must be a multiple of the {count} devices, so that each holds an "
                f"equal share of every micro-batch, not {config.micro_rows}."
            )
        if members is not None and members % count:
            raise ValueError(
                f"The number of members must be a multiple of the {count} devices that share "
                f"them, not {members}."
            )
        if members is not None and jax.process_count() > 1:
            raise ValueError("An ensemble runs in one process; this job has several.")
        return cls(members, tuple(devices))

    @property
    def engine(self) -> str:
        """What of the layout decides rounding, as text for the fingerprint."""
        one = "one model" if self.members is None else f"ensemble of {self.members}"
        # Members on other devices do not meet in any sum, rows do.
        return f"{one} on {len(self.devices)} devices" if self.devices else one

    def join(self, states: Sequence[TrainState]) -> TrainState:
        """The members' states as one: stacked along a new first axis for an ensemble."""
        if self.members is None:
            return states[0]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)

    def split(self, state: TrainState) -> list[Params]:
        """Each member's parameters, on the default device."""
        if self.devices is not None:
            params = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), state.params)
        else:
            params = state.params
        if self.members is None:
            return [params]
        return [
            jax.tree.map(lambda leaf, member=member: leaf[member], params)
            for member in range(self.members)
        ]

    def place(self, state: TrainState) -> TrainState:
        """The state where the program wants it: replicated, or each member on its device."""
        return state if self.devices is None else jax.tree.map(self._placer(self._of_state), state)

    def run(
        self,
        state: TrainState,
        tokens: np.ndarray,
        mask: np.ndarray | Coded,
        rates: np.ndarray,
        count: int,
        model: ModelConfig,
        recipe: Recipe,
    ) -> tuple[TrainState, jax.Array, jax.Array]:
        """`update.chunk` of tokens `(steps, members, rows, time + 1)`; consumes `state`.

        Losses and norms come back as `(steps,)`, or `(steps, members)` for an ensemble.
        """
        if self.members is None:
            tokens, mask = jax.tree.map(lambda part: part[:, 0], (tokens, mask))
        if self == Layout():
            return run_chunk(state, tokens, mask, rates, count, model, recipe)
        if self.devices is not None:
            place = self._placer(PartitionSpec(None, self._axis))
            tokens, mask = jax.tree.map(place, (tokens, mask))
        return _run_spread(state, tokens, mask, rates, count, model, recipe, self)

    @property
    def _axis(self) -> str:
        """What of the work the devices share."""
        return ROWS if self.members is None else MEMBERS

    @property
    def _of_state(self) -> PartitionSpec:
        """How parameters and optimiser state lie: whole on every device, or by member."""
        return PartitionSpec() if self.members is None else PartitionSpec(MEMBERS)

    @property
    def _mesh(self) -> Mesh:
        """The devices in one row; of several processes all have the same."""
        return Mesh(np.array(self.devices), (self._axis,))

    def _placer(self, spec: PartitionSpec) -> Any:
        """A function that lays an array of this host over the devices."""
        sharding = NamedSharding(self._mesh, spec)

        def place(array: Any) -> jax.Array:
            # Each process hands over only what its own devices hold.
            whole = np.asarray(array)
            return jax.make_array_from_callback(whole.shape, sharding, lambda part: whole[part])

        return place


@functools.partial(jax.jit, static_argnames=("model", "recipe", "layout"), donate_argnames="state")
def _run_spread(
    state: TrainState,
    tokens: jax.Array,
    mask: Mask,
    rates: jax.Array,
    count: jax.Array | int,
    model: ModelConfig,
    recipe: Recipe,
    layout: Layout,
) -> tuple[TrainState, jax.Array, jax.Array]:
    """`update.chunk` of all members and all devices as one program; arguments as `Layout.run`'s."""
    rows_spread = layout.devices is not None and layout.members is None
    if rows_spread:
        recipe = recipe._replace(micro_rows=recipe.micro_rows // len(layout.devices or ()))

    def step(state: Any, tokens: Any, mask: Any, rates: Any, count: Any) -> Any:
        axis = ROWS if rows_spread else None
        return chunk(state, tokens, mask, rates, count, model, recipe, axis)

    if layout.members is not None:
        step = jax.vmap(step, in_axes=(0, 1, 1, None, None), out_axes=(0, 1, 1))
    if layout.devices is not None:
        same, second = PartitionSpec(), PartitionSpec(None, layout._axis)
        figures = same if rows_spread else second
        step = jax.shard_map(
            step,
            mesh=layout._mesh,
            in_specs=(layout._of_state, second, second, same, same),
            out_specs=(layout._of_state, figures, figures),
            # Our own sum over devices comes once a step; the check would add one a micro-batch.
            check_vma=False,
        )
    return step(state, tokens, mask, rates, count)
