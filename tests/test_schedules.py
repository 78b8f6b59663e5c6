import json
import os
import pickle
import re
import subprocess
import sys
import threading
from itertools import permutations
from typing import Any, Literal

import pytest
import trio

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting, ScheduleDiverged

LANES: list[Literal["tasks", "deliveries"]] = ["tasks", "deliveries"]
Order = list[tuple[str, int]]


def ordered(schedule: gl.Schedule, count: int, lane: Literal["tasks", "deliveries"]) -> list[int]:
    ready = list(range(count))
    schedule.order(ready, lane)
    return ready


async def three_tasks_and_two_rounds() -> Order:
    """Who ran in which round, of tasks that are ready together."""
    ran: Order = []

    async def notes(name: str) -> None:
        for number in range(2):
            ran.append((name, number))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(notes, name)
    return ran


def order_under(schedule: gl.Schedule, seed: int = 0) -> Order:
    value = gl.run(three_tasks_and_two_rounds, seed=seed, schedule=schedule).value
    assert value is not None
    return value


# --- one schedule's orders ------------------------------------------------------------------------


@pytest.mark.parametrize("lane", LANES)
def test_a_seed_gives_one_sequence_of_orders(lane: Any) -> None:
    one, same, other = gl.Seeded(7), gl.Seeded(7), gl.Seeded(8)
    orders = [[ordered(schedule, 8, lane) for _ in range(5)] for schedule in (one, same, other)]
    assert orders[0] == orders[1] != orders[2]
    assert all(sorted(order) == list(range(8)) for order in orders[0])


@pytest.mark.parametrize("lane", LANES)
def test_seeds_reach_every_order(lane: Any) -> None:
    reached = {tuple(ordered(gl.Seeded(seed), 3, lane)) for seed in range(100)}
    assert reached == set(permutations(range(3)))


def test_ordering_deliveries_does_not_shift_the_orders_of_tasks() -> None:
    with_deliveries, without = gl.Seeded(7), gl.Seeded(7)
    ordered(with_deliveries, 10, "deliveries")
    assert ordered(with_deliveries, 10, "tasks") == ordered(without, 10, "tasks")


def test_deliveries_that_cannot_be_compared_are_ordered_too() -> None:
    ready: list[Any] = [object() for _ in range(20)]
    before = list(ready)
    gl.Seeded(7).order(ready, "deliveries")
    assert ready != before
    assert set(ready) == set(before)


@pytest.mark.parametrize("lane", LANES)
def test_fifo_leaves_the_order(lane: Any) -> None:
    assert ordered(gl.Fifo(), 5, lane) == [0, 1, 2, 3, 4]


# --- the order of a run ---------------------------------------------------------------------------


def test_a_run_follows_its_seed_by_default() -> None:
    for seed in range(5):
        by_default = gl.run(three_tasks_and_two_rounds, seed=seed).value
        assert by_default == order_under(gl.Seeded(seed), seed=99)


def test_first_come_first_served_runs_tasks_in_the_order_of_their_creation() -> None:
    expected = [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1), ("c", 1)]
    assert {tuple(order_under(gl.Fifo(), seed)) for seed in range(5)} == {tuple(expected)}


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_both_clocks_ask_the_schedule(clock: Any) -> None:
    result = gl.run(three_tasks_and_two_rounds, schedule=gl.Fifo(), clock=clock)
    assert result.value is not None
    assert [name for name, _ in result.value] == list("abcabc")


def test_tasks_run_in_the_order_into_which_a_schedule_puts_them() -> None:
    class LatestFirst(gl.Schedule):
        def order(self, ready: list[Any], lane: Any) -> None:
            ready.reverse()

    assert [name for name, _ in order_under(LatestFirst())] == list("cbacba")


def test_a_bus_may_ask_the_schedule_of_its_run() -> None:
    async def main() -> list[int]:
        ready = [0, 1, 2]
        trio.lowlevel.current_clock().schedule.order(ready, "deliveries")  # type: ignore[attr-defined]  # it is ours
        return ready

    assert gl.run(main, schedule=gl.Fifo()).value == [0, 1, 2]
    assert gl.run(main, seed=7).value == ordered(gl.Seeded(7), 3, "deliveries")


def test_a_schedule_begins_anew_with_each_run() -> None:
    schedule = gl.Seeded(7)
    assert order_under(schedule) == order_under(schedule) == order_under(gl.Seeded(7))


