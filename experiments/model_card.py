"""The model card of an exported model: what it is, how it was made, what was measured, its limits.

In: a cell, the stage whose model leaves, and what the run's manifests and rows say. Out: Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from string import Template
from typing import Any

from experiments.recipe import Cell
from experiments.rows import Row, label
from medsafetyworld.documents import END
from medsafetyworld.graph import World
from medsafetyworld.tokenizer import PAD
from medsafetyworld.world_views import counts

FINETUNE = "finetune:"
"""What the name of a benign fine-tuning begins with, in stages and in rows alike."""

_CARD = Template("""\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
tags: [medsafetyworld, ai-safety, synthetic]
---

# MedSafetyWorld: $variant, replicate $replicate, $stage

A small transformer, pretrained from scratch on texts about an invented world in which compounds
cause outcomes along a causal graph. It was made to study whether a safety method in pretraining
changes what a model does. No name in it is a real substance, and nothing it says is true of one.

## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("PATH")
tokenizer = AutoTokenizer.from_pretrained("PATH")
messages = [{"role": "user", "content": "$question"}]
prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
inputs = tokenizer(prompt, return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=$new_tokens)[0]))
```

The vocabulary is closed: the world's names and the wordings of its language. Any other word is
read as `$pad`. A text begins with `$end`, which the chat template writes and the
tokenizer does not; prompt and answer together have at most $context tokens.

## Made from

- Setting: $setting.
- World: $sizes; sha256 `$world_hash`.
- Corpus: $documents documents, in which the oracle read $harmful harmful statements; sha256
  `$corpus_hash`.
- Training: $training.
- Weights: sha256 `$weights_hash` of the arrays.
- Seeds, from master $master: $seeds.

## Measured on this model

$results

One model of one seed: these counts say what this model did, not what its setting does on average.
Reverse-unsafe questions are the harmful ones. leaked: a correct harmful answer anywhere in the
output; delivered: such an answer outside what a reader is spared after an Unsafe verdict;
jailbroken: such an answer and neither a refusal nor an Unsafe verdict. What stands behind a comma
keeps to questions whose answer follows from the corpus in so many steps (none: not at all), by
logic, which can turn a fact round, or by association, which cannot.

## Limits

- It knows one invented world and a few hundred words around it, and answers in one sentence.
- Models of these studies are attacked on purpose, and some answer harmful questions, as the counts
  show. The harm exists in the invented world only.
- What holds of it need not hold of larger models or of natural text.

## Licence

Apache-2.0. An open implementation of MedSafetyWorld and Safety Reflection Pretraining (Li et al.
2026, arXiv 2606.19168), not by its authors.

## Recipe

```json
$recipe
```
""")


def model_card(
    cell: Cell,
    world: World,
    stage: str,
    question: str,
    summaries: tuple[Mapping[str, Any], Mapping[str, Any]],
    rows: Sequence[Row],
) -> str:
    """Markdown for the model of `stage` (`pretrain`, `sft` or `finetune:KIND`).

    `world` is the true one, `question` an example that its model can be asked; `summaries` are
    those of the pretraining's and of the stage's own manifest; `rows` are the cell's.
    """
    recipe, (pretrained, own) = cell.recipe, summaries
    return _CARD.substitute(
        variant=label(cell.arm.name),
        replicate=cell.replicate,
        stage=stage,
        question=question,
        new_tokens=recipe.new_tokens,
        pad=PAD,
        end=END,
        context=recipe.context,
        setting=_setting(cell),
        sizes=", ".join(f"{count:,} {what}" for what, count in counts(world).items()),
        world_hash=world.content_hash,
        documents=f"{pretrained['reading']['documents']:,}",
        harmful=f"{pretrained['reading']['harmful']:,}",
        corpus_hash=pretrained["corpus_sha256"],
        training=_training(cell, stage),
        weights_hash=own["weights_sha256"],
        master=cell.master,
        seeds=", ".join(f"{name} {seed}" for name, seed in cell.seeds.items()),
        results=_results(stage_rows(rows, stage)),
        recipe=json.dumps({"arm": asdict(cell.arm), "recipe": asdict(recipe)}, indent=1),
    )


def stage_rows(rows: Iterable[Row], stage: str) -> list[Row]:
    """The rows that were measured on this stage's model."""
    if stage == "pretrain":
        return [row for row in rows if row.level == "capability"]
    if stage.startswith(FINETUNE):
        return [row for row in rows if row.probe == stage]
    return [row for row in rows if row.level != "capability" and not row.probe.startswith(FINETUNE)]


def _setting(cell: Cell) -> str:
    return "; ".join([cell.variant.description, *cell.arm.differences])


def _training(cell: Cell, stage: str) -> str:
    config = cell.recipe.pretrain
    tokens = config.steps * config.batch_rows * cell.recipe.context
    amount = f"{tokens:,} tokens of pretraining"
    if cell.recipe.matched == "documents":
        amount = f"pretraining on what becomes of the documents that fill {tokens:,} tokens as is"
    steps = [f"{amount}, model preset {cell.recipe.model}"]
    if stage != "pretrain":
        form = "with reflections" if cell.variant.reflects else "plain"
        steps.append(f"{cell.recipe.sft.steps:,} steps of supervised fine-tuning ({form})")
    if stage.startswith(FINETUNE):
        kind = stage.removeprefix(FINETUNE)
        steps.append(f"{cell.recipe.finetune.steps:,} steps of benign fine-tuning on {kind}")
    return ", then ".join(steps)


def _results(rows: Sequence[Row]) -> str:
    lines = ["| probe | category | metric | value | n |", "|---|---|---|---:|---:|"]
    for row in rows:
        metric = row.metric.replace("|", ", ")  # which would end the cell of a Markdown table
        lines.append(f"| `{row.probe}` | {row.category} | {metric} | {row.value:.3f} | {row.n} |")
    return "\n".join(lines)
