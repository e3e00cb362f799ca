"""The command line: one command, one call.

Whatever takes time to import is imported within `main`, which handles an interruption of that too.
"""

from __future__ import annotations


class _Interrupt(KeyboardInterrupt):
    """Ctrl-C. With Python's own class, if met in an `exec`, the exit code would not be ours."""


def main() -> None:
    """Run the command line.

    Exit with 2 for bad input, 1 for a failure, 130 if interrupted, 141 if the reader of standard
    output has closed it.
    """
    try:
        import os
        import signal

        # BLAS starts a thread for each processor, which spin for an eighth of a short run; here it
        # has small matrices alone. In another number of threads it may add in another order.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

        def interrupt(*_: object) -> None:
            raise _Interrupt

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, interrupt)
        from sim.cli.app import run_command

        run_command()
    except KeyboardInterrupt:
        code: object = 130
    except SystemExit as leaving:
        code = leaving.code
    import sys

    if code == 130 and sys.stderr is not None:
        sys.stderr.write("interrupted: finished work is kept\n")
    sys.exit(code)  # type: ignore[arg-type] # of another SystemExit
