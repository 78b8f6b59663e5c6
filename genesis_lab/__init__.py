"""genesis_lab: the same components on several message buses, under one seed and a virtual clock.

The layers, from the bottom up; each imports only from those before it:

- `ipython`: the set-up of IPython, where the lab is imported in it.
- `files`: files that are written in one step, and files that one at a time holds.
- `errors`: the base class of all errors, and those that several layers raise.
- `extras`: the libraries that only a part needs, and what installs them.
- `messages`, `components`, `observers`: the words of the lab, as values and Protocols.
- `interrupts`: Ctrl-C while an event loop is blocked, as in a notebook's cell.
- `schedules`: which of several ready tasks and deliveries goes first: seeded, or replayed.
- `virtual_time`: the clock that jumps, `sleep`, and `run`.
- `scopes`: a cancel scope with a deadline, at a fraction of the cost of trio's.
- `streams`: random draws, one independent stream per purpose, all from the run's seed.
- `waits`: the wait-for graph, which finds each deadlock at the instant it forms.
- `buses`: what carries requests and events; one file per architecture.
- `resilience`: retry and circuit breaker, which may stand before requests; a table of timeouts.
- `recording`: from what a bus reports to pandas frames, to files and back.
- `workloads`: components and traffic, from scripts to a trading day.
- `analysis`: from frames to frames: latency, intervals, deadlocks, queueing theory.
- `plots`: from frames to figures that can go in a paper.
- `experiments`: questions with their conditions, measures and verdicts; trials and sweeps.
- `reports`: from results to one page that says which claims hold.
- `laboratory`: a bus that lives across notebook cells, on a thread of its own.
- `cli`, `bench`: the command line, and the benchmarks.

Names are loaded when they are first used (`__init__.pyi` says from where): so the command line
answers at once, and a bus starts without pandas and matplotlib.
"""

import logging
import sys

import lazy_loader

__version__ = "0.1.0"

# Quiet unless the application says otherwise: without a handler, Python prints warnings to stderr.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# Only asked for where it is loaded: nobody waits for IPython who does not use it.
if (_ipython := sys.modules.get("IPython")) and (_shell := _ipython.get_ipython()):
    from genesis_lab.ipython import set_up as _set_up

    _set_up(_shell)
