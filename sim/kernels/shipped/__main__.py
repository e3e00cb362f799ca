"""`python -m sim.kernels.shipped build`: make the shipped kernels anew."""

from __future__ import annotations

import sys
from pathlib import Path

from sim.kernels.shipped.build import build, check_versions, write

match sys.argv[1:]:
    case ["build"]:
        try:
            check_versions()
        except (RuntimeError, OSError) as error:
            sys.exit(str(error))
        build()
    case ["build", folder]:
        build(Path(folder))
    case ["write", folder]:  # in the environment that `build` makes
        write(Path(folder))
    case _:
        sys.exit("expected: python -m sim.kernels.shipped build [FOLDER]")
