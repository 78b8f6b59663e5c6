"""Hashes what a trial runs as this process has loaded it: code, values, and all that they reach.

The walk begins at functions and follows names: a function's bytecode, constants, defaults and
closure; the module globals that it names; the modules that it names or imports, and of these what
it names there; classes with their bases and bodies; instances by what pickle would keep of them.
Files are not read: a file may have changed since it was loaded, or have been loaded twice.

Python, its standard library and installed packages count by name and version. The lab itself is
walked, wherever it is installed, and its buses as a whole: an architecture may name its class in a
text. What cannot be taken apart (a lock, an open file, compiled code)
is refused by name, as nothing could tell whether it has changed.

The hash is the same in each process and under each hash seed. Bytecode differs between Python's
minor versions, so each of them has hashes of its own. A name that is put together at run time, as
in `getattr(module, prefix + name)`, is not seen.
"""

import sys
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

from genesis_lab.experiments.ingredients import (
    ATOMS,
    as_main,
    class_name,
    content_of,
    imports_in,
    is_guarded,
    is_made_by_python,
    is_special,
    module_of,
    names_in,
    nested,
    order_in,
    parts_of,
    refused,
    words_in,
)
from genesis_lab.experiments.installed import Installed, is_installed_file, version_of

_LENGTH = 32  # hexadecimal digits: 128 bits
_LAB = __name__.partition(".")[0]
_COMPILED = (
    types.BuiltinFunctionType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
)


class Fingerprints:
    """Hashes of functions, at one moment: each object they reach is taken apart once for all.

    Parameters
    ----------
    aside
        Registries: they count by class, as what is used of them is hashed on its own.
    """

    def __init__(self, *, aside: Collection[object] = ()) -> None:
        self._aside = aside
        self._installed = Installed()
        self._taken: dict[int, _Taken] = {}

    def of(self, **roots: object) -> str:
        """A hash of all that these functions and values reach.

        Parameters
        ----------
        **roots
            They, under the names by which an error refers to them.

        Raises
        ------
        InvalidSetting
            They reach something that cannot be hashed; the error names it.
        """
        whole = sha256(f"{sys.implementation.cache_tag} {sorted(roots)}".encode())
        waiting = [(root, name) for name, root in sorted(roots.items())]
        numbers: dict[int, int] = {}
        for value, where in waiting:  # it grows as we go
            if id(value) not in self._taken:
                self._taken[id(value)] = self._take_apart(value, where)
            taken = self._taken[id(value)]
            whole.update(taken.digest)
            for each in taken.refers_to:
                if id(each[0]) not in numbers:
                    numbers[id(each[0])] = len(numbers)
                    waiting.append(each)
                whole.update(b"%d " % numbers[id(each[0])])
        return whole.hexdigest()[:_LENGTH]

    def _take_apart(self, value: Any, where: str) -> "_Taken":
        content = _Content()
        if any(value is each for each in self._aside):
            content.write(class_name(type(value)))
        elif isinstance(value, types.FunctionType):
            self._function(content, value)
        elif isinstance(value, type):
            self._class(content, value)
        elif isinstance(value, types.ModuleType):
            self._module(content, value)
        elif type(value) is list:
            content.put_all("list", value, where)
        elif type(value) in {dict, types.MappingProxyType}:
            content.put_items(value, where)
        elif isinstance(value, _COMPILED):
            self._compiled(content, value, where)
        else:
            self._instance(content, value, where)
        return _Taken(value, content.digest(), content.refers_to)

    # --- functions and modules ------------------------------------------------------------------

    def _function(self, content: "_Content", function: types.FunctionType) -> None:
        home = as_main(str(function.__globals__.get("__name__")))
        where = f"{home}.{function.__qualname__}"
        content.write(f"function {where}")
        # A wrapper that comes from a library has what it wraps in its closure.
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            content.write(name)
            content.put_all("cell", content_of(cell), f"{where}.{name}")
        content.put_items(vars(function), where)
        if is_installed_file(function.__code__.co_filename):
            content.write(version_of(home))
            return
        content.put(function.__code__, where)
        content.put(function.__defaults__, where)
        content.put_items(function.__kwdefaults__ or {}, where)
        self._globals(content, function, home)

    def _globals(self, content: "_Content", function: types.FunctionType, home: str) -> None:
        """The globals that it names, and those that only share a name with an attribute."""
        scope, codes = function.__globals__, list(nested(function.__code__))
        names = names_in(codes)
        known = names | words_in(codes)
        for name in names:
            if name in scope and not is_special(name):
                content.write(name)
                self._named(content, scope[name], f"{home}.{name}", known)
        for module in imports_in(codes, scope):
            content.write(f"imports {module}")
            if not self._installed.is_module(module):
                self._named(content, import_module(module), module, known)

    def _named(self, content: "_Content", value: Any, where: str, names: Iterable[str]) -> None:
        """A value; but of a module only what is named in it, or in a module that is named there."""
        waiting, seen = [(value, where)], set()
        for each, place in waiting:  # it grows as we go
            if not isinstance(each, types.ModuleType) or self._installed.is_module(each.__name__):
                content.put(each, place)
            elif id(each) not in seen:  # modules may import each other
                seen.add(id(each))
                known = set(dir(each))  # also what it loads when it is first asked for
                there = [name for name in names if name in known and not is_special(name)]
                content.put_all(f"of {as_main(each.__name__)}", there, place)
                waiting += [(getattr(each, name), f"{each.__name__}.{name}") for name in there]

    def _module(self, content: "_Content", module: types.ModuleType) -> None:
        """One that is handed on as a value: any of its names may be asked for."""
        name = as_main(module.__name__)
        content.write(f"module {name}")
        if self._installed.is_module(module.__name__):
            content.write(version_of(module.__name__))
        else:
            own = {each: value for each, value in vars(module).items() if not is_special(each)}
            content.put_items(own, name)

    # --- classes and instances ------------------------------------------------------------------

    def _class(self, content: "_Content", cls: type) -> None:
        if self._installed.is_class(cls):
            # Packages may say of a class that it is from their public module, once that is loaded.
            content.write(f"class {cls.__qualname__} of {version_of(module_of(cls))}")
            return
        where = class_name(cls)
        content.write(f"class {where}")
        content.put_all("bases", cls.__bases__, where)
        content.put(type(cls), where)
        body = {
            name: value for name, value in vars(cls).items() if not is_made_by_python(name, value)
        }
        content.put_items(body, where)

    def _instance(self, content: "_Content", value: Any, where: str) -> None:
        cls = type(value)
        content.write("instance")
        content.put(cls, where)
        if module_of(cls).partition(".")[0] == _LAB and is_guarded(value):
            return  # what changes while runs go on, and gives none of them another result
        for name, part in parts_of(value, where):
            content.write(name)
            content.put(part, f"{where}.{name}" if name else where)

    def _compiled(self, content: "_Content", value: Any, where: str) -> None:
        content.write(f"compiled {getattr(value, '__qualname__', value.__name__)}")
        owner = getattr(value, "__objclass__", None) or getattr(value, "__self__", None)
        module = str(getattr(value, "__module__", None) or "builtins")
        if owner is not None and not isinstance(owner, types.ModuleType):
            content.put(owner, where)
        elif self._installed.is_module(module):
            content.write(version_of(module))
        else:
            raise refused(where, value)


