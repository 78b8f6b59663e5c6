"""Libraries that only a part of the lab needs, and what installs them."""

from importlib import import_module
from types import ModuleType

from genesis_lab.errors import LabError

EXTRAS = {
    "bubus": "bench",
    "pykka": "bench",
    "simpy": "bench",
    "ipywidgets": "lab",
}
"""The extra of the package that installs a module."""


class MissingExtra(LabError, ImportError):
    """A library is not installed; an extra of the package installs it."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(module, extra)
        self.module = module
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.module} is not installed: pip install 'genesis-lab[{self.extra}]'"


def require_extra(module: str) -> ModuleType:
    """The library, which is one of `EXTRAS`.

    Raises
    ------
    MissingExtra
        It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:  # it is there, and lacks something itself
            raise
        raise MissingExtra(module, EXTRAS[module]) from error
