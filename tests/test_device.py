"""Names of devices: what is there is given, what is not is said."""

from __future__ import annotations

import pytest
import torch

from latentone.device import arithmetic, choose_device


def test_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("name", ["tpu", "", "cuda:x", "meta", "CPU"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown device"):
        choose_device(name)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"CUDA devices; use --device cpu"):
        choose_device("cuda:99")
    if not torch.backends.mps.is_available():
        with pytest.raises(ValueError, match="no MPS device"):
            choose_device("mps")


def test_arithmetic_decides_the_type_of_products() -> None:
    x, cpu = torch.ones(2, 2), torch.device("cpu")
    with arithmetic(cpu, "bf16"):
        assert (x @ x).dtype == torch.bfloat16
    with arithmetic(cpu, "fp32"):
        assert (x @ x).dtype == torch.float32
