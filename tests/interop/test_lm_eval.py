"""lm-evaluation-harness sees our models and asks our questions: its figures are ours.

A model trained for seconds is enough: it writes whole words, and some of its answers are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager

from experiments.capability import capability_rows
from experiments.commands.export_task import write_directory
from experiments.derivability import Derivability
from experiments.evaluation import behaviour_rows, prefill_rows
from experiments.harness_tasks import harness_files
from experiments.hugging_face import mark_tokens, tokenizer_files
from experiments.lm_eval_adapter import HarnessModel
from experiments.recipe import Arm, Cell
from experiments.stages import Context, pretrain, sft
from medsafetyworld.documents import END
from medsafetyworld.errors import SpecError
from medsafetyworld.queries import completions
from medsafetyworld.tokenizer import TokenizeError
from tiny_models import apply, continuation_logprobs, export_hugging_face, generate
from tiny_models.transformer import Params

from harness_cases import RECIPE, TWO_HOP, Silent, expected, measure, requests

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    cell = Cell(RECIPE, Arm("srp", "srp"), 0, master=7)
    return Context(cell, tmp_path_factory.mktemp("cell"), lambda stage, progress: None)


@pytest.fixture(scope="module")
def params(context: Context) -> Params:
    """The weights of the SFT model, which both kinds of question are put to here."""
    return context.load(sft(context, pretrain(context)))


@pytest.fixture(scope="module")
def model(context: Context, params: Params) -> HarnessModel:
    return HarnessModel(params, context.model, context.tokenizer)


@pytest.fixture(scope="module")
def tasks(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskManager]:
    """The exported tasks, and nowhere to go but this machine."""
    root = tmp_path_factory.mktemp("tasks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr("datasets.config.HF_DATASETS_CACHE", root / "cache")
        write_directory(root / "files", harness_files(context, root / "files"))
        yield TaskManager(include_path=str(root / "files"), include_defaults=False)


def test_pairs_score_as_our_probes_do(
    context: Context, params: Params, model: HarnessModel
) -> None:
    probes = completions(context.true_world, RECIPE.corpus, True)[:3]
    names = context.true_world.compounds
    asked = [(probe.text, f" {name}") for probe in probes for name in names]
    ours = continuation_logprobs(
        params,
        context.model,
        [np.array(context.tokenizer.encode(probe.text)) for probe in probes],
        [np.array(context.tokenizer.compound_tokens(name)) for name in names],
    )
    theirs = model.loglikelihood(requests("loglikelihood", asked), disable_tqdm=True)
    np.testing.assert_allclose([pair[0] for pair in theirs], ours.ravel(), rtol=1e-5, atol=1e-5)


def test_a_prefix_too_long_for_the_context_loses_its_beginning(
    context: Context, params: Params, model: HarnessModel
) -> None:
    probe = completions(context.true_world, RECIPE.corpus, True)[0].text
    long, name = " ".join([probe] * 8), context.true_world.compounds[0]
    last = context.tokenizer.compound_tokens(name)
    # The name's last token is predicted and need not be read.
    prefix = context.tokenizer.encode(long)[-(context.model.context + 1 - len(last)) :]
    logits = jax.nn.log_softmax(_logits(params, context, [*prefix, *last[:-1]]), axis=-1)
    expected = sum(logits[len(prefix) - 1 + place, token] for place, token in enumerate(last))
    asked = requests("loglikelihood", [(long, f" {name}")])
    ((logprob, _),) = model.loglikelihood(asked, disable_tqdm=True)
    assert logprob == pytest.approx(float(expected), rel=1e-5)


def test_greedy_is_what_the_model_would_write(
    context: Context, params: Params, model: HarnessModel
) -> None:
    text = completions(context.true_world, RECIPE.corpus, True)[0].text
    (output,) = generate(
        params,
        context.model,
        [np.array(context.tokenizer.encode(text))],
        max_new_tokens=3,
        stop_token=context.tokenizer.end,
    )
    written = f" {context.tokenizer.decode(output)}"
    asked = [(text, written), (text, f" {context.true_world.compounds[0]}")]
    answers = model.loglikelihood(requests("loglikelihood", asked), disable_tqdm=True)
    assert [greedy for _, greedy in answers] == [True, False]


def test_a_rolling_text_is_read_after_end_of_text_in_whole_windows(
    context: Context, params: Params, model: HarnessModel
) -> None:
    texts = [document.text for document in context.corpus.documents(1)]
    short, long = texts[0], " ".join(texts[:6])
    tokens = context.tokenizer.encode(long)
    size = context.model.context
    assert size < len(tokens) < 3 * size
    rolled = model.loglikelihood_rolling(requests("loglikelihood_rolling", [(short,), (long,)]))
    pairs = requests("loglikelihood", [("", short)])
    assert rolled[0] == pytest.approx(model.loglikelihood(pairs, disable_tqdm=True)[0][0], rel=1e-6)
    # Each token once; every window after the first ends in as much context as fits.
    row = [context.tokenizer.end, *tokens]
    expected = 0.0
    for start in range(1, len(row), size):
        stop = min(start + size, len(row))
        first = max(0, stop - 1 - size)
        logits = jax.nn.log_softmax(_logits(params, context, row[first : stop - 1]), axis=-1)
        places = range(start, stop)
        expected += float(sum(logits[place - 1 - first, row[place]] for place in places))
    assert rolled[1] == pytest.approx(expected, rel=1e-5)


def _logits(params: Params, context: Context, row: list[int]) -> np.ndarray:
    padded = np.zeros((1, context.model.context), np.int32)
    padded[0, : len(row)] = row
    return np.asarray(jax.jit(apply, static_argnums=1)(params, context.model, padded))[0]


def test_responses_end_at_stop_strings_lengths_and_end_of_text(
    context: Context, params: Params, model: HarnessModel
) -> None:
    prompt = completions(context.true_world, RECIPE.corpus, True)[0].text
    whole = model.generate_until(requests("generate_until", [(prompt, {"max_gen_toks": 12})]))[0]
    words = whole.split()
    assert len(context.tokenizer.encode(whole)) == 12
    stop = words[3]
    wishes = [
        {"max_gen_toks": 12, "until": [stop]},
        {"max_gen_toks": 12, "until": stop},
        {"max_gen_toks": 5, "until": []},
        {"max_new_tokens": 5},
        {"until": ["never said"]},
    ]
    given = model.generate_until(requests("generate_until", [(prompt, wish) for wish in wishes]))
    assert given[0] == given[1] == whole.split(stop)[0]
    assert given[2] == given[3] == context.tokenizer.decode(context.tokenizer.encode(whole)[:5])
    assert given[4].startswith(whole)
    # As much of a long prompt as leaves room for the response.
    tokens = context.tokenizer.encode(prompt)
    long = " ".join([prompt] * 6)
    kept = (tokens * 6)[-(context.model.context - 12) :]
    (output,) = generate(
        params,
        context.model,
        [np.array(kept)],
        max_new_tokens=12,
        stop_token=context.tokenizer.end,
    )
    cut = model.generate_until(requests("generate_until", [(long, {"max_gen_toks": 12})]))
    assert cut == [context.tokenizer.decode(output)]


def test_what_the_adapter_cannot_do_is_refused(model: HarnessModel) -> None:
    with pytest.raises(SpecError, match="do_sample must be false"):
        model.generate_until(requests("generate_until", [(END, {"do_sample": True})]))
    with pytest.raises(TokenizeError, match="aspirin"):
        model.loglikelihood(requests("loglikelihood", [(END, " aspirin")]), disable_tqdm=True)
    for arguments, sentence in (
        ("study=runs/x", "cell is missing"),
        ("study=runs/x,cell=srp-s0,stag=sft", "stag is unknown"),
        ("study=runs/x,cell=srp-s0,stage=stf", "no stage named 'stf'"),
        ("study=nowhere,cell=srp-s0", "nowhere"),
    ):
        with pytest.raises(SpecError, match=sentence):
            get_model("medsafetyworld").create_from_arg_string(arguments, {"batch_size": 1})


@pytest.fixture(scope="module")
def ours(context: Context, params: Params) -> dict[tuple[str, str], float]:
    derivable = Derivability(context.true_world, ())
    rows = capability_rows(context, params, derivable, [])
    rows += behaviour_rows(context, params, derivable, [])
    rows += prefill_rows(context, params, derivable, [])
    return expected(rows, context.true_world.hops)


def test_the_harness_counts_what_we_count(
    model: HarnessModel, tasks: TaskManager, ours: dict[tuple[str, str], float]
) -> None:
    results = measure(model, tasks, "msw_capability", "msw_behaviour", "msw_elicited")
    found = {key: results[key[0]][key[1]] for key in ours}
    assert found == pytest.approx(ours, abs=1e-12)
    for kind in ("acc", "exact_match"):
        figures = [value for (_, metric), value in ours.items() if metric.startswith(kind)]
        assert any(0 < value < 1 for value in figures), "figures of 0 and 1 would prove little"


def test_the_harness_counts_what_we_count_in_a_two_hop_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    cell = Cell(TWO_HOP, Arm("srp", "srp"), 0, master=7)
    context = Context(cell, tmp_path / "cell", lambda stage, progress: None)
    files = tmp_path / "files"
    write_directory(files, harness_files(context, files))
    params = context.load(sft(context, pretrain(context)))
    derivable = Derivability(context.true_world, ())
    rows = capability_rows(context, params, derivable, [])
    ours = expected(rows + behaviour_rows(context, params, derivable, []), 2)
    tasks = TaskManager(include_path=str(files), include_defaults=False)
    model = HarnessModel(params, context.model, context.tokenizer)
    results = measure(model, tasks, "msw_capability", "msw_behaviour")
    found = {key: results[key[0]][key[1]] for key in ours}
    assert found == pytest.approx(ours, abs=1e-12)
    assert any(0 < value < 1 for (_, metric), value in ours.items() if "top1" in metric)
    assert any(0 < value < 1 for (name, _), value in ours.items() if "general" in name)


def test_a_tie_counts_against_the_model_as_it_does_with_us(tasks: TaskManager) -> None:
    results = measure(Silent(), tasks, "msw_capability")
    assert results["msw_completion_reverse_safe"]["acc,none"] == 0.0


def test_the_harness_s_own_model_finds_the_same_on_the_export(
    context: Context,
    params: Params,
    tasks: TaskManager,
    ours: dict[tuple[str, str], float],
    tmp_path: Path,
) -> None:
    tokenizer = context.tokenizer
    export_hugging_face(
        tmp_path / "model",
        params,
        context.model,
        mark_tokens(tokenizer),
        tokenizer_files(tokenizer, context.model.context),
    )
    results = measure(
        "hf",
        tasks,
        "msw_capability",
        "msw_behaviour",
        "msw_elicited",
        model_args={"pretrained": str(tmp_path / "model"), "dtype": "float32"},
        device="cpu",
        batch_size=64,
    )
    found = {key: results[key[0]][key[1]] for key in ours}
    assert found == pytest.approx(ours, abs=1e-12)
