from collections.abc import Hashable
from typing import Any

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.analysis import outcome_table, wasted_work
from genesis_lab.messages import DELIVERY_OUTCOMES, REQUEST_OUTCOMES
from genesis_lab.workloads.scripted import (
    Call,
    Client,
    Emit,
    Fail,
    ScriptedComponent,
    System,
    Wait,
)
from tests.plots.scenes import LISTENING, QUEUE, RING, trace_of

REQUEST_LABELS = [outcome.label for outcome in REQUEST_OUTCOMES]


def nonzero(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    return table[table["count"] > 0].to_dict("records")


def test_every_outcome_has_its_row_in_every_group() -> None:
    table = outcome_table(trace_of(RING).requests)
    assert list(table) == ["target", "outcome", "count", "share"]
    assert table["outcome"].to_list() == REQUEST_LABELS * 2
    assert nonzero(table) == [
        {"target": "a", "outcome": "answered", "count": 1, "share": 0.5},
        {"target": "a", "outcome": "cancelled", "count": 1, "share": 0.5},
        {"target": "b", "outcome": "timed_out", "count": 1, "share": 1.0},
    ]


def test_deliveries_have_outcomes_of_their_own() -> None:
    table = outcome_table(trace_of(LISTENING).deliveries, by=["event_type", "target"])
    assert table["outcome"].to_list() == [outcome.label for outcome in DELIVERY_OUTCOMES]
    assert table["count"].to_list() == [1, 0, 0, 0, 0]


def test_all_messages_are_one_group_where_no_column_tells_them_apart() -> None:
    table = outcome_table(trace_of(QUEUE).requests, by=())
    assert nonzero(table) == [{"outcome": "answered", "count": 3, "share": 1.0}]


def test_no_messages_give_no_rows_and_all_columns() -> None:
    table = outcome_table(trace_of(QUEUE).requests.iloc[:0])
    assert list(table) == ["target", "outcome", "count", "share"]
    assert table.empty


def wasted(system: System, *, horizon: float = 100.0) -> list[dict[Hashable, Any]]:
    return wasted_work(trace_of(system, horizon=horizon).requests).to_dict("records")


def chain(*, timeout: float | None, at_the_end: tuple[Wait | Fail, ...] = ()) -> System:
    """a works for 0.25 s, asks b, which works for 0.5 s and asks c (0.125 s), and works again."""
    return System(
        components=(
            ScriptedComponent(
                "a", on_request={"go": (Wait(0.25), Call("b", "ask"), Wait(1.0), *at_the_end)}
            ),
            ScriptedComponent("b", on_request={"ask": (Wait(0.5), Call("c", "ask"))}),
            ScriptedComponent("c", on_request={"ask": (Wait(0.125),)}),
        ),
        clients=(Client((Call("a", "go", timeout=timeout),)),),
    )


def test_work_is_useful_where_the_client_was_answered() -> None:
    assert wasted(chain(timeout=None)) == [
        {"target": "a", "useful": 1.25, "wasted": 0.0, "wasted_share": 0.0},
        {"target": "b", "useful": 0.5, "wasted": 0.0, "wasted_share": 0.0},
        {"target": "c", "useful": 0.125, "wasted": 0.0, "wasted_share": 0.0},
    ]


def test_answers_to_a_request_that_timed_out_are_waste_at_any_depth() -> None:
    assert wasted(chain(timeout=1.0)) == [
        {"target": "a", "useful": 0.0, "wasted": 0.375, "wasted_share": 1.0},
        {"target": "b", "useful": 0.0, "wasted": 0.5, "wasted_share": 1.0},
        {"target": "c", "useful": 0.0, "wasted": 0.125, "wasted_share": 1.0},
    ]


def test_work_on_a_request_that_failed_is_waste() -> None:
    table = wasted(chain(timeout=None, at_the_end=(Fail(),)))
    assert [row["wasted"] for row in table] == [1.25, 0.5, 0.125]


def test_work_on_a_pending_request_is_not_on_record_but_what_was_done_for_it_is_waste() -> None:
    assert wasted(chain(timeout=None), horizon=1.0) == [
        {
            "target": "a",
            "useful": 0.0,
            "wasted": 0.0,
            "wasted_share": pytest.approx(float("nan"), nan_ok=True),
        },
        {"target": "b", "useful": 0.0, "wasted": 0.5, "wasted_share": 1.0},
        {"target": "c", "useful": 0.0, "wasted": 0.125, "wasted_share": 1.0},
    ]


def test_attempt_that_timed_out_is_waste_even_if_its_caller_got_on_without() -> None:
    system = System(
        components=(
            ScriptedComponent(
                "a", on_request={"go": (Call("b", "ask", timeout=0.5), Call("b", "ask"))}
            ),
            ScriptedComponent("b", on_request={"ask": (Wait(0.75),)}),
        ),
        clients=(Client((Call("a", "go", timeout=None),)),),
    )
    assert wasted(system)[1] == {
        "target": "b", "useful": 0.75, "wasted": 0.5, "wasted_share": 0.4
    }  # fmt: skip


def test_request_that_was_never_served_is_no_work() -> None:
    nobody = System(components=(), clients=(Client((Call("x", "go"),)),))
    table = wasted_work(trace_of(nobody).requests)
    assert table[["target", "useful", "wasted"]].to_numpy().tolist() == [["x", 0.0, 0.0]]
    assert table["wasted_share"].isna().all()


def test_request_nested_in_a_delivery_is_judged_up_to_that_delivery() -> None:
    system = System(
        components=(
            ScriptedComponent("a", on_event={"news": (Call("b", "ask"), Fail())}),
            ScriptedComponent("b", on_request={"ask": (Wait(0.5),)}),
        ),
        subscriptions=(("a", "news"),),
        clients=(Client((Emit("news"),)),),
    )
    assert wasted(system) == [{"target": "b", "useful": 0.5, "wasted": 0.0, "wasted_share": 0.0}]


def test_useful_and_wasted_work_add_up_to_all_service_less_what_was_blocked() -> None:
    requests = trace_of(chain(timeout=1.0)).requests
    table = wasted_work(requests)
    service = requests["finished_at"] - requests["started_at"] - requests["blocked"]
    assert (table["useful"] + table["wasted"]).sum() == pytest.approx(service.sum())


def test_wasted_work_of_no_requests_has_all_columns() -> None:
    empty = gl.Recorder().trace().requests
    assert list(wasted_work(empty)) == ["target", "useful", "wasted", "wasted_share"]
