"""Windows in which a CPU infers change nothing, at the edges and between them."""

import pytest
import torch

from latentone.networks import dac
from latentone.nn import windows


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("final_bias", [False, True])
def test_windows_on_a_cpu_change_nothing(causal, final_bias, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW", 2**8)
    torch.manual_seed(0)
    config = dac.DACNetworkConfig(
        latent_dim=4,
        encoder_width=3,
        decoder_width=3,
        strides=(2, 3, 5),
        multiples=(2, 3, 4),
        causal=causal,
        final_bias=final_bias,
    )
    encoder, decoder = dac.DACEncoder(config).eval(), dac.DACDecoder(config).eval()
    calls = []
    encoder.layers.register_forward_hook(lambda *_: calls.append(1))
    decoder.layers.register_forward_hook(lambda *_: calls.append(1))
    for batch, samples in ((1, 30 * 700 + 7), (2, 30 * 500)):
        x = torch.randn(batch, 1, samples)
        with torch.no_grad():
            z = encoder(x)
            y = decoder(z)
        assert len(calls) > 6  # it did go by windows
        calls.clear()
        padded = torch.nn.functional.pad(x, (0, -samples % 30))
        torch.testing.assert_close(z, encoder.layers(padded), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(y, decoder.layers(z), atol=1e-6, rtol=1e-5)
        calls.clear()
