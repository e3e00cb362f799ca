"""The laws that a parameter file may give to a quantity, each a family with named parameters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Law(BaseModel):
    """What a file says about a quantity. `point` is its value without uncertainty."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @property
    def point(self) -> float:
        """The median (for a fixed quantity its value)."""
        raise NotImplementedError

    def stated(self) -> dict[str, float]:
        """The numbers that must lie in the quantity's domain, by key."""
        raise NotImplementedError


class Fixed(Law):
    """A quantity that is not uncertain."""

    value: float

    @property
    def point(self) -> float:
        return self.value

    def stated(self) -> dict[str, float]:
        return {"value": self.value}


class Normal(Law):
    """x = mean + sd z."""

    family: Literal["normal"]
    mean: float
    sd: NonNegative

    @property
    def point(self) -> float:
        return self.mean

    def stated(self) -> dict[str, float]:
        return {"mean": self.mean}


class Lognormal(Law):
    """x = median exp(sigma z); `sigma` is the standard deviation of log x."""

    family: Literal["lognormal"]
    median: Positive
    sigma: NonNegative

    @property
    def point(self) -> float:
        return self.median

    def stated(self) -> dict[str, float]:
        return {"median": self.median}


class LogitNormal(Law):
    """x = min + (max - min) expit(logit((median - min)/(max - min)) + sigma z)."""

    family: Literal["logit_normal"]
    median: float
    sigma: NonNegative
    min: float
    max: float

    @model_validator(mode="after")
    def _ordered(self) -> LogitNormal:
        if not self.min < self.median < self.max:
            raise ValueError(
                f"expected min < median < max, got {self.min:g}, {self.median:g}, {self.max:g}"
            )
        return self

    @property
    def point(self) -> float:
        return self.median

    def stated(self) -> dict[str, float]:
        return {"min": self.min, "median": self.median, "max": self.max}


class SharedSpread(Law):
    """A lognormal of which the file gives the median, and a scalar of the model the sigma."""

    median: Positive

    @property
    def point(self) -> float:
        return self.median

    def stated(self) -> dict[str, float]:
        return {"median": self.median}


FAMILIES: dict[str, type[Law]] = {
    "normal": Normal,
    "lognormal": Lognormal,
    "logit_normal": LogitNormal,
}

LAWS: tuple[type[Law], ...] = (Fixed, SharedSpread, *FAMILIES.values())

# Keys that describe a law; all others describe where it comes from.
LAW_KEYS = frozenset({"family"}).union(*(law.model_fields for law in LAWS))


def law_of(entry: dict[str, Any], shared_spread: bool) -> type[Law] | None:
    """The class of law that an entry gives: by `family`, a fixed `value`, or a shared spread.

    None where the family is missing or unknown.
    """
    if "family" in entry:
        return FAMILIES.get(entry["family"]) if isinstance(entry["family"], str) else None
    if "value" in entry:
        return Fixed
    return SharedSpread if shared_spread else None
