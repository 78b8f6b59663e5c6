"""What the original design claims, claim by claim, and which experiment tests it.

The claims are those of the design's own description: four problems of the old bus that it says are
solved, five advantages, and three bands of timeouts that it recommends.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from genesis_lab.errors import check_choice

Judgement = Literal["holds", "holds with a condition", "refuted"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim, as a hypothesis."""

    statement: str
    """What is claimed, in a sentence."""
    experiment: str
    """The experiment that tests it."""


CLAIMS = {
    # The problems that are said to be solved.
    "circular calls": Claim("Circular calls no longer deadlock.", "circular"),
    "recursive calls": Claim("A component that calls itself no longer deadlocks.", "recursive"),
    "slow components": Claim("A slow component no longer holds up the others.", "slow-component"),
    "limited scaling": Claim("Concurrency is no longer limited by the bus.", "scaling"),
    # The advantages.
    "prevention": Claim("The design prevents deadlocks by construction.", "random-calls"),
    "performance": Claim("Events are handled side by side, without needless waiting.", "fan-out"),
    "resilience": Claim("A failing component does not affect the rest.", "isolation"),
    "scalability": Claim("The system carries more load.", "load"),
    "flexibility": Claim("Whoever builds a component picks what suits its case.", "trading-day"),
    # The bands of timeouts.
    "fast operations": Claim("0.5 to 1 s suits fast operations.", "timeouts"),
    "connection checks": Claim("1 to 2 s suits connection checks.", "timeouts"),
    "complex operations": Claim("5 to 10 s suits complex operations.", "timeouts"),
}
"""The claims of the original design, by a short name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the trials say of a claim, with the evidence.

    Raises
    ------
    InvalidSetting
        There is no such claim or judgement.
    """

    claim: str
    """A name in `CLAIMS`."""
    judgement: Judgement
    measured: str
    """What the effect is: a few words."""
    effect: float
    """The size of what was measured; NaN where nothing could be."""
    low: float
    """Of the effect's 95 % interval; NaN where there is none."""
    high: float
    unit: str
    """Of the three of them; `"x"` for a ratio."""
    sentence: str
    """Why: one sentence with the numbers that decide."""

    def __post_init__(self) -> None:
        check_choice("claim", self.claim, tuple(CLAIMS))
        check_choice("judgement", self.judgement, get_args(Judgement))
