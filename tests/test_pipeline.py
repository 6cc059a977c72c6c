"""Seconds in, seconds out: the pipeline over small codecs and generators with random weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch

from latentone.audio import Audio
from latentone.codecs import EnCodec, EnCodecConfig, GriffinLimConfig, MelCodec, MelCodecConfig
from latentone.conditioning.text import ByteTextConfig
from latentone.device import arithmetic
from latentone.dsp.mel import MelSpec
from latentone.generators.autoregressive import Autoregressive, AutoregressiveConfig
from latentone.loading import load
from latentone.networks.seanet import SEANetConfig
from latentone.networks.transformer import TransformerConfig
from latentone.pipeline import Pipeline


def small_codec(channels: int = 1, seed: int = 0) -> EnCodec:
    torch.manual_seed(seed)
    seanet = SEANetConfig(channels=channels, latent_dim=8, num_filters=4, ratios=(4, 4, 5))
    codec = EnCodec(
        EnCodecConfig(sample_rate=8000, seanet=seanet, num_codebooks=3, codebook_size=32)
    )
    for buffer in codec.quantizer.buffers():  # fresh codebooks are zeros: all alike
        if buffer.is_floating_point() and buffer.dim() == 2:
            buffer.normal_()
        elif buffer.dtype == torch.bool:
            buffer.fill_(True)
    return codec.eval()


def small_generator(codec: EnCodec, seed: int = 0) -> Autoregressive:
    torch.manual_seed(seed)
    network = TransformerConfig(dim=32, num_layers=2, num_heads=2, ffn_dim=64)
    text = ByteTextConfig(dim=16, num_layers=1, num_heads=2)
    return Autoregressive(
        AutoregressiveConfig(
            latent=codec.latent, network=network, conditioners={"text": text}, window_frames=60
        )
    ).eval()


@pytest.fixture(scope="module")
def music() -> Pipeline:
    codec = small_codec()
    return Pipeline({"acoustic": codec}, [small_generator(codec)], name="small")


def tone(seconds: float, rate: int, channels: int) -> Audio:
    t = torch.arange(round(seconds * rate)) / rate
    x = torch.stack([0.3 * torch.sin(6.28 * 220 * (i + 1) * t) for i in range(channels)])
    return Audio(x, rate)


@pytest.mark.parametrize("duration", [0.0001, 0.01, 0.5, 0.777, 1.0])
def test_generate_is_as_long_as_asked_to_the_sample(music: Pipeline, duration: float) -> None:
    audio = music.generate("a tune", duration=duration, seed=1)
    assert audio.samples.shape == (1, max(1, round(duration * 8000)))
    assert audio.sample_rate == 8000
    assert torch.isfinite(audio.samples).all()


def test_the_seed_decides(music: Pipeline) -> None:
    first = music.generate("a tune", duration=0.4, seed=3).samples
    assert torch.equal(first, music.generate("a tune", duration=0.4, seed=3).samples)
    assert not torch.equal(first, music.generate("a tune", duration=0.4, seed=4).samples)
    unseeded = [music.generate(duration=0.4).samples for _ in range(2)]
    assert not torch.equal(*unseeded)


def test_prompt_guidance_and_options_reach_the_generator(music: Pipeline) -> None:
    def draw(prompt: str | None, **settings: float) -> torch.Tensor:
        return music.generate(prompt, duration=0.4, seed=0, **settings).samples

    assert not torch.equal(draw("a tune"), draw("quite another thing"))
    assert not torch.equal(draw("a tune"), draw("a tune", guidance_scale=9.0))
    greedy = draw("a tune", temperature=0.0)
    assert torch.equal(
        greedy, music.generate("a tune", duration=0.4, seed=9, temperature=0.0).samples
    )
    assert torch.equal(draw(None), draw(None, guidance_scale=3.0))  # nothing to be guided by


def test_what_the_model_does_not_know_is_refused(music: Pipeline) -> None:
    with pytest.raises(ValueError, match=r"unknown option 'heat'.*temperature"):
        music.generate(duration=0.1, heat=2.0)
    with pytest.raises(ValueError, match=r"unknown condition 'bpm'.*text"):
        music.generate(duration=0.1, conditions={"bpm": 90})
    with pytest.raises(ValueError, match="not both"):
        music.generate("one", duration=0.1, conditions={"text": "two"})
    for duration in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="positive number of seconds"):
            music.generate(duration=duration)


def test_a_batch_gives_one_sound_for_each_prompt(music: Pipeline) -> None:
    sounds = music.generate_batch(["one", None, "three"], duration=0.3, seed=0)
    assert [s.samples.shape for s in sounds] == [(1, 2400)] * 3
    assert not torch.equal(sounds[0].samples, sounds[2].samples)


@pytest.mark.parametrize("channels", [1, 2])
def test_reconstruct_takes_any_rate_and_channels(channels: int, tmp_path: Path) -> None:
    alone = Pipeline({"acoustic": small_codec(channels)})
    for rate, given in ((8000, 1), (44100, 2), (16000, 1)):
        audio = tone(0.5001, rate, given)
        heard = alone.reconstruct(audio)
        assert heard.sample_rate == 8000
        assert heard.samples.shape == (channels, audio.resample(8000).samples.shape[1])
        audio.save(tmp_path / "tone.wav")
        torch.testing.assert_close(
            alone.reconstruct(tmp_path / "tone.wav").samples, heard.samples, atol=1e-3, rtol=1e-2
        )


def test_reconstruct_is_the_codec_itself(music: Pipeline) -> None:
    x = tone(0.5, 8000, 1)
    codec = music.codec
    with torch.no_grad():
        for rows in (1, 3):
            codes = codec.quantize(codec.encode(x.samples[None]))[:, :rows]
            expected = codec.decode(codec.dequantize(codes))[0, :, :4000]
            torch.testing.assert_close(music.reconstruct(x, num_codebooks=rows).samples, expected)
    with pytest.raises(ValueError, match="1 to 3, got 4"):
        music.reconstruct(x, num_codebooks=4)


def test_normalised_segments_get_their_level_back() -> None:
    codec = small_codec()
    segmented = EnCodec(replace(codec.config, segment_seconds=0.5, normalize=True))
    segmented.load_state_dict(codec.state_dict())
    alone = Pipeline({"acoustic": segmented})
    x = tone(1.2, 8000, 1)
    loud = alone.reconstruct(x).samples
    quiet = alone.reconstruct(Audio(x.samples / 8, 8000)).samples
    torch.testing.assert_close(quiet * 8, loud, rtol=1e-3, atol=1e-5)


def test_bad_sound_is_refused(music: Pipeline) -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        music.reconstruct(Audio(torch.zeros(1, 0), 8000))
    with pytest.raises(ValueError, match="NaN"):
        music.reconstruct(Audio(torch.full((1, 100), float("nan")), 8000))


def test_hours_are_refused_before_they_are_read(music: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, torch.zeros(1300 * 100).numpy(), 100, subtype="PCM_U8")
    mel = MelSpec(sample_rate=8000, n_fft=256, hop_length=64, n_mels=16, f_max=None)
    whole = Pipeline({"acoustic": MelCodec(MelCodecConfig(mel=mel, decoder=GriffinLimConfig()))})
    for verb in (whole.reconstruct, whole.transfer):
        with pytest.raises(ValueError, match=r"22 minutes long.*Griffin-Lim.*at most 20 minutes"):
            verb(path)
    with pytest.raises(ValueError, match=r"22 minutes long.*at most 20 minutes"):
        music.continuation(path, duration=1)


def test_bf16_changes_arithmetic_and_nothing_else(music: Pipeline) -> None:
    x = tone(0.5, 8000, 1)
    with arithmetic(music.device, "bf16"):
        rough = music.reconstruct(x, num_codebooks=1).samples
    exact = music.reconstruct(x, num_codebooks=1).samples
    assert rough.dtype == torch.float32 and rough.shape == exact.shape
    assert not torch.equal(rough, exact)
    with arithmetic(music.device, "bf16"):
        assert music.generate("a tune", duration=0.3, seed=0).duration == 0.3


def test_continuation_begins_with_the_sound_itself(music: Pipeline) -> None:
    start = tone(0.613, 22050, 1)  # not a whole number of frames
    whole = music.continuation(start, duration=0.5, seed=2)
    at_rate = start.resample(8000)
    assert whole.samples.shape[1] == at_rate.samples.shape[1] + 4000
    frames = at_rate.samples.shape[1] // 80
    assert frames * 80 < at_rate.samples.shape[1]
    # The causal codec decodes the kept frames as it does alone: they were returned unchanged.
    heard = music.reconstruct(at_rate).samples[:, : (frames - 1) * 80]
    torch.testing.assert_close(whole.samples[:, : heard.shape[1]], heard)
    other = music.continuation(start, duration=0.5, seed=3).samples
    assert not torch.equal(other[:, -4000:], whole.samples[:, -4000:])


def test_continuation_needs_a_whole_frame(music: Pipeline) -> None:
    with pytest.raises(ValueError, match="less than one frame"):
        music.continuation(Audio(torch.zeros(1, 79), 8000), duration=0.1)


def test_saved_and_loaded_it_sounds_the_same(music: Pipeline, tmp_path: Path) -> None:
    music.save_pretrained(tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert again.name == "small"
    expected = music.generate("a tune", duration=0.3, seed=0).samples
    assert torch.equal(again.generate("a tune", duration=0.3, seed=0).samples, expected)
    (tmp_path / "saved" / "pipeline.json").unlink()  # a run folder has none
    assert torch.equal(
        load(tmp_path / "saved").generate("a tune", duration=0.3, seed=0).samples, expected
    )


def test_a_codec_alone_reconstructs_only(music: Pipeline, tmp_path: Path) -> None:
    music.codec.save_pretrained(tmp_path / "codec")
    alone = load(tmp_path / "codec")
    assert alone.stages == ()
    assert alone.reconstruct(tone(0.1, 8000, 1)).duration == 0.1
    with pytest.raises(ValueError, match="codec without a generator"):
        alone.generate(duration=1)


def test_a_generator_of_another_codec_is_refused(music: Pipeline, tmp_path: Path) -> None:
    other = small_codec(seed=1)
    with pytest.raises(ValueError, match="latents mean nothing to another codec") as caught:
        Pipeline({"acoustic": other}, [music.generator], name="mixed")
    for spec in (other.latent, music.generator.latent):
        assert spec.fingerprint[:8] in str(caught.value)
    music.save_pretrained(tmp_path / "run")
    other.save_pretrained(tmp_path / "run" / "codec")
    with pytest.raises(ValueError, match="latents mean nothing"):
        load(tmp_path / "run")


def test_what_is_no_model_is_named(music: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no model"):
        load(tmp_path)
    soundfile.write(tmp_path / "x.wav", torch.zeros(8).numpy(), 8000)
    with pytest.raises(ValueError, match="is a file"):
        load(tmp_path / "x.wav")
    music.generator.save_pretrained(tmp_path / "generator")
    with pytest.raises(ValueError, match="without its codec"):
        load(tmp_path / "generator")
    (tmp_path / "codec" / "training").mkdir(parents=True)
    (tmp_path / "generator" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="not trained to the end"):
        load(tmp_path)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ValueError, match="'llama' in a foreign layout"):
        load(foreign)


def test_a_part_outside_the_folder_is_refused(music: Pipeline, tmp_path: Path) -> None:
    music.save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / "pipeline.json"
    path.write_text(path.read_text().replace('"generator"', '"../generator"'))
    with pytest.raises(ValueError, match="no folder inside"):
        load(tmp_path / "saved")


def test_progress_is_reported_to_the_end(music: Pipeline) -> None:
    seen: list[tuple[int, int]] = []
    music.generate(duration=0.3, seed=0, on_step=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 0
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
