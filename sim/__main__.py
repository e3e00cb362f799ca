"""`python -m sim` is the command `sim`."""

from sim.cli.main import main

if __name__ == "__main__":  # not in processes that this one starts
    main()