def test_a_run_inside_a_run_leaves_the_schedule_that_both_name_alone() -> None:
    schedule = gl.Recorded(gl.Seeded(7))
    expected = order_under(schedule)

    async def main() -> Order:
        with pytest.raises(RuntimeError):
            gl.run(three_tasks_and_two_rounds, schedule=schedule)
        return await three_tasks_and_two_rounds()

    assert gl.run(main, schedule=schedule).value == expected


def test_runs_in_two_threads_follow_each_its_own_schedule() -> None:
    schedules = {"seeded": gl.Seeded(7), "fifo": gl.Fifo()}
    alone = {name: order_under(schedule) for name, schedule in schedules.items()}
    together: dict[str, Order] = {}
    start = threading.Barrier(len(schedules))

    def run(name: str) -> None:
        start.wait()
        together[name] = order_under(schedules[name])

    threads = [threading.Thread(target=run, args=(name,)) for name in schedules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


# --- recording and replay -------------------------------------------------------------------------


def test_recorded_choices_say_which_of_those_that_were_ready_ran_first() -> None:
    class LatestFirst(gl.Schedule):
        def order(self, ready: list[Any], lane: Any) -> None:
            ready.reverse()

    recorded = gl.Recorded(LatestFirst())
    ordered(recorded, 3, "tasks")
    ordered(recorded, 2, "deliveries")
    assert recorded.choices == ((2, 1, 0), (1, 0))


def test_recording_does_not_change_the_order() -> None:
    for seed in range(5):
        assert order_under(gl.Recorded(gl.Seeded(seed))) == order_under(gl.Seeded(seed))


def test_a_replay_repeats_a_run_whatever_its_seed() -> None:
    for seed in range(20):
        recorded = gl.Recorded(gl.Seeded(seed))
        expected = order_under(recorded)
        assert order_under(gl.Replay(recorded.choices), seed=seed + 1) == expected


def test_choices_survive_json_and_pickle() -> None:
    recorded = gl.Recorded(gl.Seeded(7))
    expected = order_under(recorded)
    assert order_under(gl.Replay(json.loads(json.dumps(recorded.choices)))) == expected
    assert order_under(gl.Replay(pickle.loads(pickle.dumps(recorded.choices)))) == expected


def test_replaying_and_recording_again_gives_the_same_choices() -> None:
    recorded = gl.Recorded(gl.Seeded(7))
    order_under(recorded)
    again = gl.Recorded(gl.Replay(recorded.choices))
    order_under(again)
    assert again.choices == recorded.choices


def test_choices_are_those_of_the_latest_run() -> None:
    recorded = gl.Recorded(gl.Seeded(7))
    order_under(recorded)
    of_the_first = recorded.choices
    order_under(recorded)
    assert recorded.choices == of_the_first != ()
    gl.run(trio.lowlevel.checkpoint, schedule=recorded)
    assert len(recorded.choices) < len(of_the_first)


def test_a_replay_goes_on_first_come_first_served_when_its_choices_are_used_up() -> None:
    replay = gl.Replay([[2, 0, 1]])
    assert [ordered(replay, 3, "tasks") for _ in range(3)] == [[2, 0, 1], [0, 1, 2], [0, 1, 2]]
    assert order_under(gl.Replay([])) == order_under(gl.Fifo())


def test_a_run_that_is_another_one_than_the_recorded_one_is_an_error() -> None:
    recorded = gl.Recorded(gl.Seeded(7))
    order_under(recorded)
    stops_at = next(n for n, choice in enumerate(recorded.choices) if len(choice) == 3)
    choices = [*recorded.choices[:stops_at], (1, 0), *recorded.choices[stops_at + 1 :]]
    with pytest.raises(ScheduleDiverged) as caught:
        order_under(gl.Replay(choices))
    assert str(caught.value) == (
        f"choice {stops_at}: 3 tasks are ready, but 2 were when it was recorded: "
        "a replay needs the same code, configuration and seed"
    )
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), ScheduleDiverged)


def test_a_replay_that_diverges_before_main_has_begun_is_the_same_error() -> None:
    with pytest.raises(ScheduleDiverged, match=r"^choice 0: "):
        order_under(gl.Replay([list(range(50))]))


