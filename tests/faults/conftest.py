"""The fault suite: what may go wrong does, and nothing is lost. `make faults` runs all of it.

Every test notes its figure with the fixture `figure`; one table at the end shows them all.
Where each of the twenty reliability requirements is proven (w: tests/medsafetyworld, t:
tests/tiny_models, e: tests/experiments):

    R1  corpus purity         w test_golden.py (fresh processes, 1 and 2 cores), test_building.py,
                              test_corpus.py (global state)
    R2  golden hashes         w test_golden.py, test_seeds.py
    R3  kill                  test_kills.py (each stage, attacks, ensembles, between cells)
    R4  restore at each step  test_restoring.py
    R5  lineage               test_restoring.py (any stored step ends in the stored last one)
    R6  stateless evaluation  t test_generation.py, test_probes.py
    R7  corruption            test_corruption.py
    R8  configurations        test_fuzzed_specs.py, test_fuzzed_languages.py
    R9  no code from data     test_hostile_data.py, tests/test_architecture.py
    R10 refusing disks        test_refusing_disks.py
    R11 races                 test_races.py, e test_store.py
    R12 check_world           w test_graph.py, test_world_laws.py, test_testing.py,
                              test_interventions.py, test_dialogues.py
    R13 token bijection       w test_tokenizer.py
    R14 attacks               t test_gcg.py, test_genetic.py (loss never rises, no steps are no
                              attack), e test_search_attacks.py (saved strings, budgets),
                              test_weight_attacks.py, test_replay.py, w test_queries.py (prefills),
                              tests/interop/test_nanogcg.py
    R15 calibration           e test_statistics.py
    R16 parity                tests/interop/test_hugging_face_parity.py
    R17 fingerprint           t test_training.py (other cores and flags: a warning names the field,
                              strict refuses)
    R18 light imports         e test_cli.py, tests/test_architecture.py
    R19 notebooks             tests/test_notebooks.py
    R20 same bytes again      e test_report.py, test_figures.py, tests/test_readme.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nursery import Nursery

FAULT = "fault"
"""The property of a test's report that holds a figure: it also comes back from other processes."""

Figure = Callable[[str, int, int], None]
"""Notes (fault, times tried, times survived); the test fails unless all survived."""


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    def note(fault: str, tried: int, survived: int) -> None:
        request.node.user_properties.append((FAULT, [fault, tried, survived]))
        print(f"\n{fault}: tried {tried}, survived {survived}")
        assert tried > 0, f"{fault}: nothing was tried"
        assert survived == tried, f"{fault}: {tried - survived} of {tried} did not survive"

    return note


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("compiled")) as process:
        yield process


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with everything that is ever stored; a test leaves it as it was."""
    from stored_study import store_everything

    root = tmp_path_factory.mktemp("stored")
    store_everything(root)
    return root


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call"
        for name, value in report.user_properties
        if name == FAULT
    ]
    if not figures:
        return
    width = max(len(fault) for fault, _, _ in figures)
    terminalreporter.section("faults")
    terminalreporter.write_line(f"{'fault':{width}}  tried  survived")
    for fault, tried, survived in figures:
        terminalreporter.write_line(
            f"{fault:{width}}  {tried:5,}  {survived:8,}", red=survived < tried
        )
    lost = sum(tried - survived for _, tried, survived in figures)
    total = sum(tried for _, tried, _ in figures)
    terminalreporter.write_line(f"{'all':{width}}  {total:5,}  {total - lost:8,}", bold=True)
