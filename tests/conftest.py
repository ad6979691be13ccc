"""Hypothesis profiles for all tests: `pytest --hypothesis-profile=nightly tests/medsafetyworld/...`

A test that sets no `max_examples` of its own runs 100 examples by default and 10,000 by night.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "nightly", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck)
)
