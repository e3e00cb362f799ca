"""Tables of runs, of several runs side by side, and of sweeps."""
