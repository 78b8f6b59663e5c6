"""Analysis: a frame in, a frame out, no state.

Names are loaded when they are first used (`__init__.pyi` says from where), so that a worker loads
only what its experiment measures with.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
