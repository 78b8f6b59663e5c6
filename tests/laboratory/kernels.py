"""A real IPython kernel for tests: cells go in, and what each of them left comes out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.laboratory.parts import DEADLINE


@dataclass
class Cell:
    """What a cell left in its own output, and nowhere else."""

    printed: str = ""
    """To stdout and stderr."""
    value: str = ""
    """The last expression, as text."""
    error: str = ""
    """The name of the exception that ended it."""
    traceback: str = ""


class Kernel:
    """A kernel of this Python, and a client of it.

    Parameters
    ----------
    log
        Where its process's own output goes.
    """

    def __init__(self, log: Path) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._log = log.open("w")
        self._manager.start_kernel(stdout=self._log, stderr=self._log)
        self._connect()

    def _connect(self) -> None:
        client = self._manager.client()
        assert isinstance(client, BlockingKernelClient)
        self._client = client
        self._client.start_channels()
        self._client.wait_for_ready(timeout=DEADLINE)

    def begin(self, code: str) -> str:
        """Send a cell, and do not wait for its end."""
        cell_id = self._client.execute(code)
        assert isinstance(cell_id, str)
        return cell_id

    def run(self, code: str) -> Cell:
        """A cell, when it has ended; it must not fail."""
        cell = self.end(self.begin(code))
        assert cell.error == "", cell.traceback
        return cell

    def end(self, cell_id: str) -> Cell:
        """A cell that was begun, when it has ended."""
        cell = Cell()
        for kind, content in self._output_of(cell_id):
            match kind:
                case "stream":
                    cell.printed += content["text"]
                case "execute_result":
                    cell.value = content["data"]["text/plain"]
                case "error":
                    cell.error = content["ename"]
                    cell.traceback = "\n".join(content["traceback"])
        return cell

    def interrupt(self) -> None:
        """Interrupt the cell that runs, as the button in JupyterLab does."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """Restart, whatever runs."""
        self._client.stop_channels()
        self._manager.restart_kernel()
        self._connect()

    def shut_down(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel()
        self._log.close()

    def _output_of(self, cell_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        while True:
            message = self._client.get_iopub_msg(timeout=DEADLINE)
            if message["parent_header"].get("msg_id") == cell_id:
                kind, content = message["header"]["msg_type"], message["content"]
                if kind == "status" and content["execution_state"] == "idle":
                    return
                yield kind, content
