"""Dims of the model, their labels, common factors and modes."""

from __future__ import annotations

FACTORS = ("demand", "technology", "power", "capital", "tier")
# On what an input of a lab loads: the common factors, and one of the lab's own.
OWN_FACTOR = "own"
LOADINGS = (*FACTORS, OWN_FACTOR)
REGIMES = ("frontier_training", "fine_tune", "online_inference")
QUARTERS = tuple(f"{year}Q{quarter}" for year in (2026, 2027) for quarter in (1, 2, 3, 4))
REFERENCE_QUARTER = "2026Q4"
YEARS = tuple(dict.fromkeys(quarter[:4] for quarter in QUARTERS))
LAYERS = (
    "electricity_it",
    "electricity_overhead",
    "facility_depreciation",
    "accelerator_depreciation",
    "hbm_depreciation",
    "server_depreciation",
    "network_depreciation",
    "maintenance",
    "site_operations",
    "cost_of_capital",
    "landlord_margin",
    "revenue_share",
    "serving_overhead",
)
COMPUTE_LAYERS = LAYERS.index(
    "revenue_share"
)  # of an accelerator-hour: those before the layers of revenue


# Dims of a fixed length; those of labs and landlords depend on the files.
COORDS: dict[str, tuple[str, ...]] = {
    "quarter": QUARTERS,
    "regime": REGIMES,
    "layer": LAYERS,
}
VIEWS = ("economic", "accounting")
RENTAL_MODES = ("cost_plus", "market")
