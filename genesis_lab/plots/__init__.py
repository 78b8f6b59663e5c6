"""Figures: a frame in, matplotlib Axes out, all in one style.

- `style`: widths, fonts, and how each architecture, and each series, looks
- `segments`: from records to what a timeline draws
- `timeline`: who waits, serves or is blocked, component by component
- `series`: a measure against x, curve by curve
- `latency`: by percentile, as a distribution, against utilisation
- `scaling`: what more subscribers or more components cost
- `waiting`: the wait-for graph of one deadlock
- `deadlocks`: how likely they are, and how soon
- `attribution`: which settings cured them, and which only masked them
- `outcomes`: how messages ended, condition by condition
- `scoreboard`: the claims of a design and what became of them
- `texts`: how wide texts are, and how they are made to fit
- `export`: a figure's files, with the numbers in it and where they come from

Figures are made without pyplot, so that nothing global changes and no window opens. Names are
loaded when they are first used (`__init__.pyi` says from where), and matplotlib with them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
