"""`latentone evaluate`: numbers with all that they need, a page that needs nothing else."""

import json
import re
from importlib.util import find_spec

import pytest
import soundfile
import torch

from latentone.audio import Audio
from latentone.cli import main
from latentone.codecs.waveform import IdentityWaveform, IdentityWaveformConfig
from latentone.commands.evaluate import Args, run

RATE = 24_000


@pytest.fixture
def folders(tmp_path):
    torch.manual_seed(0)
    for name, level in (("real", 0.1), ("same", 0.1), ("loud", 0.3)):
        for i in range(6):
            sound = Audio(level * torch.randn(1, 2 * RATE), RATE)
            (tmp_path / name).mkdir(exist_ok=True)
            sound.save(tmp_path / name / f"song{i}.wav")
    return tmp_path


def evaluate(folders, name, **settings):
    args = Args(
        reference=folders / "real",
        generated=folders / name,
        out=folders / f"judged {name}",
        cache=folders / "cache",
        **{"resamples": 5, "measured": 3, "sounds": 2, "structure": False, **settings},
    )
    assert run(args) == 0
    out = folders / f"judged {name}"
    return json.loads((out / "metrics.json").read_text()), (out / "index.html").read_text()


def only(found):
    (column,) = found["embeddings"].values()
    return column


def test_numbers_come_with_settings_and_a_table(folders, capsys):
    (folders / "same" / "broken.wav").write_text("words")
    (same, _), (loud, _) = evaluate(folders, "same"), evaluate(folders, "loud")
    kernel = [only(f)["scores"]["kernel"]["value"] for f in (same, loud)]
    assert kernel[1] > kernel[0] + 1
    (column,) = same["embeddings"]
    assert column == f"logmel@{only(same)['fingerprint'][:16]}"
    assert only(same)["dimensions"] == 128 and only(same)["reference_windows"] == 18
    assert list(same["generated"]["failures"]) == ["broken.wav"]
    assert same["reference"]["files"] == 6
    assert only(same)["scores"]["frechet"]["interval"]["groups"] == [6, 6]
    assert only(same)["scores"]["frechet"]["items"] == [18, 18]
    assert len(only(loud)["outliers"]) == 6
    assert only(same)["reference_halves"]["kernel"] < kernel[1]
    assert same["settings"]["resamples"] == 5 and same["software"].startswith("latentone")
    said = capsys.readouterr().out
    assert "coverage" in said and "metrics.json" in said and "1 files of the generated" in said


def test_the_page_needs_nothing_else_and_says_what_the_numbers_say(folders):
    found, page = evaluate(folders, "loud")
    for _, attribute in re.findall(r'\s(src|href)="([^"]{0,40})', page):
        assert attribute.startswith(("data:", "#")), attribute
    assert "url(" not in page and "@import" not in page and "<link" not in page
    players, pictures = page.count("<audio"), page.count("<img")
    assert players == pictures == 2 + 2 + 2 + 2  # far and near are two each of six sounds
    for anchor in re.findall(r'<a href="#([^"]+)"', page):
        assert page.count(f'id="{anchor}"') == 1, anchor
    assert page.count('class="dot') == 12
    scores = only(found)["scores"]
    assert f"{scores['kernel']['value']:.3g}" in page
    assert "of the variance" in page and only(found)["fingerprint"][:16] in page
    for heading in ("In short", "Listen", "Outliers to listen to", "Side by side", "Settings"):
        assert f">{heading}</h2>" in page
    assert len(page) < 3e6


def test_two_embeddings_never_share_a_column(folders, tmp_path):
    codec = IdentityWaveform(IdentityWaveformConfig(sample_rate=8000))
    codec.save_pretrained(tmp_path / "codec")
    found, page = evaluate(folders, "loud", embedding=("logmel", str(tmp_path / "codec")))
    assert len(found["embeddings"]) == 2
    names = {e["name"] for e in found["embeddings"].values()}
    assert "logmel" in names and len(names) == 2
    assert page.count("By the embedding") == 3  # two sections, and the headline


