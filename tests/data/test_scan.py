"""Folders become manifests: every format, sidecars, groups, and failures that cost nothing else."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
import torch

from latentone.audio import Audio
from latentone.config import ConfigError
from latentone.data import Manifest, find_audio, read_sidecar, scan

SONIC_PI = Path(__file__).parents[3] / "shared" / "data" / "sonic_pi"


def write(path, seconds=0.1, rate=8000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * torch.randn(
        channels, round(seconds * rate), generator=torch.Generator().manual_seed(0)
    )
    Audio(samples.clamp(-1, 1), rate).save(path)


def by_id(manifest):
    return {item.id: item for item in manifest.items}


def test_nested_folders_and_all_formats_are_found(tmp_path):
    names = ["a.wav", "b/c.FLAC", "b/d.ogg", "b/e/f.mp3", "b/e/g.aiff", "h.opus"]
    for name in names:
        write(tmp_path / name, rate=24000, channels=2)
    for name in (".hidden.wav", ".git/x.wav", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no sound")
    seen = []
    manifest = scan(tmp_path, on_progress=lambda done, total: seen.append((done, total)))
    assert [item.id for item in manifest.items] == sorted(names)
    assert not manifest.failures and seen == [(i, 6) for i in range(1, 7)]
    item = by_id(manifest)["b/e/f.mp3"]
    assert (item.path, item.duration, item.sample_rate, item.channels) == (
        "b/e/f.mp3",
        0.1,
        24000,
        2,
    )
    assert manifest.duration == pytest.approx(0.6) and manifest.root == tmp_path.resolve()


def test_linked_folders_are_followed_once(tmp_path):
    write(tmp_path / "real" / "a.wav")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "data")
    assert [p.name for p in find_audio(tmp_path / "data")] == ["a.wav"]


def test_sidecars_give_captions_and_facts(tmp_path):
    for name in "abcd":
        write(tmp_path / f"{name}.wav")
    (tmp_path / "a.txt").write_text("  a slow waltz\n")
    facts = {
        "caption": "a fast jig",
        "bpm": 120.5,
        "key": "D major",
        "genre": ["folk", "dance"],
        "instrument": "fiddle",
        "live": True,
        "notes": [{"pitch": 60}],
        "group": "jigs",
        "other": None,
    }
    (tmp_path / "b.json").write_text(json.dumps(facts))
    (tmp_path / "b.txt").write_text("overruled")
    (tmp_path / "c.wav.json").write_text(json.dumps({"caption": ["first", "second"]}))
    items = by_id(scan(tmp_path))
    assert items["a.wav"].caption == "a slow waltz" and items["a.wav"].metadata == {}
    assert items["b.wav"].caption == "a fast jig"
    kept = ("bpm", "key", "genre", "instrument", "live")
    assert items["b.wav"].metadata == {name: facts[name] for name in kept}
    assert items["c.wav"].caption == "first"
    assert items["d.wav"].caption is None


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", b"{broken", "expected a JSON object"),
        ("a.json", b"[1, 2]", "expected a JSON object, got list"),
        ("a.json", b"\xff\xfe\xff", "expected a JSON object"),
        ("a.json", b'{"bpm": "fast", "key": "C"}', "`bpm` to be a positive number, got 'fast'"),
        ("a.json", b'{"bpm": -3, "key": "C"}', "`bpm` to be a positive number, got -3"),
        ("a.txt", b"\xff\xfe\xff", "expected UTF-8 text"),
    ],
)
def test_a_bad_sidecar_is_reported_and_the_sound_kept(tmp_path, name, content, reason):
    write(tmp_path / "a.wav")
    (tmp_path / name).write_bytes(content)
    manifest = scan(tmp_path)
    assert [item.id for item in manifest.items] == ["a.wav"]
    assert [f.path for f in manifest.failures] == [name] and reason in manifest.failures[0].reason
    assert manifest.items[0].metadata == ({"key": "C"} if b"key" in content else {})


def test_unreadable_files_are_failures_with_reasons(tmp_path):
    write(tmp_path / "good.wav")
    write(tmp_path / "cut.wav", seconds=2)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:5000])
    (tmp_path / "empty.flac").touch()
    (tmp_path / "words.mp3").write_text("no sound at all, only words" * 100)
    (tmp_path / "phone.m4a").write_bytes(b"\0" * 100)
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    manifest = scan(tmp_path)
    assert [item.id for item in manifest.items] == ["good.wav"]
    reasons = {failure.path: failure.reason for failure in manifest.failures}
    assert sorted(reasons) == ["cut.wav", "empty.flac", "gone.wav", "phone.m4a", "words.mp3"]
    assert "truncated" in reasons["cut.wav"] and "empty file" in reasons["empty.flac"]
    assert "convert to FLAC" in reasons["phone.m4a"] and "does not exist" in reasons["gone.wav"]
    assert "libsndfile" in reasons["words.mp3"]


def test_folders_without_usable_audio_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="none does not exist; expected a folder of audio"):
        scan(tmp_path / "none")
    (tmp_path / "notes.md").write_text("")
    with pytest.raises(NotADirectoryError, match=r"notes\.md is a file"):
        scan(tmp_path / "notes.md")
    with pytest.raises(ValueError, match=r"holds no audio: none of its 1 files ends in .*\.flac"):
        scan(tmp_path)
    (tmp_path / "x.wav").write_text("words")
    with pytest.raises(ValueError, match=r"none of the 1 audio files in .* x\.wav: expected"):
        scan(tmp_path)
    with pytest.raises(ValueError, match="group_by must be"):
        scan(tmp_path, group_by="name")


def test_groups_of_files(tmp_path):
    names = ["a/song_01.wav", "a/song_02.wav", "b/song_01.wav", "b/kick.wav", "snare-2.wav"]
    for name in names:
        write(tmp_path / name)
    (tmp_path / "b" / "kick.json").write_text('{"source": "session 9"}')

    def groups(rule):
        return {item.id: item.group for item in scan(tmp_path, group_by=rule).items}

    assert groups("auto") == {
        "a/song_01.wav": "a/song",
        "a/song_02.wav": "a/song",
        "b/song_01.wav": "b/song",
        "b/kick.wav": "said:session 9",
        "snare-2.wav": "snare",
    }
    assert groups("file") == {name: name for name in names}
    assert set(groups("folder").values()) == {"a", "b", "."}


def test_numbered_pieces_are_groups_when_names_leave_fewer_than_three(tmp_path):
    for number in range(8):
        write(tmp_path / f"track_{number:02}.wav")
    manifest = scan(tmp_path)
    assert len({item.group for item in manifest.items}) == 8
    assert all(manifest.split(name) for name in ("train", "valid", "test"))
    for number in range(8):
        (tmp_path / f"track_{number:02}.json").write_text('{"group": "one concert"}')
    manifest = scan(tmp_path)
    assert {item.group for item in manifest.items} == {"said:one concert"}
    assert len(manifest.split("train")) == 8 and not manifest.split("valid")


def test_files_of_one_source_never_straddle(tmp_path):
    for song in range(12):
        for take in range(3):
            write(tmp_path / f"song {song:02}x_take{take}.wav", seconds=0.01)
    parts = defaultdict(set)
    manifest = scan(tmp_path, valid_fraction=0.3, test_fraction=0.3)
    for item in manifest.items:
        parts[item.group].add(item.split)
    assert len(parts) == 12 and all(len(splits) == 1 for splits in parts.values())
    assert {split for splits in parts.values() for split in splits} == {"train", "valid", "test"}


def test_manifests_survive_their_file_and_a_move(tmp_path):
    write(tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "a.json").write_text('{"caption": "süß", "bpm": 90, "tags": ["x"]}')
    (tmp_path / "in" / "b.wav").touch()
    manifest = scan(tmp_path / "in")
    manifest.save(tmp_path / "manifest.json")
    again = Manifest.load(tmp_path / "manifest.json")
    assert again == manifest and len(again.failures) == 1
    assert Manifest.load(tmp_path / "manifest.json", root="/else").root == Path("/else")
    text = (tmp_path / "manifest.json").read_text()
    (tmp_path / "manifest.json").write_text(text.replace('"train"', '"dev"'))
    with pytest.raises(ConfigError, match=r"the split of a\.wav must be one of"):
        Manifest.load(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text(text.replace('"duration"', '"length"'))
    with pytest.raises(ConfigError, match=r"manifest\.items\[0\]\.length"):
        Manifest.load(tmp_path / "manifest.json")
    with pytest.raises(ValueError, match="split must be one of"):
        manifest.split("validation")


def test_a_sidecar_is_read_alone(tmp_path):
    (tmp_path / "a.json").write_text('{"description": "rain", "source": "field"}')
    sidecar = read_sidecar(tmp_path / "a.wav")
    assert sidecar.caption == "rain" and sidecar.group == "field" and not sidecar.problems


@pytest.mark.skipif(not SONIC_PI.is_dir(), reason="the Sonic Pi recordings are not here")
def test_real_recordings():
    manifest = scan(SONIC_PI)
    assert len(manifest.items) == 195 and not manifest.failures
    assert manifest.duration == pytest.approx(399, abs=1)
    assert sum(item.duration < 1 for item in manifest.items) == 109
    assert all(manifest.split(name) for name in ("train", "valid", "test"))
