"""Attacks, defences and probes: each is one file, and registers itself.

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

_FRAME = {
    "instrument",
    "bench",
    "asking",
    "running",
    "suffixes",
    "benign",
    "harmful_pairs",
    "parts",
    "reading_off",
    "rewinding",
}

for _module in iter_modules(__path__):
    if _module.name not in _FRAME:
        import_module(f"{__name__}.{_module.name}")

__all__ = [
    "REGISTRY",
    "Findings",
    "Instrument",
    "instrument",
    "parse_instrument",
    "write_instrument",
]
