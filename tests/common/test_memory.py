"""The memory that draws need, and their refusal before they are computed."""

from __future__ import annotations

import pytest

from sim.common import memory
from sim.common.errors import InputError


def test_draws_that_need_all_memory_are_taken_and_one_more_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 2**27 * 8 * 3.0)  # 3 GiB
    memory.check_memory(128, 2**20)
    with pytest.raises(InputError) as caught:
        memory.check_memory(128, 2**21)
    assert str(caught.value) == (
        "simulate: draws: 2,097,152 draws of 128 values need about 6.0 GiB, and there are 3.0 GiB;"
        " ask for fewer draws or outputs"
    )
    with pytest.raises(InputError):
        memory.check_memory(128, 2**20 + 1)