def definitions_in(package: str) -> Iterator[type | types.FunctionType]:
    """The functions and classes in the modules of a package."""
    for found in iter_modules(import_module(package).__path__, f"{package}."):
        for value in vars(import_module(found.name)).values():
            if isinstance(value, type | types.FunctionType) and value.__module__ == found.name:
                yield value


class _Taken(NamedTuple):
    """An object, taken apart."""

    value: Any  # kept alive, so that no other object gets its id
    digest: bytes
    refers_to: list[tuple[Any, str]]


class _Content:
    """The content of one object, as it is written down: what it refers to is written elsewhere.

    What is immutable is written in place. Whether equal constants are one object depends on
    whether their module was compiled or read from a cache, so it must make no difference.
    """

    def __init__(self) -> None:
        self.refers_to: list[tuple[Any, str]] = []
        self._parts: list[bytes] = []

    def digest(self) -> bytes:
        return sha256(b"".join(self._parts)).digest()

    def write(self, text: str) -> None:
        self._write_bytes(text.encode(errors="surrogatepass"))

    def put(self, value: Any, where: str) -> None:
        """Write a value, or that one is referred to."""
        if type(value) in ATOMS:
            self.write(f"{type(value).__name__} {value!r}")
        elif type(value) is tuple:
            self.put_all("tuple", value, where)
        elif type(value) in {set, frozenset}:
            self.put_all(type(value).__name__, sorted(value, key=order_in(where)), where)
        elif isinstance(value, types.CodeType):
            self._put_code(value, where)
        else:
            self.write("->")
            self.refers_to.append((value, where))

    def put_all(self, kind: str, values: Iterable[Any], where: str) -> None:
        members = list(values)
        self.write(f"{kind} {len(members)}")
        for member in members:
            self.put(member, where)

    def put_items(self, items: Mapping[Any, Any], where: str) -> None:
        self.write(f"items {len(items)}")
        for name, value in items.items():
            self.put(name, where)
            self.put(value, f"{where}.{name}")

    def _put_code(self, code: types.CodeType, where: str) -> None:
        """What it does: neither where it was written nor the numbers of its lines."""
        self.write(code.co_name)
        self._write_bytes(code.co_code)
        self._write_bytes(code.co_exceptiontable)
        sizes = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        self.write(f"{sizes}")
        self.write(f"{code.co_names} {code.co_varnames} {code.co_freevars} {code.co_cellvars}")
        self.put_all("constants", code.co_consts, where)

    def _write_bytes(self, content: bytes) -> None:
        # With its length: two texts in a row are never taken for two others.
        self._parts += (b"%d:" % len(content), content)
