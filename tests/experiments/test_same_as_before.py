"""Components that use nothing new behave as they did: outcomes and times, to the last bit.

All conditions of every experiment's quick plan, as it was, under the seeds 0 and 1: nothing is
thinned out, as all of them together take a few seconds. See `reference_trials`.
"""

import pytest

from genesis_lab.experiments import EXPERIMENTS, load_experiment
from genesis_lab.experiments.trading_day import NoSample
from tests.experiments.reference_trials import (
    COLUMNS,
    ending,
    fingerprint,
    first_difference,
    references,
    rows,
    run_again,
)

REFERENCES = references()


def test_every_experiment_that_the_reference_knows_is_still_there() -> None:
    assert set(REFERENCES) <= set(EXPERIMENTS)


@pytest.mark.parametrize("experiment", REFERENCES)
def test_trials_of_an_experiment_are_the_same_as_before(experiment: str) -> None:
    try:
        load_experiment(experiment).reads()
    except NoSample as missing:
        pytest.skip(str(missing))
    differences = []
    for reference in REFERENCES[experiment]:
        result = run_again(experiment, reference)
        condition = " ".join(f"{name}={reference[name]}" for name in _TRIAL)
        if ending(result) != reference["ended"]:
            differences.append(f"{condition}: {ending(result)}, was {reference['ended']}")
        for name in COLUMNS:
            table = rows(result, name)
            if fingerprint(table) != reference[name]:
                difference = first_difference(table, reference[name])
                differences.append(f"{condition}: {name}: {difference}")
    assert not differences, f"{len(differences)} differences\n" + "\n".join(differences[:20])


_TRIAL = ("architecture", "parameters", "seed")


@pytest.mark.parametrize(
    ("table", "difference"),
    [
        (["a", "x", "c"], "row 1 is now x"),
        (["a", "b"], "2 rows instead of 3"),
        (["a", "b", "c", "d"], "4 rows instead of 3"),
    ],
)
def test_a_difference_is_found_in_its_first_row(table: list[str], difference: str) -> None:
    assert first_difference(table, fingerprint(["a", "b", "c"])) == difference
