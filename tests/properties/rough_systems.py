"""Random systems whose components are taken off the bus, and clean up when they are cancelled."""

from random import Random

from hypothesis import strategies as st

from genesis_lab.workloads.scripted import Call, Fail, Step, System, Wait
from tests.properties.small_systems import Finally, Unregister
from tests.properties.systems import MOSTLY, Author, Choices

NOBODY = Call("nobody", "ask", raising=True)

# Whatever they wait for comes by itself, for no cancellation reaches them.
CLEAN_UPS: tuple[Step, ...] = (Wait(0.0), Wait(0.101), NOBODY, Fail())


class RoughAuthor(Author):
    """Writes into scripts, here and there, what an ordinary component would not do."""

    def single(self, level: int) -> Step:
        step = super().single(level)
        kind = self.random.random()
        if kind < 0.12:
            return Finally(step, self.random.choice(CLEAN_UPS))
        if kind < 0.16:
            return Unregister(self.random.choice(self.names))
        return NOBODY if kind < 0.2 else step


def rough_systems() -> st.SearchStrategy[System]:
    may = Choices(give_up=MOSTLY, fail=True)
    return st.builds(
        lambda seed, components, clients: RoughAuthor(Random(seed), components, 3, may).system(
            clients
        ),
        seed=st.integers(0, 2**32),
        components=st.integers(2, 5),
        clients=st.integers(1, 4),
    )
