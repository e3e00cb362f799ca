"""Rules for options of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from sim.common.errors import Fault, InputError, Location
from sim.common.text import finite, nearest, shown
from sim.model.blocks import CHUNK, KEPT_DRAWS
from sim.parameters.scenario import Scenario

SAMPLERS = ("stratified", "random", "sobol")
SOBOL_DRAWS = 2**37  # 32 sequences of 2^32 points
BAD_DRAWS = ("fail", "drop", "keep")
MAX_DRAWS = 10**12
MAX_SEED = 2**64 - 1
MOST_UNCERTAINTY = 10  # quantile tables reach this number of times farther


def draws_fault(draws: Any) -> str | None:
    """What is wrong with a number of draws, in words."""
    if finite(draws) is None:
        return f"expected a whole number of draws, got {shown(draws)}"
    if draws != int(draws) or not 1 <= draws <= MAX_DRAWS:
        return f"expected a whole number of draws from 1 to {MAX_DRAWS:.0e}, got {draws:g}"
    return None


def seed_fault(seed: Any) -> str | None:
    """What is wrong with a seed, in words."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) <= MAX_SEED:
        return f"expected a whole number from 0 to 2^64 - 1, got {shown(seed)}"
    return None


def sampler_fault(sampler: Any, draws: Any = 0) -> str | None:
    """What is wrong with a sampler, in words.

    `draws` is the number that it shall draw.
    """
    if sampler not in SAMPLERS:
        hint = nearest(shown(sampler).strip("'"), SAMPLERS)
        return f"unknown sampler {shown(sampler)}{hint}"
    if sampler == "sobol" and (finite(draws) or 0) > SOBOL_DRAWS:
        return (
            f"32 Sobol' sequences of 2^32 points give {SOBOL_DRAWS:,} draws, got {int(draws):,};"
            " the samplers 'stratified' and 'random' go on"
        )
    return None


def uncertainty_fault(scale: Any) -> str | None:
    """What is wrong with an uncertainty scale, in words."""
    number = finite(scale)
    if number is None or not 0 <= number <= MOST_UNCERTAINTY:
        return f"expected a number from 0 to {MOST_UNCERTAINTY}, got {shown(scale)}"
    return None


def bad_draws_fault(policy: Any) -> str | None:
    """What is wrong with a policy for bad draws, in words."""
    if policy not in BAD_DRAWS:
        hint = nearest(shown(policy).strip("'"), BAD_DRAWS)
        return f"unknown policy {shown(policy)}{hint}"
    return None


def kept_draws_fault(kept: Any, step: int = CHUNK) -> str | None:
    """What is wrong with a number of draws to keep, in words."""
    is_whole = isinstance(kept, Integral) and not isinstance(kept, bool)
    if not is_whole or int(kept) < step or int(kept) % step:
        return f"expected a multiple of {step:,}, got {shown(kept)}"
    return None


def threads_fault(threads: Any) -> str | None:
    """What is wrong with a number of threads, in words."""
    if threads is None:
        return None
    is_whole = isinstance(threads, Integral) and not isinstance(threads, bool)
    if not is_whole or not 1 <= int(threads) <= 4096:
        return f"expected a whole number of threads from 1 to 4096, got {shown(threads)}"
    return None


def option_faults(draws: Any = None, **given: Any) -> dict[str, str]:
    """What is wrong with options of `simulate`, in words, by name.

    None stands for the scenario's own option, and is never wrong.
    """
    rules: dict[str, Callable[[Any], str | None]] = {
        "seed": seed_fault,
        "sampler": lambda sampler: sampler_fault(sampler, draws),
        "uncertainty": uncertainty_fault,
        "threads": threads_fault,
        "bad_draws": bad_draws_fault,
        "kept_draws": kept_draws_fault,
    }
    messages = {"draws": None if draws is None else draws_fault(draws)}
    messages |= {name: rules[name](value) for name, value in given.items() if value is not None}
    return {name: message for name, message in messages.items() if message}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a scenario is drawn: the options of `simulate`, checked, without None for a default.

    `keep` is None (headline outputs), "all", or the names of variables; `threads` is None for all
    processors.
    """

    draws: int
    seed: int
    sampler: str
    keep: str | Sequence[str] | None
    uncertainty: float
    threads: int | None
    bad_draws: str
    drop_questionable: bool
    kept_draws: int

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        draws: int | None = None,
        seed: int | None = None,
        sampler: str | None = None,
        keep: str | Sequence[str] | None = None,
        uncertainty: float | None = None,
        threads: int | None = None,
        bad_draws: str = "fail",
        drop_questionable: bool = False,
        kept_draws: int = KEPT_DRAWS,
    ) -> RunOptions:
        """Options that were checked before; those that are None are as the scenario says."""
        return cls(
            draws=scenario.run.draws if draws is None else draws,
            seed=scenario.run.seed if seed is None else seed,
            sampler=scenario.run.sampler if sampler is None else sampler,
            keep=keep,
            uncertainty=scenario.settings.uncertainty if uncertainty is None else uncertainty,
            threads=threads,
            bad_draws=bad_draws,
            drop_questionable=bool(drop_questionable),
            kept_draws=kept_draws,
        )

    @property
    def kept_names(self) -> str | list[str]:
        """What `keep` asks for: "headline", "all", or names in order, each once."""
        if self.keep is None or self.keep in ("headline", "all"):
            return "headline" if self.keep is None else str(self.keep)
        return sorted({self.keep} if isinstance(self.keep, str) else set(self.keep))

    @property
    def drop_bad(self) -> bool:
        """Whether draws that are not finite are left out."""
        return self.bad_draws != "keep"


def run_options(
    scenario: Scenario,
    draws: int | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    keep: str | Sequence[str] | None = None,
    uncertainty: float | None = None,
    threads: int | None = None,
    bad_draws: str = "fail",
    drop_questionable: bool = False,
    kept_draws: int = KEPT_DRAWS,
    caller: str = "simulate",
) -> RunOptions:
    """Check options of a run; those that are None are as the scenario says.

    Raises:
        InputError: With all faults, as arguments of the `caller`.
    """
    options = RunOptions.of(
        scenario, draws, seed, sampler, keep, uncertainty, threads, bad_draws, drop_questionable,
        kept_draws,
    )  # fmt: skip
    faults = option_faults(
        draws=options.draws, seed=options.seed, sampler=options.sampler,
        uncertainty=options.uncertainty, threads=threads, bad_draws=bad_draws,
        kept_draws=kept_draws,
    )  # fmt: skip
    if faults:
        raise InputError(
            [Fault(Location(caller), name, message) for name, message in faults.items()]
        )
    return replace(
        options,
        draws=int(options.draws),
        seed=int(options.seed),
        uncertainty=float(options.uncertainty),
        kept_draws=int(kept_draws),
    )
