"""The exceptions of a live laboratory, each with its own message."""

from genesis_lab.errors import LabError


class LabClosed(LabError):
    """The laboratory has been closed, or its bus has failed (the failure is the `__cause__`)."""

    def __str__(self) -> str:
        return "this live laboratory is closed: make a new one with gl.live(...)"


class CalledByComponent(LabError):
    """A component called the laboratory that it is in, which would wait for itself."""

    def __str__(self) -> str:
        return "a component called the live laboratory that it is in: it should call self.bus"


class NoEventLoop(LabError):
    """A call on the laboratory is awaited where asyncio does not run."""

    def __str__(self) -> str:
        return (
            "a call on a live laboratory is awaited on asyncio's event loop, as in a notebook's "
            "cell; elsewhere make it from a plain function, which waits for the reply"
        )


class ComponentQuit(LabError):
    """A component raised what is no `Exception`, as SystemExit, which the laboratory outlives."""

    def __init__(self, component: str, error: str) -> None:
        super().__init__(component, error)
        self.component = component
        self.error = error

    def __str__(self) -> str:
        return f"{self.component!r} raised {self.error}, which does not end a live laboratory"
