import numpy as np
import pytest

import genesis_lab as gl
from genesis_lab.streams import Draws, OutsideRun, Sample, one_by_one, random_stream


def three(*purpose: str | int, seed: int) -> list[float]:
    """The first draws of a stream inside a run."""

    async def main() -> list[float]:
        return [float(value) for value in random_stream(*purpose).random(3)]

    drawn = gl.run(main, seed=seed).value
    assert drawn is not None
    return drawn


def test_stream_is_the_same_on_every_machine_and_in_every_process() -> None:
    stream = random_stream("service", "a", seed=7)
    assert stream.integers(1_000_000, size=3).tolist() == [826_494, 360_701, 95_968]


def test_stream_of_a_run_is_that_of_its_seed() -> None:
    assert three("a", 1, seed=7) == random_stream("a", 1, seed=7).random(3).tolist()


def test_each_user_of_a_purpose_in_a_run_has_a_stream_of_its_own() -> None:
    async def main() -> list[list[float]]:
        return [random_stream("a", 1).random(3).tolist() for _ in range(3)]

    first, second, third = gl.run(main, seed=7).value or []
    assert first == random_stream("a", 1, seed=7).random(3).tolist()
    assert first != second != third != first
    assert gl.run(main, seed=7).value == [first, second, third]  # a next run counts anew


def test_a_further_stream_is_the_same_on_every_machine_and_in_every_process() -> None:
    async def main() -> list[int]:
        random_stream("service", "a")
        return [int(value) for value in random_stream("service", "a").integers(1_000_000, size=3)]

    assert gl.run(main, seed=7).value == [363_223, 232_939, 719_588]


def test_streams_of_one_purpose_are_uncorrelated() -> None:
    async def main() -> list[list[float]]:
        return [random_stream("client").random(10_000).tolist() for _ in range(10)]

    between = np.triu(np.corrcoef(gl.run(main, seed=7).value or []), k=1)
    assert np.abs(between).max() < 0.04  # four standard errors


def test_users_of_one_purpose_do_not_shift_those_of_another() -> None:
    async def main() -> list[float]:
        random_stream("a")
        random_stream("a")
        return [float(value) for value in random_stream("b").random(3)]

    assert gl.run(main, seed=7).value == random_stream("b", seed=7).random(3).tolist()


def test_stream_of_a_given_seed_is_the_first_one_each_time_inside_a_run_too() -> None:
    async def main() -> list[float]:
        return [float(random_stream("a", seed=7).random()) for _ in range(2)]

    assert gl.run(main, seed=8).value == [random_stream("a", seed=7).random()] * 2


@pytest.mark.parametrize("other", [("b",), ("a", "a"), ("a", 1), ("a", "1"), (1,), ("1",), ()])
def test_streams_of_different_purposes_differ(other: tuple[str | int, ...]) -> None:
    assert three("a", seed=7) != three(*other, seed=7)


def test_number_and_its_text_are_different_purposes() -> None:
    assert three(1, seed=7) != three("1", seed=7)


def test_streams_of_different_seeds_differ() -> None:
    assert three("a", seed=7) != three("a", seed=8)


def test_drawing_more_from_one_stream_does_not_shift_another() -> None:
    def second_after(draws: int) -> float:
        first, second = random_stream("first", seed=7), random_stream("second", seed=7)
        first.random(draws)
        return second.random()

    assert second_after(1) == second_after(1_000)


def test_streams_of_neighbouring_purposes_are_uncorrelated() -> None:
    samples = [random_stream("client", number, seed=7).random(10_000) for number in range(10)]
    between = np.triu(np.corrcoef(samples), k=1)
    assert np.abs(between).max() < 0.04  # four standard errors


def test_stream_outside_a_run_needs_a_seed() -> None:
    with pytest.raises(OutsideRun) as caught:
        random_stream("service", "a")
    assert str(caught.value) == (
        "no run, so no seed for the stream ('service', 'a'): draw inside gl.run"
    )


def test_stream_of_a_negative_seed_is_refused() -> None:
    with pytest.raises(gl.LabError, match=r"^seed=-1: expected a whole number >= 0$"):
        random_stream("a", seed=-1)


def uniform(stream: np.random.Generator, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return stream.random(size)


def test_single_values_are_those_of_the_stream_however_many() -> None:
    values = one_by_one(uniform, random_stream("a", seed=7))
    assert [next(values) for _ in range(5_000)] == random_stream("a", seed=7).random(5_000).tolist()


def drawn(draws: Draws, count: int, *, seed: int) -> list[float]:
    async def main() -> list[float]:
        return [draws() for _ in range(count)]

    values = gl.run(main, seed=seed).value
    assert values is not None
    return values


def test_draws_made_outside_follow_each_run() -> None:
    draws = Draws(uniform, "a")
    first = drawn(draws, 3, seed=7)
    assert first == random_stream("a", seed=7).random(3).tolist()
    assert drawn(draws, 3, seed=8) == random_stream("a", seed=8).random(3).tolist()
    assert drawn(draws, 3, seed=7) == first


def test_draws_go_on_within_a_run() -> None:
    sample: Sample = uniform
    values = drawn(Draws(sample, "a"), 3_000, seed=7)
    assert values == random_stream("a", seed=7).random(3_000).tolist()


def test_two_draws_of_one_purpose_in_one_run_are_independent() -> None:
    first, second = Draws(uniform, "a"), Draws(uniform, "a")

    async def main() -> tuple[list[float], list[float]]:
        taken_in_turns = [(first(), second()) for _ in range(3)]
        return [one for one, _ in taken_in_turns], [other for _, other in taken_in_turns]

    of_first, of_second = gl.run(main, seed=7).value or ([], [])
    assert of_first == random_stream("a", seed=7).random(3).tolist()
    assert set(of_first).isdisjoint(of_second)
    assert gl.run(main, seed=7).value == (of_first, of_second)


def test_draws_that_begin_first_have_the_first_stream_even_if_others_draw_before() -> None:
    early, late = Draws(uniform, "a"), Draws(uniform, "a")

    async def main() -> float:
        early.begin()
        late()
        early.begin()
        return early()

    assert gl.run(main, seed=7).value == random_stream("a", seed=7).random()
