"""MelGAN generators of the first release sound in ours as in their own sequence of layers."""

import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from latentone.codecs.base import Codec
from latentone.codecs.mel import MelCodec
from latentone.codecs.mel_config import melgan_mel
from latentone.dsp.mel import MelSpec


class Unit(nn.Module):
    def __init__(self, dim, dilation):
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.ReflectionPad1d(dilation),
            weight_norm(nn.Conv1d(dim, dim, 3, dilation=dilation)),
            nn.LeakyReLU(0.2),
            weight_norm(nn.Conv1d(dim, dim, 1)),
        )
        self.shortcut = weight_norm(nn.Conv1d(dim, dim, 1))

    def forward(self, x):
        return self.shortcut(x) + self.block(x)


class Reference(nn.Module):
    """The published structure: paddings are layers, so that they count in the names."""

    def __init__(self, bands, filters, ratios, units):
        super().__init__()
        width = filters * 2 ** len(ratios)
        layers = [nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(bands, width, 7))]
        for r in ratios:
            up = nn.ConvTranspose1d(
                width, width // 2, 2 * r, stride=r, padding=r // 2 + r % 2, output_padding=r % 2
            )
            layers += [nn.LeakyReLU(0.2), weight_norm(up)]
            width //= 2
            layers += [Unit(width, 3**i) for i in range(units)]
        layers += [nn.LeakyReLU(0.2), nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(width, 1, 7))]
        self.model = nn.Sequential(*layers, nn.Tanh())

    def forward(self, x):
        return self.model(x)


def spec(hop, bands=12):
    return MelSpec(
        sample_rate=8_000, n_fft=4 * hop, hop_length=hop, n_mels=bands, log="log10", padding="same"
    )


def reference(bands, filters, ratios, units):
    torch.manual_seed(0)
    peer = Reference(bands, filters, ratios, units).eval()
    with torch.no_grad():
        for name, p in peer.named_parameters():
            if name.endswith("bias"):
                p.copy_(0.1 * torch.randn_like(p))
            elif name.endswith("original0"):  # louder, and each channel by something else
                p.mul_(1.3 + 0.5 * torch.rand_like(p))
    return peer


def published(peer):
    """The state dict under the names of the older weight norm, as the release has them."""
    names = {"parametrizations.weight.original0": "weight_g"}
    names["parametrizations.weight.original1"] = "weight_v"
    state = {}
    for name, tensor in peer.state_dict().items():
        for new, old in names.items():
            name = name.replace(new, old)
        state[name] = tensor
    return state


def check(codec, peer, bands):
    x = torch.randn(2, bands, 31, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = codec.decode(x), peer(x)
    spread = theirs.std().item()
    assert spread > 1e-3 and theirs.abs().median() < 0.999
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= min(1e-5, 1e-3 * spread)


@pytest.mark.parametrize(("ratios", "units"), [((8, 4, 2), 3), ((5, 4, 2), 1), ((3, 3), 2)])
def test_sound_equals_that_of_the_published_structure(ratios, units, tmp_path):
    peer = reference(12, 4, ratios, units)
    torch.save(published(peer), tmp_path / "best_netG.pt")
    hop = int(torch.tensor(ratios).prod())
    codec = MelCodec.from_melgan(tmp_path / "best_netG.pt", spec(hop))
    decoder = codec.config.decoder
    assert (decoder.ratios, decoder.num_filters, decoder.num_residual_layers) == (ratios, 4, units)
    assert not codec.training
    check(codec, peer, 12)


def test_a_folder_of_a_training_is_read_like_any_codec(tmp_path):
    peer = reference(80, 2, (8, 8, 2, 2), 3)
    torch.save(published(peer), tmp_path / "best_netG.pt")
    (tmp_path / "args.yml").write_text("!!python/object:argparse.Namespace {}")
    codec = Codec.from_pretrained(tmp_path)
    assert isinstance(codec, MelCodec) and codec.config.mel == melgan_mel()
    check(codec, peer, 80)
    codec.save_pretrained(tmp_path / "ours")
    check(Codec.from_pretrained(tmp_path / "ours"), peer, 80)


def test_normalisation_may_have_been_folded_away(tmp_path):
    peer = reference(12, 4, (4, 2), 2)
    state = {}
    for name, module in peer.named_modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            state |= {
                f"{name}.weight": module.weight.detach(),
                f"{name}.bias": module.bias.detach(),
            }
    torch.save(state, tmp_path / "g.pt")
    check(MelCodec.from_melgan(tmp_path / "g.pt", spec(8)), peer, 12)


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle ran')",))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Payload(), protocol=2))
    with pytest.raises(ValueError, match="holds more than tensors"):
        MelCodec.from_melgan(tmp_path / "evil.pt")
    state = published(reference(12, 4, (4, 2), 2))
    torch.save(state | {"other.1.bias": torch.zeros(2)}, tmp_path / "more.pt")
    with pytest.raises(ValueError, match=r"`other.1.bias` is no weight of a MelGAN"):
        MelCodec.from_melgan(tmp_path / "more.pt", spec(8))
    torch.save({"model.1.bias": torch.zeros(2)}, tmp_path / "less.pt")
    with pytest.raises(ValueError, match="holds no MelGAN generator"):
        MelCodec.from_melgan(tmp_path / "less.pt", spec(8))
    torch.save(state, tmp_path / "g.pt")
    with pytest.raises(ValueError, match=r"12 bands every 8 samples.*80 every 256: give `mel`"):
        MelCodec.from_melgan(tmp_path / "g.pt")
    del state["model.4.block.2.bias"]
    torch.save(state, tmp_path / "hole.pt")
    with pytest.raises(ValueError, match="do not fit its config"):
        MelCodec.from_melgan(tmp_path / "hole.pt", spec(8))
