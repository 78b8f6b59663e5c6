"""Figures: a frame in, matplotlib Axes out, all in one style.

- `style`: widths, fonts, and how each architecture, and each series, looks
- `segments`: from records to what a timeline draws
- `timeline`: who waits, serves or is blocked, component by component
- `series`: a measure against x, curve by curve
- `latency`: by percentile, as a distribution, against utilisation
- `scaling`: what more subscribers or more components cost
- `export`: a figure's files, with the numbers in it and where they come from

Figures are made without pyplot, so that nothing global changes and no window opens. Names are
loaded when they are first used (`__init__.pyi` says from where), and matplotlib with them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
