"""The figure of exposure."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import sim
from sim.parameters.scenario import Scenario
from sim.plots import draw


def test_exposure_shows_hosted_gigawatts_and_obligations(ds: xr.Dataset, base: Scenario) -> None:
    some = sim.simulate(base, draws=1_024, keep=["facility_gw", "hosted_gw"])
    hosted, owed = draw("exposure", some).axes
    mean = some.hosted_gw.sel(quarter="2026Q4").mean("draw").values
    shown = np.ma.filled(hosted.collections[0].get_array(), 0.0)
    np.testing.assert_allclose(shown, mean / mean.max(), atol=1e-12)
    rpo = (some.rpo_lab_share * some.rpo_busd).transpose("lab", "landlord").values
    shown = np.ma.filled(owed.collections[0].get_array(), 0.0)
    np.testing.assert_allclose(shown, rpo / rpo.max(), atol=1e-12)
    for axes, values, rows in ((hosted, mean, 1), (owed, rpo, 2)):
        written = {text.get_position(): text.get_text() for text in axes.texts}
        inner = [(k, i) for i, k in np.argwhere(values)]
        assert sorted(at for at in written if at[0] < 9 and at[1] < 8) == sorted(inner)
        for k, i in inner:
            assert float(written[k, i].split("\n")[0]) == pytest.approx(values[i, k], rel=0.06)
        frames = [p.get_xy() for p in axes.patches]
        assert len(frames) == (some.captive.values[values > 0]).sum()
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == [*some.lab_name.values, "All labs", "All customers"][: 8 + rows]
        assert [label.get_text() for label in axes.get_xticklabels()] == [
            *some.landlord_name.values,
            "Sum",
        ]
    total = hosted.texts[-1].get_text()
    assert total.split("\n")[0] == f"{mean.sum():.2f}"
    without = ds.drop_vars("facility_gw_replicate_mean")
    assert len(draw("exposure", without).axes) == 1
