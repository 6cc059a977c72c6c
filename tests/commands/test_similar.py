"""`latentone similar`: copies are named, unrelated sounds are not, and both can be heard."""

import json
import re

import pytest
import soundfile
import torch

from latentone.audio import Audio, load_audio
from latentone.cli import main
from latentone.commands._output import check_folder
from latentone.embeddings import EmbeddingCache, LogMelStatistics

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


def hit(seed):
    """A drum: half a second of noise that dies away."""
    rng = torch.Generator().manual_seed(seed)
    t = torch.arange(RATE // 2) / RATE
    return torch.randn(len(t), generator=rng) * torch.exp(-(5 + seed) * t) * 0.1


def similar(root, training, generated, *more):
    for name, sounds in (("training", training), ("generated", generated)):
        (root / name).mkdir()
        for i, x in enumerate(sounds):
            Audio(x if x.ndim == 2 else x[None], RATE).save(root / name / f"{name[0]}{i}.wav")
    argv = ["similar", root / "training", root / "generated", "-o", root / "out"]
    assert main([*map(str, argv), "--cache", str(root / "cache"), *more]) == 0
    return json.loads((root / "out" / "copies.json").read_text())


def test_equal_drum_hits_are_flagged_though_nothing_else_can_be_said(tmp_path, capsys):
    hits = [hit(seed) for seed in range(12)]
    found = similar(tmp_path, hits, [*hits, hit(50)])
    said = " ".join(capsys.readouterr().out.split())
    assert len(found["flagged"]) == 12 and "12 of 13 sounds are flagged; 1 could not be" in said
    for name, near in found["sounds"].items():
        if name in found["flagged"]:
            assert near[0]["training"].endswith(f"t{name.rpartition('/')[2][1:]}")
            assert near[0]["reasons"] == ["equal"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "equal, as a whole or for a run of windows" in page


def test_sounds_that_could_not_be_compared_are_counted(tmp_path, capsys):
    """Silence, and 0.02 s: not flagged, which says nothing."""
    short = [tune(i)[: RATE // 50] for i in range(4)]
    found = similar(tmp_path, short[:2], [short[0], *short[2:], torch.zeros(3 * RATE)])
    assert [n.rpartition("/")[2] for n in found["flagged"]] == ["g0.wav"]
    assert sorted(found["uncompared"].values()) == ["short", "short", "silent"]
    assert "could not be compared" in found["warnings"][0] and "g1.wav" in found["warnings"][0]
    counted = "1 of 4 sounds are flagged; 3 could not be compared (2 too short, 1 silent)"
    assert counted in " ".join(capsys.readouterr().out.split())
    page = (tmp_path / "out" / "index.html").read_text()
    assert counted in page and "not compared: too short" in page


def test_channels_that_cancel_hide_no_copy(tmp_path):
    tunes = [tune(i) for i in range(3)]
    opposite = [torch.stack([x, -0.98 * x]) for x in (tunes[0], tune(60), tunes[1])]
    found = similar(tmp_path, [tunes[0], tunes[1], opposite[1]], opposite)
    names = {n.rpartition("/")[2]: near[0] for n, near in found["sounds"].items()}
    assert len(found["flagged"]) == 3
    for name, source in (("g0.wav", "t0.wav"), ("g1.wav", "t2.wav"), ("g2.wav", "t1.wav")):
        assert names[name]["training"].endswith(source) and "mel" in names[name]["reasons"]
    note = next(n for n in found["warnings"] if "cancel" in n)
    assert "t2.wav, g0.wav, g1.wav and 1 more" in note


def test_unusable_outputs_are_found_before_the_work(folders, capsys, tmp_path, monkeypatch):
    def work(*_, **__):
        raise AssertionError("worked before looking where results go")

    monkeypatch.setattr("latentone.commands.similar.embed_folder", work)
    file = folders / "training" / "tune a.wav"
    argv = ["similar", str(folders / "training"), str(folders / "generated")]
    good = str(tmp_path / "new" / "out")
    for flag, path, more in (
        ("--out", file / "sub", []),
        ("--out", file, []),
        ("--cache", file, ["-o", good]),
        ("--cache", file / "a" / "b", ["-o", good]),
    ):
        assert main([*argv, *more, flag, str(path)]) == 2
        said = capsys.readouterr().err
        assert f"{flag} {path} cannot be written to" in said, said
        assert "is a file" in said and "name a new folder" in said and "Errno" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_tried_and_left_as_it_was(tmp_path):
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "file").write_text("kept")
    for good in ("held", "new", "new/deep/er"):
        check_folder(tmp_path / good, "--out")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for bad in ("held/file", "held/file/a/b", "new/" + 300 * "x", "dangling"):
        with pytest.raises(ValueError, match=r"^--out .* cannot be written to: .*; name a new"):
            check_folder(tmp_path / bad, "--out")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["dangling", "file", "held"]
    assert (tmp_path / "held" / "file").read_text() == "kept"


def test_a_cache_that_is_none_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ValueError, match=r"vectors cannot be kept in .*file.*another folder"):
        EmbeddingCache(tmp_path / "file", LogMelStatistics())
    path = EmbeddingCache(tmp_path / "cache", LogMelStatistics()).path
    path.write_bytes(b"no database" * 100)
    with pytest.raises(ValueError, match=r"not a database.*delete it"):
        EmbeddingCache(tmp_path / "cache", LogMelStatistics())


def test_bad_requests_leave_nothing(folders, capsys, tmp_path):
    argv = ["similar", str(folders / "training"), str(folders / "generated")]
    assert main([*argv, "--candidates", "0", "-o", str(tmp_path / "out")]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["similar", str(folders / "training"), str(tmp_path / "empty")]) == 2
    assert "no audio" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
