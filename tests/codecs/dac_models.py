"""Narrow and short DACs with noise in all parameters, for the tests of DAC."""

from dataclasses import replace

import torch

from latentone.codecs import DAC, DACConfig
from latentone.networks.dac import DACNetworkConfig

STRIDES = {"even": (2, 4, 8), "odd": (2, 5, 3), "stride 1": (1, 4, 5)}


def small(strides=(2, 4, 8), **changes) -> DACConfig:
    """The same topology, narrow and short."""
    multiples = tuple(2 ** (i + 1) for i in range(len(strides)))
    network = DACNetworkConfig(
        latent_dim=16, encoder_width=6, decoder_width=4, strides=strides, multiples=multiples
    )
    return DACConfig(
        sample_rate=8_000,
        network=replace(network, **changes),
        num_codebooks=4,
        codebook_size=32,
        code_dim=4,
    )


def enliven(module: torch.nn.Module) -> None:
    """Noise in every parameter: signals keep their level, and no default hides a mistake."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            if name.endswith(("alpha", "beta")):
                start = 1.0 if float(p.flatten()[0]) == 1 else 0.0
                p.copy_(start + 0.5 * (torch.rand(p.shape) - 0.5))
            elif name.endswith("bias"):
                p.copy_(0.1 * torch.randn(p.shape))
            elif name.endswith(("weight_g", "original0", ".g")):
                p.mul_(1.3 + 0.2 * torch.randn(p.shape))


def place_codes(codec: DAC, x: torch.Tensor) -> None:
    """Codes scattered over what each codebook will be asked for, of uneven lengths."""
    with torch.no_grad():
        residual = codec.encode(x)
        for book in codec.quantizer.codebooks:
            rows = book.in_proj(residual).transpose(1, 2).flatten(0, 1)
            picks = rows[torch.randint(len(rows), (len(book.entries),))]
            noise = 0.3 * rows.std(0) * torch.randn_like(picks)
            book.entries.copy_((picks + noise) * (0.5 + torch.rand(len(picks), 1)))
            residual = residual - book.out_proj(book.look_up(book.search(book.in_proj(residual))))


def make(config: DACConfig, seed: int = 0) -> DAC:
    torch.manual_seed(seed)
    codec = DAC(config).eval()
    enliven(codec)
    place_codes(codec, noise(codec, 2, 300))
    return codec


def noise(codec, batch, frames):
    rng = torch.Generator().manual_seed(1)
    samples = frames * codec.config.network.hop_length
    return 0.5 * torch.randn(batch, codec.source.channels, samples, generator=rng)
