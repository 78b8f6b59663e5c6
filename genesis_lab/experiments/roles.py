"""The part that a component plays in an experiment: the first word of its id, as in `slow 1`."""

import pandas as pd


def roles_of(messages: pd.DataFrame) -> "pd.Series[str]":
    """What each message's target is.

    Parameters
    ----------
    messages
        Column `target`, as categorical: requests or deliveries of a `Trace`.
    """
    return messages["target"].map(_first_word).astype("str")


def _first_word(name: str) -> str:
    return name.partition(" ")[0]
