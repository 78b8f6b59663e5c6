import pytest
import trio

import genesis_lab as gl
from genesis_lab.virtual_time import suspend, wake


class Place:
    """Where one task parks."""

    def __init__(self) -> None:
        self.task: trio.lowlevel.Task | None = None
        self.given_up = 0

    async def park(self) -> float:
        self.task = trio.lowlevel.current_task()
        await suspend(self._give_up)
        return trio.current_time()

    def _give_up(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self.task = None
        self.given_up += 1
        return trio.lowlevel.Abort.SUCCEEDED

    async def wake_after(self, seconds: float) -> None:
        await gl.sleep(seconds)
        assert self.task is not None
        wake(self.task)


def test_parked_task_goes_on_each_time_that_it_is_woken() -> None:
    async def main() -> list[float]:
        place = Place()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(place.wake_after, 1.5)
            nursery.start_soon(place.wake_after, 4.0)
            woken_at = [await place.park(), await place.park()]
        assert place.given_up == 0
        return woken_at

    assert gl.run(main).value == [1.5, 4.0]


def test_cancelled_task_gives_up_its_place_once() -> None:
    async def main() -> tuple[int, bool, float]:
        place = Place()
        with trio.move_on_after(2) as scope:
            await place.park()
        return place.given_up, scope.cancelled_caught, trio.current_time()

    assert gl.run(main).value == (1, True, 2.0)


def test_task_in_a_cancelled_scope_does_not_park() -> None:
    async def main() -> tuple[int, bool]:
        place = Place()
        with trio.CancelScope() as scope:
            scope.cancel()
            await place.park()
        return place.given_up, scope.cancelled_caught

    assert gl.run(main).value == (1, True)


@pytest.mark.parametrize("times", [1, 3])
def test_tasks_that_trio_parked_can_be_woken_too(times: int) -> None:
    """What they get is the same for each wake, though trio takes an outcome only once."""

    async def main() -> list[None]:
        task = trio.lowlevel.current_task()

        async def wakes() -> None:
            for number in range(times):
                await trio.sleep_until(number + 1)
                wake(task)

        def never(_raise_cancel: object) -> trio.lowlevel.Abort:
            raise AssertionError

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wakes)
            return [await trio.lowlevel.wait_task_rescheduled(never) for _ in range(times)]

    result = gl.run(main)
    assert (result.value, result.at) == ([None] * times, times)


def test_parking_works_under_the_real_clock_and_in_runs_of_trio_alone() -> None:
    async def main() -> None:
        place = Place()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(place.wake_after, 0.001)
            await place.park()

    assert gl.run(main, clock="real").ended == "completed"
    trio.run(main)
