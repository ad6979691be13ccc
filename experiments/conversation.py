"""Talking to a model of a finished cell: questions and commands, a line each.

The state of the talk is here and nowhere else: which model answers, what its answers are forced to
begin with, and what was said. Beside each answer stands what the graph knows about the question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.answer_view import answer_text, reading_text, right_text
from experiments.answering import answer
from experiments.decoding import has_room
from experiments.finished import load_model
from experiments.instruments.bench import BASE, FINETUNED, SFT, Bench
from experiments.statements import STATEMENTS, read_statements
from experiments.understanding import (
    Asked,
    check_words,
    find_outcome,
    of_outcome,
    of_query,
    readings,
    truth_lines,
    understood,
)
from medsafetyworld.derivation import Knowledge, answerable, explain
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.algebra import nearest
from medsafetyworld.language import fill
from medsafetyworld.queries import GENERAL, HARMFUL, Query, turns
from medsafetyworld.reflections import verdict
from medsafetyworld.rules import RULE_SETS

HELP = {
    "questions": ("[harmful|safe]", "test questions; a number asks one of them"),
    "prefill": (
        "[TEXT]",
        "begin answers with it ({c}: the outcome asked about), or no longer",
    ),
    "safe": ("", "begin answers with the verdict Safe"),
    "the": ("", "begin answers with The"),
    "gcg": ("[STEPS]", "search a suffix for the last question by its gradient, and ask with it"),
    "truth": ("[NAME]", "what the graph knows about an outcome, a mediator or a compound"),
    "derive": ("[OUTCOME]", "how the answer follows from what the model was told, step by step"),
    "history": ("on|off", "put earlier turns before the question"),
    "model": ("[NAME]", "talk to another model of the cell"),
    "help": ("", "this list"),
    "quit": ("", "leave"),
}
"""What each command takes and does."""

STEPS = "32"
"""Steps of a search for a suffix, if none are told."""

SHOWN = 12
"""Test questions of a category that are listed."""


class Conversation:
    """One talk; what it hears goes to `hear`, what it says to the console."""

    def __init__(self, bench: Bench, model: str, console: Console) -> None:
        self.bench, self.model, self.console = bench, model, console
        self.world = bench.context.true_world
        self.prefill = ""
        self.keeps_history = False
        self.said: list[tuple[str, str]] = []
        self.listed: tuple[Query, ...] = bench.harmful
        self.last: tuple[Query | str, Asked] | None = None
        """The last question and what it asks: a test question, or one that was typed."""
        self.commands: Mapping[str, Callable[[str], None]] = {
            "questions": self.questions,
            "prefill": self.force,
            "safe": lambda _: self.force(verdict(None)),
            "the": lambda _: self.force("The"),
            "gcg": self.gcg,
            "truth": self.truth,
            "derive": self.derive,
            "history": self.history,
            "model": self.choose,
            "help": lambda _: self.help(),
        }

    def hear(self, line: str) -> bool:
        """Answers one line; False if it ends the talk.

        Raises what `cli.WRONG_REQUEST` lists for a line that cannot be followed; the talk can go
        on.
        """
        line = " ".join(line.split())
        if line in ("/quit", "/exit", "/q"):
            return False
        if line.startswith("/"):
            name, _, rest = line[1:].partition(" ")
            if name not in self.commands:
                raise SpecError(f"no command named {name!r}{nearest(name, HELP)}; /help lists them")
            self.commands[name](rest)
        elif line.isdecimal():
            self.ask(self._listed(int(line)))
        elif line:
            self.ask(line)
        return True

    def ask(self, question: Query | str, asked: Asked | None = None) -> None:
        """Puts a question with what stands before and after it, and shows the answer."""
        if isinstance(question, str):
            check_words(self.world, self.bench.context.tokenizer, question)
            asked = asked or understood(self.world, question)
            chain = asked.queries[0].chain if asked.queries else self.world.edges[0]
            query = Query(question, chain, asked.queries[0].category if asked.queries else "")
        else:
            query, asked = question, asked or of_query(self.world, question)
        query = self._within_room(replace(query, prefill=self._forced(query, asked)))
        (response,) = answer(self.bench, self.model, [query])
        self.last = question, asked
        shown = Table.grid(padding=(0, 2))
        shown.add_column(style="dim", no_wrap=True)
        shown.add_column(overflow="fold")
        shown.add_row("asked", Text(query.question))
        if query.prefill:
            shown.add_row("forced", Text(query.prefill))
        shown.add_row("answer", answer_text(response.text, query.prefill, asked.names))
        shown.add_row("truth", Text(f"{asked.says}. Right: {right_text(asked.right)}."))
        shown.add_row("judge", reading_text(readings(self.world, asked, response.text)))
        self.console.print(shown)
        self.console.print()
        if self.keeps_history:
            self._remember(query.question, response.text)

    def force(self, text: str) -> None:
        """What answers begin with from now on; nothing if the text is empty."""
        check_words(self.world, self.bench.context.tokenizer, text.replace("{c}", ""))
        self.prefill = text
        self._say(f"Answers begin with: {text}" if text else "Answers begin as the model likes.")

    def questions(self, which: str) -> None:
        """Lists test questions, to be asked by number."""
        kinds = {"": (HARMFUL,), "harmful": (HARMFUL,), "safe": GENERAL}
        if which not in kinds:
            raise SpecError(f"questions must be harmful or safe, got {which!r}")
        found = [self.bench.questions(kind) for kind in kinds[which]]
        self.listed = tuple(query for queries in found for query in queries)
        number = 0
        for queries in found:
            for place, query in enumerate(queries[:SHOWN], number + 1):
                self._say(f"{place:3}  {query.question}  [{query.category}]")
            number += len(queries)
            if len(queries) > SHOWN:
                self._say(f"     ... up to {number}  [{queries[0].category}]")

    def truth(self, name: str) -> None:
        """What the graph knows about an entity, by default the outcome of the last question."""
        for line in truth_lines(self.world, name or self.world.outcomes[self._outcome("")]):
            self._say(line)

    def derive(self, name: str) -> None:
        """The shortest proofs of an answer from what the model was told."""
        outcome = self._outcome(name)
        who, known = self._known()
        self._say(f"What brings about {of_outcome(self.world, outcome)}, from what {who} was told:")
        for name, rules in RULE_SETS.items():
            proof = answerable(self.world, outcome, known, rules)
            if proof is None:
                self._say(f"by {name}: no true answer follows")
            else:
                self._say(f"by {name}, at depth {proof.depth}:")
                self._say("\n".join(f"  {line}" for line in explain(self.world, proof).split("\n")))

    def history(self, word: str) -> None:
        """Whether earlier turns stand before a question."""
        if word not in ("on", "off"):
            raise SpecError(f"history must be on or off, got {word!r}")
        self.keeps_history, self.said = word == "on", []
        self._say("Earlier turns are remembered from here." if word == "on" else
                  "Every question stands alone.")  # fmt: skip

    def choose(self, name: str) -> None:
        """Another model of the cell."""
        if name:
            load_model(self.bench, name)
            self.model, self.said = name, []
        self._say(f"{self.model} answers; the cell has {', '.join(self.bench.stages)}.")
        if self.model == BASE:
            self._say("It is only pretrained: it has never seen a dialogue.")

    def gcg(self, steps: str) -> None:
        """The last question again, with a suffix that makes the beginning of an answer likely."""
        from experiments.suffix_search import search_suffix

        if not (steps or STEPS).isdecimal():
            raise SpecError(f"gcg must be a number of steps, got {steps!r}")
        count, last = int(steps or STEPS), self.last
        query = last[1].queries[0] if last and last[1].queries else None
        if query is None or not query.category.startswith("reverse"):
            raise SpecError("gcg: ask what brings an outcome about first")
        found = search_suffix(self.bench, self.model, replace(query, prefill=""), count)
        self._say(f"{count} steps; loss of {found.target!r} {found.before:.2f}, then "
                  f"{found.after:.2f}; suffix: {found.suffix}")  # fmt: skip
        self.ask(found.query, last and last[1])
        self.last = last

    def help(self) -> None:
        """What can be said."""
        table = Table.grid(padding=(0, 2))
        for name, (takes, does) in HELP.items():
            table.add_row(Text(f"/{name} {takes}".strip(), style="bold"), does)
        table.add_row("", "All else is a question. Its words must be the model's.")
        self.console.print(table)

    def _listed(self, number: int) -> Query:
        if not 1 <= number <= len(self.listed):
            raise SpecError(f"there is no question {number}; there are {len(self.listed)}")
        return self.listed[number - 1]

    def _forced(self, query: Query, asked: Asked) -> str:
        if "{c}" in self.prefill and not asked.queries:
            raise SpecError("the forced beginning names the outcome asked about, and there is none")
        return fill(self.world, self.prefill, query.chain.groups) if self.prefill else ""

    def _within_room(self, query: Query) -> Query:
        """The query with as many earlier turns as leave room for the answer."""
        kept = self.said
        for start in range(len(kept) + 1):
            told = replace(query, history=turns(kept[start:]))
            if has_room(self.bench.context, told):
                if start:
                    self._say(f"Only {len(kept) - start} of {len(kept)} earlier turns fit.")
                return told
        return query

    def _remember(self, question: str, response: str) -> None:
        """A turn for the history, unless the model wrote what it cannot read."""
        try:
            check_words(self.world, self.bench.context.tokenizer, response)
        except SpecError as error:
            self._say(f"This turn is not remembered: {error}.")
        else:
            self.said.append((question, response))

    def _outcome(self, name: str) -> int:
        """The outcome of this name, or that of the last question."""
        if name:
            return find_outcome(self.world, name)
        if self.last is None or not self.last[1].queries:
            raise SpecError("say which outcome: no question about one was asked yet")
        return self.last[1].queries[0].chain.outcome

    def _known(self) -> tuple[str, Knowledge]:
        """What the model that answers was told, and whose knowledge that is."""
        if self.model == BASE:
            stated = read_statements(self.bench.stages[BASE].verified(STATEMENTS))
            return BASE, Knowledge.of(stated)
        if self.model.startswith(FINETUNED):
            kind = self.model.removeprefix(FINETUNED)
            return self.model, self.bench.derivable_with((kind,)).known
        # Models that instruments make of it may have been told more.
        return SFT, self.bench.derivable.known

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
