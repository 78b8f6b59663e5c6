"""The registry of architectures: each kind of bus as a value, by the name that records give it.

Names and traits are read where trio must not be loaded, such as for `genesis-lab --help`: a bus's
class is imported when the first bus is made.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from genesis_lab.errors import InvalidSetting, UnknownArchitecture, check_text

if TYPE_CHECKING:
    from genesis_lab.buses.base import Bus
    from genesis_lab.observers import Observer

ENTRY_POINTS = "genesis_lab.architectures"
"""The group of entry points through which a package brings architectures."""

log = logging.getLogger("genesis_lab.architectures")


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A kind of bus: its name, what makes one, and its traits. Calling it makes a bus.

    Raises
    ------
    InvalidSetting
        The name is not one word that can be part of a path, or the factory cannot be called.
    """

    name: str
    """What records, figures, folders and the command line call it."""
    factory: Callable[..., Any] = field(repr=False)
    """Takes `observer=` and the architecture's other settings; returns a `Bus`."""
    family: str
    """What shares a colour in figures, such as `hybrid`."""
    honours_timeout: bool = True
    """Whether a request's timeout ends its wait."""
    honours_admission: bool = True
    """Whether components take as many messages at once as their admission says."""
    summary: str = ""
    """What it is, in one sentence."""

    def __post_init__(self) -> None:
        _check_word("name", self.name)
        _check_word("family", self.family)
        check_text("summary", self.summary)
        if not callable(self.factory):
            raise InvalidSetting("factory", self.factory, "a callable that returns a bus")

    def __call__(self, *, observer: "Observer | None" = None, **settings: Any) -> "Bus":
        """Make a bus, whose records bear this architecture's name."""
        bus: Bus = self.factory(observer=observer, **settings)
        # A class may make the buses of several architectures, so its own name is only a default.
        bus.architecture = self.name
        return bus


def _check_word(setting: str, value: object) -> None:
    """Refuse what cannot be part of a path, a figure's label and a command line as it is."""
    if not (isinstance(value, str) and re.fullmatch(r"\w[\w.+-]*", value)):
        raise InvalidSetting(setting, value, "a word of letters, digits, '_', '-', '.' and '+'")


class Architectures(Mapping[str, Architecture]):
    """Architectures by name, in the order in which they were registered; read-only.

    Those of other packages come from entry points, which are read at the first look.

    Parameters
    ----------
    *architectures
        The first ones.
    """

    def __init__(self, *architectures: Architecture) -> None:
        self._by_name = {architecture.name: architecture for architecture in architectures}
        self._has_read_entry_points = False

    def __getitem__(self, name: str) -> Architecture:
        self.check(name)
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        self._read_entry_points()
        return iter(self._by_name)

    def __len__(self) -> int:
        self._read_entry_points()
        return len(self._by_name)

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        lines = (f"{name:<{width}}  {self[name].summary}".rstrip() for name in self)
        return "\n".join(lines)

    def check(self, name: object) -> None:
        """Raise `UnknownArchitecture` if none has this name."""
        if name not in tuple(self):
            raise UnknownArchitecture(name, tuple(self))

    def add(self, architecture: Architecture) -> None:
        """Register one more.

        Raises
        ------
        InvalidSetting
            Another architecture has the name.
        """
        self._read_entry_points()
        known = self._by_name.get(architecture.name)
        if known is not None and _content(known) != _content(architecture):
            raise InvalidSetting("name", architecture.name, "a name that is not taken")
        self._by_name[architecture.name] = architecture

    def _read_entry_points(self) -> None:
        if self._has_read_entry_points:
            return
        self._has_read_entry_points = True  # first: what is loaded may look at the registry itself
        broken = []
        for entry in entry_points(group=ENTRY_POINTS):
            try:
                self.add(_loaded(entry))
            except Exception as error:  # noqa: BLE001 - a broken package must not stop the lab
                broken.append(f"{entry.name} ({entry.value}: {type(error).__name__}: {error})")
        if broken:
            log.warning("architectures that cannot be loaded: %s", "; ".join(broken))


def _loaded(entry: EntryPoint) -> Architecture:
    found = entry.load()
    if isinstance(found, Architecture):
        return replace(found, name=entry.name)
    return Architecture(name=entry.name, factory=found, family=entry.name)


def _content(architecture: Architecture) -> tuple[object, ...]:
    """What makes two architectures the same."""
    return (
        architecture.family,
        architecture.honours_timeout,
        architecture.honours_admission,
        architecture.summary,
        _identity(architecture.factory),
    )


