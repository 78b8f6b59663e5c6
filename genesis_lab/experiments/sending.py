"""Sends an architecture along with a trial, to a worker process that may not know it.

It crosses in bytes of its own. A task that a worker cannot read ends the worker, and the error does
not say why; bytes that it cannot read are an error of the trial.
"""

import pickle
from dataclasses import dataclass
from typing import Any

from genesis_lab.buses import ARCHITECTURES, Architecture
from genesis_lab.errors import InvalidSetting


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An architecture in the process that has registered it."""

    architecture: Architecture

    def register(self) -> None:
        """Do nothing: here it can be named."""

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            content = pickle.dumps(self.architecture)
        except Exception as error:
            raise _cannot_be_sent(self.architecture.name) from error
        return Incoming, (self.architecture.name, content)


@dataclass(frozen=True, slots=True)
class Incoming:
    """The same in another process."""

    name: str
    content: bytes

    def register(self) -> None:
        """Register it, if it cannot be named here yet.

        Raises
        ------
        InvalidSetting
            Its factory cannot be imported here.
        """
        if self.name in ARCHITECTURES:
            return
        try:
            architecture: Architecture = pickle.loads(self.content)
        except Exception as error:
            raise _cannot_be_sent(self.name) from error
        ARCHITECTURES.add(architecture)


def _cannot_be_sent(name: str) -> InvalidSetting:
    return InvalidSetting(
        "architecture",
        name,
        "one whose factory worker processes can import, such as a class or function of a module; "
        "executor=InThisProcess() needs no workers",
    )