def test_requests_beside_sounds_are_held_against_them(folders):
    t = torch.arange(4 * RATE) / RATE
    clicks = torch.zeros(4 * RATE)
    for beat in range(8):
        clicks[beat * RATE // 2 :][:400] += torch.hann_window(400) * torch.sin(
            2 * torch.pi * 1000 * t[:400]
        )
    for i in range(6):
        Audio(0.5 * clicks[None], RATE).save(folders / "same" / f"song{i}.wav")
        asked = {"bpm": 120, "beats": [b / 2 for b in range(8)]} if i else {"bpm": 71.0}
        (folders / "same" / f"song{i}.json").write_text(json.dumps(asked))
    (folders / "same" / "song5.json").write_text("[1]")
    found, page = evaluate(folders, "same", measured=6)
    tempo = found["adherence"]["generated"]["tempo_accuracy"]
    assert tempo["items"] == [0, 5] and tempo["value"] == pytest.approx(4 / 5)
    assert tempo["interval"]["groups"] == [0, 5]
    assert found["adherence"]["generated"]["beat_f1"]["value"] > 0.9
    assert "Does it do what was asked?" in page
    assert any("song5.json" in w for w in found["warnings"])


def test_loops_and_notes_are_measured_on_demand(folders):
    """A loop that closes on a whole number of periods, and one that is cut in the middle."""
    t = torch.arange(2 * RATE) / RATE
    for i in range(6):
        x = 0.3 * torch.sin(2 * torch.pi * 220 * t)
        Audio(x[None, : len(x) - 27 * (i > 2)], RATE).save(folders / "same" / f"song{i}.wav")
        facts = {"pitch": 57, "bpm": 120.0, "instrument": "sine"}
        (folders / "same" / f"song{i}.json").write_text(json.dumps(facts))
    found, page = evaluate(folders, "same", loops=True, notes=True, measured=6)
    loops, notes = found["loops"]["generated"], found["notes"]["generated"]
    assert loops["length_error"]["value"] == pytest.approx(-27 / 2, abs=0.01)
    assert notes["pitch_accuracy"]["value"] == 1 and abs(notes["pitch_error"]["value"]) < 5
    assert found["wholes"]["timbre within"]["value"] < 1
    # Noise has no pitch, so there is nothing to hear variety in.
    assert notes["pitch"]["value"] == pytest.approx(57, abs=0.1)
    assert notes["pitch_entropy"]["value"] == notes["asked_pitch_entropy"]["value"] == 0
    assert notes["pitch_entropy"]["items"] == [0, 6]
    assert "pitch_entropy" not in found["notes"]["reference"]
    assert "pitch entropy" in page
    for heading in ("As loops", "As single notes", "Of the generated set as a whole"):
        assert heading in page


def test_pairs_are_measured_and_what_has_no_partner_is_said(folders):
    for i in range(6):
        x, _ = soundfile.read(folders / "real" / f"song{i}.wav", dtype="float32")
        Audio(0.5 * torch.from_numpy(x)[None], RATE).save(folders / "same" / f"song{i}.flac")
        (folders / "same" / f"song{i}.wav").unlink()
    (folders / "same" / "song5.flac").rename(folders / "same" / "alone.flac")
    x, _ = soundfile.read(folders / "same" / "song4.flac", dtype="float32")
    short = Audio(torch.from_numpy(x)[None, :RATE], RATE).resample(16_000)
    short.save(folders / "same" / "song4.flac")
    found, page = evaluate(folders, "same", paired=True)
    scores = found["pairs"]["scores"]
    assert sorted(found["pairs"]["each"]) == [f"song{i}" for i in range(5)]
    assert scores["rms_difference"]["items"] == [0, 5]
    halved = [found["pairs"]["each"][f"song{i}"] for i in range(4)]
    for each in halved:
        assert each["rms_difference"] == pytest.approx(-6.02, abs=0.01)
        assert each["si_sdr"] > 60
        assert each["covered"] == 1 and each["chroma_cosine"] == pytest.approx(1, abs=1e-3)
        assert "f0_error" not in each  # noise is no voice
    assert found["pairs"]["each"]["song4"]["covered"] == 1 / 2
    assert scores["rhythm_f1"]["items"] == [0, 5] and "chroma cosine" in page
    assert "Pair by pair" in page
    assert ("visqol" in scores) == (find_spec("visqol") is not None)
    said = " ".join(found["warnings"])
    assert "2 files have no partner" in said and "resampled" in said and "lengths differ" in said
    (folders / "loud" / "song0.wav").rename(folders / "loud" / "x.wav")
    for i in range(1, 6):
        (folders / "loud" / f"song{i}.wav").unlink()
    with pytest.raises(ValueError, match="nothing is paired"):
        evaluate(folders, "loud", paired=True)