def _identity(factory: Callable[..., Any]) -> object:
    """What tells factories apart; a cell of a notebook that is run again gives the same one."""
    if isinstance(factory, partial):
        return _identity(factory.func), factory.args, factory.keywords
    if getattr(factory, "__module__", None) == "__main__":
        return getattr(factory, "__qualname__", factory)
    return factory


def _make(bus: str, /, **settings: Any) -> "Bus":
    """A bus of one of the lab's classes, by its place in `genesis_lab.buses`."""
    made: Bus = resolve_name(f"genesis_lab.buses.{bus}")(**settings)
    return made


_SYNCHRONOUS = partial(
    Architecture, family="synchronous", honours_timeout=False, honours_admission=False
)
_HYBRID = partial(Architecture, family="hybrid")

ARCHITECTURES = Architectures(
    _SYNCHRONOUS(
        name="synchronous",
        factory=partial(_make, "synchronous:SynchronousBus"),
        summary="The old bus: one call chain at a time in the whole system.",
    ),
    _SYNCHRONOUS(
        name="synchronous-component",
        factory=partial(_make, "synchronous:SynchronousBus", scope="component"),
        summary="The old bus, with chains that run side by side and wait at busy components.",
    ),
    _HYBRID(
        name="hybrid",
        factory=partial(_make, "hybrid:HybridCoordinator"),
        summary="Direct requests under a timeout, and events that no emitter waits for.",
    ),
    _HYBRID(
        name="hybrid-awaited",
        factory=partial(_make, "hybrid:HybridCoordinator", delivery="awaited"),
        summary="The hybrid, whose emitters wait until all subscribers have handled the event.",
    ),
    _HYBRID(
        name="hybrid-raise",
        factory=partial(_make, "hybrid:HybridCoordinator", on_deadlock="raise"),
        summary="The hybrid, which refuses a request that would close a deadlock.",
    ),
    _HYBRID(
        name="as-written",
        factory=partial(_make, "as_written:DesignAsWritten"),
        honours_admission=False,
        summary="The hybrid's original code: re-entrant, and failed subscribers hit the emitter.",
    ),
    Architecture(
        name="layered",
        family="layered",
        factory=partial(_make, "layered:LayeredBus"),
        summary="The hybrid, whose components may ask only those that come after them in an order.",
    ),
    Architecture(
        name="dedicated-queues",
        family="queues",
        factory=partial(_make, "dedicated_queues:DedicatedQueueBus"),
        honours_timeout=False,
        honours_admission=False,
        summary="A queue and a worker per component, for requests and events; one fixed timeout.",
    ),
)
"""Every architecture that can be named, also those that are added."""


def add_architecture(
    name: str,
    factory: Callable[..., "Bus"],
    *,
    family: str | None = None,
    honours_timeout: bool = True,
    honours_admission: bool = True,
    summary: str = "",
) -> Architecture:
    """Register an architecture of your own; it can then be named wherever those of the lab can.

    A package registers its own with entry points of the group `genesis_lab.architectures`: each
    names a factory, or an `Architecture`.

    Parameters
    ----------
    name
        A word of letters, digits, `_`, `-`, `.` and `+`.
    factory
        Takes `observer=` and other settings, and returns a `Bus`. For sweeps on several processes
        it must be one that `pickle` can send: a class or a function of a module, or a
        `functools.partial` of one.
    family
        Members of a family share a colour in figures; by default, it is one of its own.
    honours_timeout, honours_admission
        Whether timeouts and admissions have an effect; where they have none, grids and the explorer
        leave them out.
    summary
        What it is, in one sentence.

    Returns
    -------
    Architecture
        It makes such buses when it is called.

    Raises
    ------
    InvalidSetting
        The name is taken by another architecture or is no such word, or the factory cannot be
        called.

    Examples
    --------
    >>> from functools import partial
    >>> import genesis_lab as gl
    >>> small = partial(gl.HybridCoordinator, inbox_capacity=8, overflow="reject")
    >>> gl.add_architecture("hybrid-small", small, family="hybrid")().architecture
    'hybrid-small'
    """
    architecture = Architecture(
        name=name,
        factory=factory,
        family=name if family is None else family,
        honours_timeout=honours_timeout,
        honours_admission=honours_admission,
        summary=summary,
    )
    ARCHITECTURES.add(architecture)
    return architecture
