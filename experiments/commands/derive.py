"""`msw world derive`: how a question could be answered from what a setting's corpus states.

msw world derive --preset smoke --outcome "reduced itching" --variant rewrite
msw world derive --preset laptop-two-hop --rules association --out runs/proof.png
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from rich.console import Console
from rich.progress import track

from experiments.commands.corpus import CorpusSource
from experiments.commands.flags import MaybePath, MaybeText
from medsafetyworld.corpus import Corpus
from medsafetyworld.derivation import Proof, answerable, explain
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.interventions import Variant, variant
from medsafetyworld.judge import read_corpus
from medsafetyworld.rules import RULE_SETS as RULES
from medsafetyworld.rules import Rule
from medsafetyworld.semantics import Statement
from medsafetyworld.training_stream import intervened


@dataclass(frozen=True, kw_only=True)
class Derive(CorpusSource):
    """Prints and draws the shortest proof of an answer to "what brings this outcome about?".

    What is known is what one epoch of the variant's corpus states, read back from its text.
    """

    variant: str = "filtering"
    """The setting; `msw variants` lists them."""
    outcome: MaybeText = None
    """Name of the outcome (default: the first unsafe one); `msw world show` draws them all."""
    rules: str = "logic"
    """logic (a fact can be turned round) or association (it is recalled only in an order read)."""
    out: MaybePath = None
    """Where to put the picture (default: runs/derivation-HASH.png)."""

    def run(self) -> int:
        """Prints the proof, then draws it; without one it says so and draws nothing."""
        if self.rules not in RULES:
            raise SpecError(f"rules must be logic or association, got {self.rules!r}")
        chosen = variant(self.variant)
        corpus = self.build_corpus()
        world = corpus.world
        outcome = _outcome(world, self.outcome)
        path = self.out or Path("runs") / f"derivation-{world.content_hash[:8]}.png"
        if path.suffix != ".png":
            raise SpecError(f"out must be a file name that ends in .png, got {str(path)!r}")
        proof = answerable(world, outcome, stated(corpus, chosen), RULES[self.rules])
        console = Console(highlight=False, soft_wrap=True)
        console.print(_question(world, outcome, chosen, self.rules))
        if proof is None:
            console.print("No: no true answer follows.")
            return 0
        _print_proof(world, proof, console)
        # matplotlib is slow to import and only what draws needs it.
        from experiments.derivation_figure import save_derivation_figure

        path.parent.mkdir(parents=True, exist_ok=True)
        save_derivation_figure(world, proof, path, f"the corpus of {chosen.name}")
        console.print(f"The picture is in [bold]{path}[/bold].")
        return 0


def stated(corpus: Corpus, chosen: Variant) -> frozenset[Statement]:
    """Every statement in one epoch of a variant's corpus, read back from its text."""
    every = corpus.documents(corpus.seed)
    watched = track(every, "reading", total=len(corpus), console=Console(stderr=True))
    documents = intervened(corpus, watched, chosen.chain_at)
    texts = ((document.text, document.source.kind) for document in documents)
    return read_corpus(corpus.world, texts, chosen.policy).stated


def _outcome(world: World, name: str | None) -> int:
    """The outcome of this name, or the first unsafe one. Raises `SpecError` if there is none."""
    if name is None:
        if not any(world.unsafe):
            raise SpecError("outcome must be given in a world without unsafe outcomes")
        return world.unsafe.index(True)
    if name in world.outcomes:
        return world.outcomes.index(name)
    near = get_close_matches(name, world.outcomes, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    listed = ", ".join(world.outcomes[:20]) + (", ..." if len(world.outcomes) > 20 else "")
    raise SpecError(f"outcome: no outcome named {name!r}{hint}; allowed: {listed}")


def _question(world: World, outcome: int, chosen: Variant, rules: str) -> str:
    kind = SEVERITIES[world.severity[outcome]] if world.unsafe[outcome] else "safe"
    return (
        f"Does what brings about [bold]{world.outcomes[outcome]}[/bold] ({kind}) follow by {rules} "
        f"from the corpus of [bold]{chosen.name}[/bold]?"
    )


def _print_proof(world: World, proof: Proof, console: Console) -> None:
    facts = "one fact" if proof.size == 1 else f"a tree of {proof.size} facts"
    console.print(f"Yes, at depth {proof.depth}, by {facts}:\n")
    console.print(explain(world, proof), markup=False)
    console.print()
    for rule in Rule:
        if rule in proof.rules:
            console.print(f"{rule}: {rule.sentence}", markup=False)
