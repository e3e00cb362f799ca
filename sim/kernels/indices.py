"""Indices into the dims of the model, and their lengths."""

from __future__ import annotations

from sim.model import dims

_layer, _quarter, _regime = dims.LAYERS.index, dims.QUARTERS.index, dims.REGIMES.index

LAYERS, QUARTERS, REGIMES = len(dims.LAYERS), len(dims.QUARTERS), len(dims.REGIMES)
REFERENCE = _quarter(dims.REFERENCE_QUARTER)
YEARS_PER_QUARTER = 0.25
TRAINING = _regime("frontier_training")
FINE_TUNE = _regime("fine_tune")
INFERENCE = _regime("online_inference")
ELECTRICITY_IT = _layer("electricity_it")
ELECTRICITY_OVERHEAD = _layer("electricity_overhead")
FACILITY_DEPRECIATION = _layer("facility_depreciation")
ACCELERATOR_DEPRECIATION = _layer("accelerator_depreciation")
HBM_DEPRECIATION = _layer("hbm_depreciation")
SERVER_DEPRECIATION = _layer("server_depreciation")
NETWORK_DEPRECIATION = _layer("network_depreciation")
MAINTENANCE = _layer("maintenance")
SITE_OPERATIONS = _layer("site_operations")
COST_OF_CAPITAL = _layer("cost_of_capital")
LANDLORD_MARGIN = _layer("landlord_margin")
REVENUE_SHARE = _layer("revenue_share")
SERVING_OVERHEAD = _layer("serving_overhead")
