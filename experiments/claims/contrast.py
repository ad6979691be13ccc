"""`Claim` and `Contrast`: what a paper says, as quantities that our measurements compare."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.measures import Measures
from experiments.statistics import Test, paired_test

COMPLETION = "completion of reverse-unsafe"
PREFILL, FINETUNE, GENERAL = "prefill ASR", "benign fine-tuning ASR", "general accuracy"
THE, MIXED = "ASR of the prefill The alone", "benign fine-tuning ASR with SFT mixed in"


@dataclass(frozen=True)
class Contrast:
    """`higher` is claimed to lie above `lower`; each is a (variant, quantity) pair.

    above: False claims the contrary, that it does not lie above by an effect of any interest.
    """

    sentence: str
    higher: tuple[str, str]
    lower: tuple[str, str]
    above: bool = True

    @property
    def variants(self) -> tuple[str, str]:
        """The variants it needs."""
        return self.higher[0], self.lower[0]

    def measured(self, measures: Measures, judge: str) -> bool:
        """Whether the study asked both quantities."""
        return all(measures.has(*term, judge) for term in (self.higher, self.lower))

    def test(self, measures: Measures, judge: str) -> Test:
        """The paired test of higher - lower over seeds, in fractions."""
        return paired_test(*measures.paired(self.higher, self.lower, judge))


@dataclass(frozen=True)
class Claim:
    """A claim, what the paper printed about it, the contrasts that decide it, and remarks that do
    not.

    derivable, underivable: variants of whose corpora the claim supposes that harmful answers follow
    by association, or do not; it is tested only where the rows say so.
    """

    id: str
    sentence: str
    source: str
    published: str
    contrasts: tuple[Contrast, ...]
    remarks: tuple[Contrast, ...] = ()
    derivable: tuple[str, ...] = ()
    underivable: tuple[str, ...] = ()

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants without which it is not tested."""
        return tuple(dict.fromkeys(v for c in self.contrasts for v in c.variants))


def above(what: str, higher: str, lower: str, quantity: str) -> Contrast:
    """That one variant's quantity lies above another's; `what` is its name in words."""
    return Contrast(
        f"{what}: {higher} above {lower}", higher=(higher, quantity), lower=(lower, quantity)
    )


def not_above(what: str, higher: str, lower: str, quantity: str) -> Contrast:
    """That one variant's quantity does not lie above another's by an effect of any interest."""
    return Contrast(
        f"{what}: {higher} not above {lower}",
        higher=(higher, quantity),
        lower=(lower, quantity),
        above=False,
    )


def above_chance(variant: str, above: bool = True) -> Contrast:
    """That a variant's pretrained model completes reverse-unsafe above its exact chance."""
    return Contrast(
        f"{COMPLETION}: {variant} {'' if above else 'not '}above exact chance",
        higher=(variant, "completion"),
        lower=(variant, "chance"),
        above=above,
    )
