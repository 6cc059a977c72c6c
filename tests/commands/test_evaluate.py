import json

import pytest
import torch

from latentone.audio import Audio
from latentone.commands.evaluate import Args, run


@pytest.fixture
def folders(tmp_path):
    torch.manual_seed(0)
    for name, level in (("real", 0.1), ("same", 0.1), ("loud", 0.3)):
        for i in range(6):
            sound = Audio(level * torch.randn(1, 48_000), 24_000)
            (tmp_path / name).mkdir(exist_ok=True)
            sound.save(tmp_path / name / f"song{i}.wav")
    return tmp_path


def evaluate(folders, name):
    args = Args(
        reference=folders / "real",
        generated=folders / name,
        out=folders / f"judged {name}",
        cache=folders / "cache",
        resamples=5,
    )
    assert run(args) == 0
    return json.loads((folders / f"judged {name}" / "metrics.json").read_text())


def test_numbers_come_with_settings_and_a_table(folders, capsys):
    (folders / "same" / "broken.wav").write_text("words")
    same, loud = evaluate(folders, "same"), evaluate(folders, "loud")
    assert loud["scores"]["kernel"]["value"] > same["scores"]["kernel"]["value"] + 1
    assert same["embedding"]["name"] == "logmel" and same["embedding"]["dimensions"] == 128
    assert list(same["generated"]["failures"]) == ["broken.wav"]
    assert same["reference"]["files"] == 6 and same["reference"]["windows"] == 18
    assert same["scores"]["frechet"]["interval"]["groups"] == [6, 6]
    assert len(loud["outliers"]) == 6
    said = capsys.readouterr().out
    assert "coverage" in said and "metrics.json" in said


def test_a_folder_without_sound_is_an_error(folders):
    (folders / "empty").mkdir()
    with pytest.raises(ValueError, match="no audio"):
        evaluate(folders, "empty")
