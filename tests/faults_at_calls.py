"""Faults at one call to the system: a process is killed, a call fails, or the user interrupts.

Counted are the calls that write, rename, sync, lock, make or remove something below a folder. Most
are seen by Python's audit hooks, and so is what the libraries do.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAULTS = ("kill", "EIO", "ENOSPC", "interrupt")
DONE, FAILED, REFUSED, NOT_REACHED, CRASHED, INTERRUPTED = 0, 1, 2, 77, 99, 130
WRITES = 2  # counted of each file: with the first it is empty, with the second in part
_CHANGES = {
    "os.rename",
    "os.link",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "fcntl.flock",
    "shutil.copyfile",
}
_NEEDS_SPACE = {"open", "os.mkdir", "os.link", "write", "fsync"}


class _Faults:
    """Counts calls, and does something at the one of this number."""

    def __init__(self, out: Path, number: int, fault: str) -> None:
        self.out, self.number, self.fault = str(out), number, fault
        self.calls = 0
        self.writes: dict[str, int] = {}

    @property
    def reached(self) -> bool:
        return self.calls >= self.number

    def call(self, kind: str) -> None:
        """Count a call, which has not yet been made."""
        self.calls += 1
        full = self.fault == "ENOSPC" and self.reached and kind in _NEEDS_SPACE  # from then on
        if self.calls != self.number and not full:
            return
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "interrupt":
            raise KeyboardInterrupt
        if self.fault == "EIO" or full:
            number = getattr(errno, self.fault)
            raise OSError(number, os.strerror(number))

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count calls that Python reports."""
        if event == "open":
            path, _, flags = arguments
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and str(path).startswith(self.out):
                self.call(event)
        elif event in _CHANGES:
            path = arguments[0]
            inside = (
                isinstance(path, int) or not Path(path).is_absolute()
            )  # by the handle of its folder
            if inside or str(path).startswith(self.out):
                self.call(event)

    def fsync(self, handle: int) -> None:
        """Count a call of `os.fsync`, which is not reported."""
        self.call("fsync")
        _fsync(handle)

    def open(self, file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        """Open as `io.open`, and count what is written to new files."""
        if not {"w", "x"} & set(mode) or not str(file).startswith(self.out):
            return _open(file, mode, *arguments, **options)
        faults = self

        class Writer(io.BufferedWriter):
            def write(self, data: Any) -> int:
                count = faults.writes[str(file)] = faults.writes.get(str(file), 0) + 1
                if count <= WRITES:
                    faults.call("write")
                written = super().write(data)
                self.flush()  # so that a killed process leaves it
                return written

        writer = Writer(io.FileIO(file, mode.replace("b", "")))
        if "b" in mode:
            return writer
        return io.TextIOWrapper(writer, options.get("encoding"), newline=options.get("newline"))


_fsync, _open = os.fsync, io.open


def run_with_fault(
    action: Callable[[], object], out: Path, number: int, fault: str
) -> tuple[int, str]:
    """Do something in a forked process with a fault at the call of this number below `out`.

    Returns:
        The exit code, one of those above or minus a signal; and the traceback of a crash.
    """
    from sim.common.errors import InputError, RunError

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = CRASHED
        try:
            faults = _Faults(out, number, fault)
            sys.addaudithook(faults.audit)
            os.fsync = faults.fsync
            io.open = faults.open  # type: ignore[assignment]
            action()
            code = DONE if faults.reached else NOT_REACHED
        except InputError:
            code = REFUSED
        except (RunError, OSError) as error:
            code = FAILED if isinstance(error, RunError) or action.__name__ == "rm" else CRASHED
            os.write(writer, traceback.format_exc().encode()[-4000:])
        except KeyboardInterrupt:
            code = INTERRUPTED
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-4000:])
        os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), text
