"""Every codec takes any sound, and refuses by name what is none."""

import pytest
import soundfile
import torch

from latentone.audio import Audio
from latentone.bitstream import compress, decompress
from latentone.codecs.base import Codec
from latentone.hub import build_model
from latentone.loading import import_models
from latentone.pipeline import Pipeline
from latentone.systems import (
    autoencoder,
    dac,
    encodec,
    gansynth_spectrum,
    hifigan,
    mel,
    melgan,
    oobleck,
    rave,
    soundstream,
    vae,
    vqvae,
)

SYSTEMS = {
    module.__name__.rsplit(".", 1)[1]: module
    for module in (
        autoencoder,
        dac,
        encodec,
        gansynth_spectrum,
        hifigan,
        mel,
        melgan,
        oobleck,
        rave,
        soundstream,
        vae,
        vqvae,
    )
}
PIPELINES: dict[str, Pipeline] = {}


@pytest.fixture(params=SYSTEMS)
def pipeline(request):
    """A codec of the debug size with fresh weights, and quantisers whose codes lie apart."""
    if request.param not in PIPELINES:
        import_models()
        torch.manual_seed(0)
        codec = build_model(SYSTEMS[request.param].RECIPES["debug"]().codec.task.model, Codec)
        for name, buffer in codec.named_buffers():
            if name.endswith("embed"):
                buffer.normal_()
            elif name.endswith("inited"):
                buffer.fill_(True)
        PIPELINES[request.param] = Pipeline({"acoustic": codec.eval()})
    return PIPELINES[request.param]


def noise(seconds, rate, channels):
    samples = torch.randn(
        channels, round(seconds * rate), generator=torch.Generator().manual_seed(0)
    )
    return Audio(0.1 * samples, rate)


SOUNDS = {
    "mono": noise(0.3, 8_000, 1),
    "stereo": noise(0.3, 44_100, 2),
    "fast": noise(0.2, 96_000, 1),
    "slow": noise(0.5, 4_000, 1),
    "one_sample": Audio(torch.tensor([[0.5]]), 8_000),
    "hundred_samples": noise(100 / 8_000, 8_000, 1),
    "silence": Audio(torch.zeros(1, 3_000), 8_000),
    "loud": Audio(100 * noise(0.3, 8_000, 1).samples, 8_000),
}


def expected(audio, pipeline):
    return (pipeline.channels, audio.resample(pipeline.sample_rate).samples.shape[1])


@pytest.mark.parametrize("name", SOUNDS)
def test_any_sound_comes_back_as_long_as_it_was(pipeline, name):
    audio = SOUNDS[name]
    for made in (
        pipeline.reconstruct(audio),
        pipeline.transfer(audio, seed=0),
        pipeline.transfer(audio, SOUNDS["mono"], mix=0.5, seed=0),
    ):
        assert made.sample_rate == pipeline.sample_rate
        assert made.samples.shape == expected(audio, pipeline)
        assert bool(made.samples.isfinite().all())


@pytest.mark.parametrize("name", SOUNDS)
def test_any_sound_is_encoded_to_finite_frames(pipeline, name):
    x = pipeline._take(SOUNDS[name])
    streams = pipeline.codec.streams(x)
    for rows in streams.values():
        assert rows.shape[-1] >= 1 and bool(rows.isfinite().all())
    assert streams["acoustic"].shape[-1] == pipeline.codec.num_frames(x.shape[-1])


@pytest.mark.parametrize("name", SOUNDS)
def test_any_sound_is_compressed_if_there_are_codes(pipeline, name):
    x = pipeline._take(SOUNDS[name])
    if not pipeline.codec.vocab:
        with pytest.raises((TypeError, ValueError), match=r"continuous|no codes"):
            compress(pipeline.codec, x[0])
        return
    y = decompress(pipeline.codec, compress(pipeline.codec, x[0]))
    assert y.shape == x[0].shape and bool(y.isfinite().all())


def test_files_without_sound_are_refused(pipeline, tmp_path):
    odd = {}
    for name, value in (("nan", float("nan")), ("inf", float("inf"))):
        samples = torch.zeros(3_000)
        samples[1_500] = value
        odd[name] = tmp_path / f"{name}.wav"
        soundfile.write(odd[name], samples.numpy(), 8_000, subtype="FLOAT")
    odd["empty"] = tmp_path / "empty.wav"
    soundfile.write(odd["empty"], torch.zeros(0).numpy(), 8_000)
    for verb in (pipeline.reconstruct, pipeline.transfer):
        for name in ("nan", "inf"):
            with pytest.raises(ValueError, match="NaN or infin"):
                verb(odd[name])
            with pytest.raises(ValueError, match="NaN or infin"):
                verb(Audio(torch.tensor([[0.0, float(name), 0.0]]), 8_000))
        with pytest.raises(ValueError, match=r"empty|no samples|at least one sample"):
            verb(odd["empty"])
