"""Attacks, defences and probes: every module here is loaded, and registers what it has.

`parse_instrument("gcg(steps=50)")` gives one, `instrument.measure(bench)` its findings.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from experiments.instruments.instrument import (
    REGISTRY,
    Findings,
    Instrument,
    instrument,
    parse_instrument,
    write_instrument,
)

WITH_JAX = frozenset({"asking", "bench", "parts", "reading_off", "running"})
"""Modules that load jax, which listing instruments must not; none of them registers one."""

for _module in iter_modules(__path__):
    if _module.name not in WITH_JAX:
        import_module(f"{__name__}.{_module.name}")

__all__ = [
    "REGISTRY",
    "Findings",
    "Instrument",
    "instrument",
    "parse_instrument",
    "write_instrument",
]
