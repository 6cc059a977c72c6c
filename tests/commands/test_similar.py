"""`latentone similar`: copies are named, unrelated sounds are not, and both can be heard."""

import json
import re

import pytest
import soundfile
import torch

from latentone.audio import Audio, load_audio
from latentone.cli import main

RATE = 16_000


def tune(seed, seconds=6.0):
    """Plucked notes of random pitch and length."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.zeros(round(seconds * RATE))
    start = 0
    while start < len(x):
        length = int(RATE * (0.12 + 0.3 * torch.rand(1, generator=rng).item()))
        hz = 110 * 2 ** (torch.randint(0, 36, (1,), generator=rng).item() / 12)
        t = torch.arange(min(length, len(x) - start)) / RATE
        note = sum(torch.sin(2 * torch.pi * hz * k * t) / k for k in range(1, 9))
        x[start : start + len(t)] += 0.2 * note * torch.exp(-8 * t)
        start += length
    return x


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("similar")
    for name in ("training", "generated"):
        (root / name).mkdir()
    for i in range(21):
        name = f"tune {'abcdefghijklmnopqrstu'[i]}.wav"
        Audio(tune(i)[None], RATE).save(root / "training" / name)
    for i in range(4):
        Audio(tune(50 + i)[None], RATE).save(root / "generated" / f"new {i}.wav")
    copy = load_audio(root / "training" / "tune c.wav").samples
    Audio(0.3 * copy[:, RATE:], RATE).resample(22_050).save(root / "generated" / "copy.flac")
    Audio(torch.zeros(1, RATE), RATE).save(root / "generated" / "silence.wav")
    nans = torch.full((RATE,), torch.nan).numpy()
    soundfile.write(root / "generated" / "broken.wav", nans, RATE, subtype="FLOAT")
    argv = ["similar", str(root / "training"), str(root / "generated")]
    assert main([*argv, "-o", str(root / "copies"), "--cache", str(root / "cache")]) == 0
    return root


def test_the_copy_is_named_and_nothing_else(folders):
    found = json.loads((folders / "copies" / "copies.json").read_text())
    by_name = {name.rpartition("/")[2]: near for name, near in found["sounds"].items()}
    nearest = by_name["copy.flac"][0]
    assert nearest["training"].endswith("tune c.wav") and "mel" in nearest["reasons"]
    assert nearest["there_seconds"] - nearest["at_seconds"] == pytest.approx(1.0, abs=0.02)
    flagged = [name.rpartition("/")[2] for name in found["flagged"]]
    assert "copy.flac" in flagged and "silence.wav" not in flagged and len(flagged) <= 2
    assert all("mel" not in near[0]["reasons"] for n, near in by_name.items() if "new" in n)
    assert next(iter(found["generated"]["failures"])).endswith("broken.wav")
    assert found["embedding"]["name"] == "logmel" and found["limits"]["sounds"] == 21
    assert set(found["limits"]["mel"]) == {"4.0", "2.0", "1.0"}


def test_the_page_plays_pairs_side_by_side_and_needs_nothing_else(folders):
    page = (folders / "copies" / "index.html").read_text()
    for _, attribute in re.findall(r'\s(src|href)="([^"]{0,40})', page):
        assert attribute.startswith("data:"), attribute
    assert page.count("<article>") == 6 and page.count("<audio") == 12
    assert page.index("copy and tune c") < page.index("Not flagged")
    assert "from 1.0" in page and "an excerpt moves alike in its mel bands" in page


def test_what_the_summary_says(folders, capsys, tmp_path):
    argv = ["similar", str(folders / "training"), str(folders / "training")]
    argv += ["--cache", str(folders / "cache"), "-o", str(tmp_path / "out"), "--shown", "0"]
    assert main(argv) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "21 of 21 sounds are flagged" in said and "Both folders are the same" in said
    assert "<audio" not in (tmp_path / "out" / "index.html").read_text()


def test_bad_requests_leave_nothing(folders, capsys, tmp_path):
    argv = ["similar", str(folders / "training"), str(folders / "generated")]
    assert main([*argv, "--candidates", "0", "-o", str(tmp_path / "out")]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["similar", str(folders / "training"), str(tmp_path / "empty")]) == 2
    assert "no audio" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
