"""Hypothesis profiles for all tests: by default the same examples every time.

`pytest --hypothesis-profile=nightly tests/medsafetyworld/...` looks for new ones: a test that sets
no `max_examples` of its own then runs 10,000 examples, by default 100.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A change is judged by its own faults, not by the luck of the draw: whoever looks for
# counterexamples asks for the other profile.
settings.register_profile("everyday", derandomize=True, deadline=None)
settings.register_profile(
    "nightly", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("everyday")