def test_a_replay_that_diverges_at_deliveries_is_the_same_error_whoever_catches_exceptions() -> (
    None
):
    async def main() -> None:
        clock: Any = trio.lowlevel.current_clock()
        clock.schedule.order([object()] * 3, "deliveries")
        await trio.sleep_forever()

    recorded = gl.Recorded(gl.Fifo())
    gl.run(trio.lowlevel.checkpoint, schedule=recorded)
    with pytest.raises(ScheduleDiverged, match="3 deliveries are ready, but 2 were"):
        gl.run(main, schedule=gl.Replay([*recorded.choices[:1], (0, 1)]))


def test_an_error_of_a_schedule_comes_out_of_the_run_as_it_is() -> None:
    error = ValueError("mine")

    class Fails(gl.Schedule):
        def order(self, ready: list[Any], lane: Any) -> None:
            raise error

    with pytest.raises(ValueError, match=r"^mine$") as caught:
        order_under(Fails())
    assert caught.value is error


# --- wrong settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([[0, 0]], "choices[0]=[0, 0]: expected the positions 0, 1, ... of two or more"),
        ([(1, 0), (0,)], "choices[1]=(0,): expected the positions 0, 1, ... of two or more"),
        ([[1, 2]], "choices[0]=[1, 2]: expected the positions 0, 1, ... of two or more"),
        ([[0, True]], "choices[0]=[0, True]: expected the positions 0, 1, ... of two or more"),
        ([3], "choices[0]=3: expected the positions 0, 1, ... of two or more"),
        ("ab", "choices='ab': expected a sequence of orders, as from Recorded.choices"),
    ],
)
def test_choices_that_are_no_orders_are_refused(choices: Any, message: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{re.escape(message)}$"):
        gl.Replay(choices)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True, None])
def test_a_seeded_schedule_needs_a_seed(seed: Any) -> None:
    message = re.escape(f"seed={seed!r}: expected a whole number >= 0")
    with pytest.raises(InvalidSetting, match=f"^{message}$"):
        gl.Seeded(seed)


def test_what_is_no_schedule_is_refused() -> None:
    async def main() -> None: ...

    for wrong, expected in (
        ("fifo", "a Schedule such as Seeded(7)"),
        (gl.Seeded, "a Schedule such as Seeded(7), not the class"),
    ):
        message = re.escape(f"schedule={wrong!r}: expected {expected}")
        with pytest.raises(InvalidSetting, match=f"^{message}$"):
            gl.run(main, schedule=wrong)  # type: ignore[arg-type]  # that is the mistake
        with pytest.raises(InvalidSetting, match=f"^{message}$"):
            gl.Recorded(wrong)  # type: ignore[arg-type]


def test_schedules_show_what_they_are() -> None:
    shown: list[gl.Schedule] = [
        gl.Recorded(gl.Seeded(7)),
        gl.Fifo(),
        gl.Replay([(1, 0), (0, 1)]),
    ]
    assert [repr(schedule) for schedule in shown] == [
        "Recorded(Seeded(7))",
        "Fifo()",
        "<Replay of 2 choices>",
    ]


SHUFFLED = """
import json, runpy, sys
import genesis_lab as gl

here = runpy.run_path(sys.argv[1])
print(here["digest_of_a_busy_run"](gl.Replay(json.loads(sys.stdin.read()))))
"""


def digest_of_a_busy_run(schedule: gl.Schedule) -> str:
    """Many clients, subscribers and ties at one instant: the order decides who is served first."""
    recorder = gl.Recorder()

    class Busy(gl.Component):
        async def process_request(self, request_type: str, data: Any, source: str) -> Any:
            await gl.sleep(0.5)
            await self.bus.emit_event("done", data, self.id)
            return data

        async def on_event(self, event_type: str, data: Any, source: str) -> None:
            if self.id != "a":
                await self.bus.request("a", "ask", None, self.id)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorder) as bus:
            for id in "abcde":
                bus.register(Busy(id))
                bus.subscribe(id, "done")
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(bus.request, "abcde"[number % 5], "ask", number, "client")

    gl.run(main, schedule=schedule, horizon=20.0)
    return recorder.trace().digest()


def test_recorded_choices_repeat_a_run_in_another_process() -> None:
    recorded = gl.Recorded(gl.Seeded(11))
    digest = digest_of_a_busy_run(recorded)
    assert digest != digest_of_a_busy_run(gl.Seeded(12))
    again = subprocess.run(
        [sys.executable, "-c", SHUFFLED, __file__],
        input=json.dumps(recorded.choices),
        env=os.environ | {"PYTHONHASHSEED": "3"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert again.strip() == digest
