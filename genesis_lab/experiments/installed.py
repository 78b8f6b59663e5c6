"""Which modules are Python's or an installed package's: all but the lab's and the user's own."""

import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

_LAB = __name__.partition(".")[0]
_LAB_FOLDER = str(Path(__file__).parents[1])
_FOLDERS = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


class Installed:
    """Answers whether something is installed, and remembers it by module."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}

    def is_module(self, name: str) -> bool:
        """Whether a module is installed, be it loaded or not."""
        if name not in self._known:
            self._known[name] = _is_installed(name)
        return self._known[name]

    def is_class(self, cls: type) -> bool:
        """Whether a class comes from an installed module."""
        module = cls.__module__
        if not isinstance(module, str) or module == "builtins":
            # A class that `exec` makes says that it is from there, too.
            return not cls.__flags__ & _HEAP_TYPE
        return self.is_module(module)


def is_installed_file(file: str) -> bool:
    """Whether a file, as code and modules name theirs, is an installed one."""
    return file.startswith(("<frozen ", *_FOLDERS)) and not file.startswith(_LAB_FOLDER)


def version_of(module: str) -> str:
    """The package that a module is in, and which version of it is loaded."""
    package = module.partition(".")[0]
    return f"{package} {getattr(sys.modules.get(package), '__version__', '')}"


def _is_installed(module: str) -> bool:
    package = module.partition(".")[0]
    if package in {_LAB, "__main__", "__mp_main__"}:
        return False
    if package in sys.stdlib_module_names:
        return True
    file = _file_of(module, package)
    return file is not None and is_installed_file(file)


def _file_of(module: str, package: str) -> str | None:
    if module in sys.modules:
        return getattr(sys.modules[module], "__file__", None)
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    return None if spec is None else spec.origin