def test_seams_in_sidecars_are_measured(folders, capsys):
    """Two tones, joined after a second with and without a click."""
    t = torch.arange(2 * RATE) / RATE
    smooth = 0.3 * torch.sin(2 * torch.pi * 220 * t)
    torn = smooth * torch.where(t < 1, 1.0, -1.0) + 0.2 * (t >= 1)
    for i in range(6):
        for name, x in (("real", smooth), ("same", torn)):
            Audio(x[None], RATE).save(folders / name / f"song{i}.wav")
            (folders / name / f"song{i}.json").write_text(json.dumps({"seams": [1.0, 5.0]}))
    (folders / "same" / "song0.json").write_text(json.dumps({"seams": [-1.0]}))
    found, page = evaluate(folders, "same", structure=True, measured=6)
    torn, smooth = (found["coherence"][side]["seam_jump"] for side in ("generated", "reference"))
    assert torn["items"] == [0, 5] and smooth["items"] == [0, 6]
    assert torn["value"] > 3 * smooth["value"]
    assert found["coherence"]["generated"]["self_similarity"]["items"] == [0, 6]
    assert found["coherence_compared"]["seam_jump"]["distance"] > 3
    assert any("song0.wav: 'seams' cannot be read" in w for w in found["warnings"])
    assert "seam jump" in page and "seam jump" in capsys.readouterr().out


def test_texts_and_timbre_have_intervals_by_track(folders):
    for i in range(6):
        hz, t = 440 * 2 ** ((i % 3 - 9) / 12), torch.arange(RATE) / RATE
        weights = (1, 0.5, 0.25) if i < 3 else (0.1, 1, 0.8)
        x = sum(w * torch.sin(2 * torch.pi * hz * (k + 1) * t) for k, w in enumerate(weights))
        Audio(0.2 * x[None], RATE).save(folders / "same" / f"song{i}.wav")
        facts = {"pitch": 60 + i % 3, "instrument": "ab"[i // 3], "caption": f"a note {i}"}
        (folders / "same" / f"song{i}.json").write_text(json.dumps(facts))
    found, _ = evaluate(folders, "same", notes=True, embedding=("logmel", "joint"))
    for name in ("text similarity", "text to audio recall@1", "timbre identified"):
        whole = found["wholes"][name]
        assert whole["interval"] is not None and whole["items"] == 6, name
    assert found["wholes"]["timbre within"]["interval"] is None
    assert found["wholes"]["text to audio median rank"]["interval"] is None


def test_a_folder_against_itself_says_what_is_still_meaningful(folders):
    found, page = evaluate(folders, "real")
    said = " ".join(found["warnings"])
    assert "Both folders are the same one" in said and "still describe" in said
    assert "exactly the items of the reference" in said
    assert only(found)["scores"]["frechet"]["value"] == pytest.approx(0, abs=1e-6)
    assert "Both folders are the same one" in page


def test_one_silent_sound_is_judged_as_far_as_it_can_be(folders):
    (folders / "one").mkdir()
    Audio(torch.zeros(1, RATE // 2), 16_000).save(folders / "one" / "a.wav")
    found, page = evaluate(folders, "one", structure=True)
    said = " ".join(found["warnings"])
    assert "a single sound" in said and "silent" in said and "sample rates" in said
    assert "shorter than a window" in said and "differ in length" in said
    assert not only(found)["scores"] and "1 item" in only(found)["missing"]["frechet"]
    assert "NaN" not in json.dumps(found) and "nan" not in re.sub(r'"data:[^"]*"', "", page)


def test_a_folder_without_sound_is_an_error_and_leaves_nothing(folders):
    (folders / "empty").mkdir()
    with pytest.raises(ValueError, match="no audio"):
        evaluate(folders, "empty")
    (folders / "broken").mkdir()
    nans = torch.full((RATE,), torch.nan).numpy()
    soundfile.write(folders / "broken" / "a.wav", nans, RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match="NaN"):
        evaluate(folders, "broken")
    assert not (folders / "judged broken").exists() and not (folders / "judged empty").exists()


def test_the_command_line_takes_it_and_refuses_what_makes_no_sense(folders, capsys):
    argv = ["evaluate", str(folders / "real"), str(folders / "same")]
    rest = ["--cache", str(folders / "cache"), "--measured", "0", "--sounds", "0"]
    rest += ["--resamples", "0", "-o", str(folders / "out")]
    assert main([*argv, *rest]) == 0
    page = (folders / "out" / "index.html").read_text()
    assert "<audio" not in page and "In short" in page
    assert main([*argv, "--windows", "1"]) == 2
    assert main([*argv, "--measured", "-1"]) == 2
    assert main([*argv, "--embedding", "no_such_model"]) == 2
    (folders / "file").write_text("")
    assert main([*argv, "-o", str(folders / "file")]) == 2
    assert "is a file; name a new folder" in capsys.readouterr().err
