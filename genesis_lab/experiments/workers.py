"""Worker processes that can be ended one by one, as it is known what each of them is running.

A thread of this process stands for each worker: it hands on calls and waits for what comes back.
So a call that hangs, or that ends its process, is known by itself, and costs no other one. The
executor of the standard library can say neither, and waits for what runs when it is left.
"""

import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from genesis_lab.errors import LabError

T = TypeVar("T")


class WorkerDied(LabError):
    """A worker process ended while it ran a call."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"its process ended with exit code {self.exit_code} (below 0: a signal)"


class CallTimedOut(LabError):
    """A call did not return within so many seconds of wall time; its process was ended."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"it did not return within {self.seconds:g} s"


class Workers(Executor):
    """Processes of this machine, each of which is started when it is first needed.

    Parameters
    ----------
    count
        How many there are; one per processor by default.
    """

    def __init__(self, count: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(count or os.cpu_count(), "worker")
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        self._processes: set[_Process] = set()
        self._ends = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Call the function in a worker."""
        return self._threads.submit(self._run, None, (fn, args, kwargs))

    def submit_within(
        self, seconds: float | None, fn: Callable[..., T], /, *args: Any
    ) -> "Future[T]":
        """Call the function in a worker, and end the worker if it does not return in time.

        The time begins when the worker has loaded the call.
        """
        return self._threads.submit(self._run, seconds, (fn, args, {}))

    def abandon(self, futures: Iterable["Future[Any]"]) -> None:
        """End these calls at once; none of them is left when it returns."""
        begun = [future for future in futures if not future.cancel()]
        try:
            self.kill()
            wait(begun)
        finally:
            self._ends = False

    def kill(self) -> None:
        """End all workers at once; none is started any more."""
        with self._lock:
            self._ends = True
            for process in self._processes:
                process.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers finish what they are at, and end."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for process in self._processes:
            process.close()

    def _run(self, seconds: float | None, call: object) -> Any:
        content = pickle.dumps(call)
        process = self._process()
        try:
            return process.run(content, seconds)
        finally:
            if process.is_ended:
                with self._lock:
                    self._processes.discard(process)

    def _process(self) -> "_Process":
        """The thread's own; a new one if that has ended."""
        with self._lock:
            if self._ends:
                raise WorkerDied(None)
            process: _Process | None = getattr(self._of_thread, "process", None)
            if process is None or process.is_ended:
                process = self._of_thread.process = _Process()
                self._processes.add(process)
            return process


class _Process:
    """A worker process, seen from here."""

    def __init__(self) -> None:
        # spawn: a worker begins clean, without the threads and event loops of this process.
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))
        self._process.start()
        theirs.close()

    @property
    def is_ended(self) -> bool:
        return not self._process.is_alive()

    def run(self, call: bytes, seconds: float | None) -> Any:
        try:
            self._connection.send_bytes(call)
            self._receive(None)  # it has loaded the call
            returned, value = pickle.loads(self._receive(seconds))
        except (EOFError, OSError):
            self._process.join()
            raise WorkerDied(self._process.exitcode) from None
        if not returned:
            raise value
        return value

    def _receive(self, seconds: float | None) -> bytes:
        # Its end too: what it has begun itself may hold the connection open.
        ready = connection.wait([self._connection, self._process.sentinel], seconds)
        if not ready:
            self.kill()
            self._process.join()
            raise CallTimedOut(seconds or 0.0)
        if self._connection in ready:
            return self._connection.recv_bytes()
        raise EOFError

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Let it end."""
        self._connection.close()
        self._process.join()


def _serve(calls: Connection) -> None:
    """Run calls, one by one, until there are no more."""
    # Ctrl-C is left to the process that began this one, whose end is the end of this one, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None, "a worker is started by a process"
    threading.Thread(target=_end_after, args=(parent.join,), daemon=True).start()
    while True:
        try:
            content = calls.recv_bytes()
        except EOFError:
            return
        calls.send_bytes(_outcome(content, begun=lambda: calls.send_bytes(b"")))


def _end_after(wait: Callable[[], None]) -> None:
    wait()
    os._exit(1)


def _outcome(call: bytes, begun: Callable[[], None]) -> bytes:
    """Whether a call returned, and what; or what it raised."""
    try:
        fn, args, kwargs = pickle.loads(call)
    except BaseException as error:  # noqa: BLE001 - the caller gets it
        begun()
        return _as_sent(error)
    begun()
    try:
        return pickle.dumps((True, fn(*args, **kwargs)))
    except BaseException as error:  # noqa: BLE001 - the caller gets it
        return _as_sent(error)


def _as_sent(error: BaseException) -> bytes:
    """An exception with its traceback as a note; only its text, if it cannot be sent."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        content = pickle.dumps((False, error))
        pickle.loads(content)
    except Exception:  # noqa: BLE001 - a foreign exception's own code
        content = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return content
