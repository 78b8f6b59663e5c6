"""What a function, a class or an instance consists of, for `fingerprint`: pure look-ups."""

import copyreg
import dataclasses
import dis
import enum
import functools
import struct
import types
import weakref
from _thread import LockType, RLock
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from importlib.util import resolve_name
from typing import Any

from genesis_lab.errors import InvalidSetting

ATOMS = (type(None), bool, int, float, complex, str, bytes, types.EllipsisType)
"""What is written in place."""
_WEAK = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)
"""Caches of what is reached elsewhere: `functools.singledispatch` has one."""
_IMPORT = dis.opmap["IMPORT_NAME"]


def refused(where: str, value: object) -> InvalidSetting:
    """The error that names what cannot be hashed."""
    name = "a code object" if isinstance(value, types.CodeType) else class_name(type(value))
    expected = f"what a stored trial reaches to be no {name}, as nothing tells whether it changes"
    return InvalidSetting(where, value, expected)


# --- names ----------------------------------------------------------------------------------------


def module_of(value: Any) -> str:
    """The module of a function or class."""
    module = value.__module__  # of a few compiled types, what their instances have it from
    return as_main(module) if isinstance(module, str) else "builtins"


def class_name(cls: type) -> str:
    """A class by module and name."""
    return f"{module_of(cls)}.{cls.__qualname__}"


def as_main(module: str) -> str:
    """A module's name; the script that is run has another one in a worker."""
    return "__main__" if module == "__mp_main__" else module


def is_special(name: str) -> bool:
    """Whether a name is Python's own."""
    return name.startswith("__") and name.endswith("__")


# --- code -----------------------------------------------------------------------------------------


def nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code, and that of the functions and classes in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested(constant)


def names_in(codes: Iterable[types.CodeType]) -> dict[str, None]:
    """The names of globals and attributes in code, in order."""
    return dict.fromkeys(name for code in codes for name in code.co_names)


def words_in(codes: Iterable[types.CodeType]) -> dict[str, None]:
    """Texts that may be names, as in `getattr(module, "name")` and `from module import name`."""
    return dict.fromkeys(word for code in codes for word in _words(code.co_consts))


def _words(constants: Iterable[object]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str) and constant.isidentifier():
            yield constant
        elif isinstance(constant, tuple):
            yield from _words(constant)


def imports_in(codes: Iterable[types.CodeType], scope: Mapping[str, Any]) -> Iterator[str]:
    """The modules that code imports when it runs."""
    package = scope.get("__package__") or ""
    for code in codes:
        if _IMPORT not in code.co_code[::2]:  # to disassemble is slow
            continue
        before: list[Any] = []
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME":
                level = before[-2]  # how many dots there are
                yield resolve_name("." * level + str(instruction.argval), package)
            before.append(instruction.argval)


def content_of(cell: types.CellType) -> list[Any]:
    """What a closure's cell holds; nothing where its name is bound later, or never."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


# --- classes and instances ------------------------------------------------------------------------


def is_made_by_python(name: str, value: object) -> bool:
    """Whether an attribute of a class follows from others, or is filled while programs run."""
    if name in {"_abc_impl", "__annotate__", "__annotate_func__"}:
        return True
    if name == "__init__":  # a Protocol's gives way to the next one when it is first called
        return value is object.__init__ or getattr(value, "__module__", "") == "typing"
    if not is_special(name) or name == "__dataclass_fields__":
        return False
    return not (callable(value) or isinstance(value, classmethod | property))


def parts_of(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """What an instance is made of, by name.

    As pickle has it, but for what pickle cannot take apart or does not look into.

    Raises
    ------
    InvalidSetting
        Pickle cannot take it apart.
    """
    match value:
        case staticmethod() | classmethod() | types.MethodType():
            yield "self", getattr(value, "__self__", None)
            yield "function", value.__func__
        case property():
            yield from (("get", value.fget), ("set", value.fset), ("delete", value.fdel))
        case functools.partial():
            yield from (("function", value.func), ("arguments", value.args))
            yield "keywords", value.keywords
        case functools.cached_property():
            yield "function", value.func
        case enum.Enum():
            yield from (("name", value.name), ("value", value.value))
        case dataclasses.Field():
            yield from (("name", value.name), ("default", value.default))
            yield from (("factory", value.default_factory), ("metadata", value.metadata))
        case struct.Struct():
            yield "format", value.format
        case ContextVar():
            yield "name", value.name
        case types.GenericAlias() | types.UnionType():
            yield from (("origin", getattr(value, "__origin__", None)), ("of", value.__args__))
        case _ if isinstance(value, _WEAK):
            return
        case _ if hasattr(value, "cache_info"):
            yield "function", value.__wrapped__  # of `functools.cache`, without what it holds
        case _:
            yield from _as_pickled(value, where)


def _as_pickled(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    try:
        known = copyreg.dispatch_table.get(type(value))
        reduced = value.__reduce_ex__(4) if known is None else known(value)
    except Exception as error:
        raise refused(where, value) from error
    if isinstance(reduced, str):
        yield "called", reduced
        return
    make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    yield from (("", make), ("", arguments), ("", state))
    yield from (("", list(items or ())), ("", list(pairs or ())))


def is_guarded(value: object) -> bool:
    """Whether an object has a lock: its state is that of the process, then."""
    state = getattr(value, "__dict__", {})
    return any(isinstance(each, LockType | RLock) for each in state.values())


def order_in(where: str) -> Callable[[Any], tuple[str, str]]:
    """The key by which a set's members are put in order, as hash seeds change it.

    Raises
    ------
    InvalidSetting
        A member has nothing that says where it belongs.
    """

    def key(member: Any) -> tuple[str, str]:
        match member:
            case tuple():
                return "tuple", repr(list(map(key, member)))
            case frozenset():
                return "frozenset", repr(sorted(map(key, member)))
            case enum.Enum():
                return class_name(type(member)), member.name
            case type() | types.FunctionType() | types.BuiltinFunctionType():
                return "named", f"{module_of(member)}.{member.__qualname__}"
            case _ if type(member) in ATOMS:
                return type(member).__name__, repr(member)
        raise refused(where, member)

    return key
