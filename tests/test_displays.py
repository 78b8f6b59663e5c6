"""How the lab's own values show themselves, as text and in a notebook."""

import dataclasses
import re
from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.workloads.scripted import ScriptedComponent, Wait

NASTY = "<b>\"a\" & 'b'</b>"


class Pooled(gl.Component):
    admission = gl.pool(4)


def deadlock(**changed: Any) -> gl.Deadlock:
    return gl.Deadlock(
        **{"formed_at": 0.2, "members": (0, 1, 2), "components": ("a", "b", "a"), **changed}
    )


def ended(value: object) -> gl.RunResult[object]:
    return gl.RunResult(value=value, ended="completed", at=1.1, seed=7)


# ----------------------------------------------------------------------------------------- as text


def test_a_run_shows_how_it_ended_when_and_under_which_seed() -> None:
    stalled: gl.RunResult[None] = gl.RunResult(value=None, ended="stalled", at=0.25, seed=3)
    assert repr(stalled) == "<RunResult stalled at 0.25 s, seed 3>"


def test_a_run_shows_what_came_of_it_shortened() -> None:
    assert repr(ended("done")) == "<RunResult completed at 1.1 s, seed 7, value 'done'>"
    assert repr(ended(list(range(1000)))) == (
        "<RunResult completed at 1.1 s, seed 7, value [0, 1, 2, 3, 4, 5, ...]>"
    )


def test_a_run_shows_how_many_handlers_failed_and_the_first_failure() -> None:
    first = "'a' failed on 'ask': ValueError: <mine>"
    once: gl.RunResult[None] = gl.RunResult(
        value=None, ended="completed", at=1.1, seed=7, failures=1, first_failure=first
    )
    often = dataclasses.replace(once, failures=3)
    assert repr(once) == f"<RunResult completed at 1.1 s, seed 7, 1 handler failure: {first}>"
    assert repr(often) == (
        f"<RunResult completed at 1.1 s, seed 7, 3 handler failures, the first: {first}>"
    )
    assert "the first: &#x27;a&#x27; failed on &#x27;ask&#x27;: ValueError: &lt;mine&gt;" in (
        often._repr_html_()
    )


def test_a_run_that_was_cut_shows_the_beginning_of_its_explanation() -> None:
    lines = tuple(f"<{number}> waits" for number in range(5))
    stalled: gl.RunResult[None] = gl.RunResult(
        value=None, ended="stalled", at=0.25, seed=3, explanation=lines
    )
    assert repr(stalled).splitlines() == [
        "<RunResult stalled at 0.25 s, seed 3>",
        "  <0> waits",
        "  <1> waits",
        "  <2> waits",
        "  and 2 more in .explanation",
    ]
    assert stalled._repr_html_() == (
        "<strong>stalled</strong> at 0.25 s, seed 3<br>&lt;0&gt; waits<br>&lt;1&gt; waits"
        "<br>&lt;2&gt; waits<br>and 2 more in .explanation"
    )
    short = dataclasses.replace(stalled, ended="livelock", explanation=lines[:3])
    assert repr(short).splitlines()[1:] == ["  <0> waits", "  <1> waits", "  <2> waits"]
    at_the_horizon = dataclasses.replace(stalled, ended="horizon")
    assert repr(at_the_horizon) == "<RunResult horizon at 0.25 s, seed 3>"


def test_a_deadlock_shows_its_cycle_and_whether_it_holds() -> None:
    assert repr(deadlock()) == "<Deadlock a -> b -> a: formed at 0.2 s, holds>"
    assert repr(deadlock(broken_at=1.1, broken_by="timed_out")) == (
        "<Deadlock a -> b -> a: formed at 0.2 s, broken at 1.1 s (timed_out)>"
    )


def test_a_bus_names_eight_of_its_components() -> None:
    async def main() -> list[str]:
        shown = []
        async with gl.HybridCoordinator() as bus:
            for number in range(9):
                bus.register(gl.Component(f"c{number}"))
                shown.append(repr(bus))
        return shown[-2:]

    assert gl.run(main).value == [
        "<HybridCoordinator open: c0, c1, c2, c3, c4, c5, c6, c7>",
        "<HybridCoordinator open: c0, c1, c2, c3, c4, c5, c6, c7, and 1 more>",
    ]


# ----------------------------------------------------------------------------------- in a notebook


def html_of(shown: Any) -> str:
    html = shown._repr_html_()
    assert isinstance(html, str)
    return html


def test_a_component_shows_its_id_its_class_and_its_admission() -> None:
    assert html_of(Pooled("a")) == "<strong>a</strong>: Pooled, pool(4)"


def test_a_scripted_component_is_as_short_in_a_notebook_as_any_other() -> None:
    scripted = ScriptedComponent("a", on_request={"ask": ()})
    assert html_of(scripted) == "<strong>a</strong>: ScriptedComponent, SERIAL"


def test_a_bus_shows_how_busy_its_components_are() -> None:
    async def main() -> str:
        async with gl.HybridCoordinator() as bus:
            bus.register(ScriptedComponent("a", on_request={"ask": (Wait(1.0),)}))
            bus.register(ScriptedComponent("<b>"))
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(bus.request, "a", "ask", None, "me")
                await gl.sleep(0.5)
                return html_of(bus)

    html = gl.run(main).value
    assert html == (
        "<table><caption>HybridCoordinator, open</caption>"
        "<tr><th>component</th><th>serving</th><th>waiting</th><th>in its inbox</th></tr>"
        "<tr><th>a</th><td>1</td><td>2</td><td>0</td></tr>"
        "<tr><th>&lt;b&gt;</th><td>0</td><td>0</td><td>0</td></tr></table>"
    )


def test_a_bus_that_was_never_opened_shows_that_it_is_closed_and_empty() -> None:
    assert html_of(gl.SynchronousBus()) == (
        "<table><caption>SynchronousBus, closed</caption>"
        "<tr><th>component</th><th>serving</th><th>waiting</th><th>in its inbox</th></tr></table>"
    )


def test_a_notebook_shows_of_a_run_what_its_text_says() -> None:
    assert html_of(ended(None)) == "<strong>completed</strong> at 1.1 s, seed 7"


def test_a_notebook_shows_of_a_deadlock_what_its_text_says() -> None:
    assert html_of(deadlock()) == (
        "<strong>Deadlock</strong> a -&gt; b -&gt; a: formed at 0.2 s, holds"
    )


@pytest.mark.parametrize(
    "shown",
    [
        gl.Component(NASTY),
        ended(NASTY),
        deadlock(components=(NASTY, "b")),
    ],
    ids=lambda shown: type(shown).__name__,
)
def test_a_notebook_shows_names_as_text(shown: Any) -> None:
    html = html_of(shown)
    assert "<b>" not in html
    assert re.search("&lt;b&gt;.*a.* &amp; .*b.*&lt;/b&gt;", html)
    assert set(re.findall("<[^>]*>", html)) == {"<strong>", "</strong>"}
