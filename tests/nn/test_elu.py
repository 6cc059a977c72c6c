"""ELU against its definition in double precision, and the library's where gradients are wanted."""

import pytest
import torch
from torch.nn import functional as F

from latentone.nn.elu import ELU


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-15), (torch.float32, 1.3e-7), (torch.bfloat16, 8e-3)],
)
def test_its_definition_where_it_infers(dtype, tolerance, inplace):
    x = torch.cat([torch.linspace(-30, 30, 4001), torch.linspace(-1e-3, 1e-3, 101)]).to(dtype)
    x[0], given = -200.0, x[:, None]
    expected = torch.where(x > 0, x.double(), torch.expm1(x.double()))
    with torch.no_grad():
        y = ELU(inplace=inplace)(given.clone() if not inplace else given)
    assert (
        y.dtype == dtype
        and (y[:, 0].double() - expected).abs().div(expected.abs().clamp_min(1)).max() <= tolerance
    )
    assert (y is given) == inplace


def test_layouts_nan_and_gradients():
    x = torch.randn(2, 3, 40)
    x[0, 1, 2] = float("nan")
    last = x.transpose(1, 2).contiguous().transpose(1, 2)
    with torch.no_grad():
        # Another order in memory leaves other elements to the scalar code, which rounds otherwise.
        one, two = (ELU()(given).nan_to_num() for given in (last, x))
        assert (one - two).abs().max() <= 1.3e-7
        assert ELU()(x)[0, 1, 2].isnan()
    x = torch.randn(5, requires_grad=True)
    ELU()(x).sum().backward()
    y = x.detach().clone().requires_grad_()
    F.elu(y).sum().backward()
    assert torch.equal(x.grad, y.grad)
