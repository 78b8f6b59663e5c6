"""A progress bar, in a terminal and in a notebook."""

from typing import Any

from tqdm.auto import tqdm
from tqdm.notebook import tqdm_notebook

_DELAY = 2.0
"""What is done sooner needs no bar [s]."""


def progress_bar(*, total: int, unit: str, done: int = 0, label: str | None = None) -> "tqdm[Any]":
    """A bar that has begun; it is a context manager, and `update()` counts one.

    Parameters
    ----------
    total
        How many units there are.
    unit
        What one of them is called.
    done
        How many were there before.
    label
        What is done.
    """
    # None: no bar if stderr is a file. A notebook's output is no terminal, and shows one.
    only_terminals: dict[str, Any] = {} if issubclass(tqdm, tqdm_notebook) else {"disable": None}
    return tqdm(
        total=total,
        initial=done,
        unit=unit,
        desc=label,
        delay=_DELAY,
        leave=False,
        **only_terminals,
    )
