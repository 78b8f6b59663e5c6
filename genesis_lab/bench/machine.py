"""On what the numbers were measured."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("trio", "numpy", "pandas", "simpy", "bubus", "pykka")


def machine_facts(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """The processor, its cores, and the versions of what takes part."""
    return {
        "processor": _processor(cpuinfo),
        "cores": str(os.cpu_count()),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: _version(name) for name in _PACKAGES},
    }


def _processor(cpuinfo: Path) -> str:
    """The processor's name, which Python knows on few systems."""
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
