"""`latentone train`: the grammar, the recipe's flags, going on, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from latentone.cli import main
from latentone.commands.train import parse


def command(data: Path, run: Path, *more: str) -> list[str]:
    argv = ["toy", "--size", "debug", "--data", str(data), "--out", str(run)]
    return [*argv, "--device", "cpu", "--no-report", *more]


def weights(run: Path, part: str) -> dict[str, torch.Tensor]:
    return load_file(run / part / "model.safetensors")


def test_recipe_flags_reach_the_recipe() -> None:
    argv = ["toy", "--size", "debug", "--data", "d", "--out", "r"]
    plain = parse(argv).recipe
    assert (plain.system, plain.codec.train.batch_size, plain.codec.train.steps) == ("toy", 2, 4)
    nested = parse(
        [
            *argv,
            *("--codec.train.batch-size", "5", "--codec.task.model.seanet.ratios", "2", "4"),
            *("--generator.task.learning-rate", "0.5", "--split.seed", "3"),
        ]
    ).recipe
    assert nested.codec.train.batch_size == 5
    assert nested.codec.task.model.seanet.ratios == (2, 4)
    assert nested.generator.task.learning_rate == 0.5
    assert nested.generator.train.batch_size == 2
    assert nested.data.seed == 3
    short = parse([*argv, "--steps", "9", "--seed", "7", "--precision", "bf16"]).recipe
    for stage in (short.codec, short.generator):
        assert (stage.train.steps, stage.train.minutes) == (9, None)
        assert (stage.train.seed, stage.train.precision) == (7, "bf16-mixed")


def test_a_machine_cuts_the_recipe_and_flags_have_the_last_word() -> None:
    argv = ["toy", "--size", "debug", "--data", "d", "--out", "r"]
    plain, fitted = parse(argv).recipe, parse([*argv, "--machine", "8gb"]).recipe
    for before, now in ((plain.codec, fitted.codec), (plain.generator, fitted.generator)):
        assert now.train.batch_size * now.train.accumulate == before.train.batch_size
        assert (before.train.precision, now.train.precision) == ("32-true", "bf16-mixed")
        assert now.task == before.task
    flags = ("--machine=8gb", "--codec.train.batch-size", "5", "--precision", "fp32")
    said = parse([*argv, *flags]).recipe
    assert said.codec.train.batch_size == 5
    assert said.generator.train.precision == "32-true"


def test_a_step_before_the_system_is_the_only_one() -> None:
    rest = ["toy", "--size=debug", "--data", "d", "--out", "r"]
    assert parse(rest).only is None
    for step in ("codec", "encode", "generator"):
        assert parse([step, *rest]).only == step


def test_help_of_a_system_lists_its_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "toy", "--size", "debug", "--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    for flag in ("--minutes", "--codec.train.crop-seconds", "--generator.task.model.network.dim"):
        assert flag in printed


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["toi", "--data", "d", "--out", "r"], "did you mean 'toy'?"),
        (["toy", "--size", "huge", "--data", "d", "--out", "r"], "has no size 'huge'"),
        (["toy", "--size", "debug", "--data", "missing", "--out", "r"], "is no folder"),
        (["toy", "--size", "debug", "--machine", "6gb", "--data", "d", "--out", "r"], "got '6gb'"),
        (
            ["toy", "--size", "debug", "--data", "d", "--out", "r", "--steps", "1", "--minutes=1"],
            "not both",
        ),
    ],
)
def test_wrong_requests_are_told_in_a_line(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *argv]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_folder_without_audio_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").write_text("no sound here")
    assert main(["train", *command(tmp_path / "data", tmp_path / "run")]) == 2
    assert "audio" in capsys.readouterr().err


def test_a_run_has_all_its_parts(trained: Path) -> None:
    for part in ("codec", "generator"):
        assert (trained / part / "config.json").exists()
        state = json.loads((trained / part / "training" / "state.json").read_text())
        assert (state["status"], state["step"]) == ("finished", 4)
    recipe = json.loads((trained / "recipe.json").read_text())
    assert (recipe["system"], recipe["size"]) == ("toy", "debug")
    assert (trained / "latents" / "dataset.json").exists()
    manifest = json.loads((trained / "manifest.json").read_text())
    assert len(manifest["items"]) == 12
    assert [failure["path"] for failure in manifest["failures"]] == ["broken.wav"]


def test_steps_one_by_one_and_repeated_equal_one_command(tones: Path, tmp_path: Path) -> None:
    # Trained anew, since what other tests leave behind in the process may round differently.
    run, whole = tmp_path / "run", tmp_path / "whole"
    assert main(["train", *command(tones, whole)]) == 0
    assert main(["train", "codec", *command(tones, run)]) == 0
    assert not (run / "latents").exists()
    assert main(["train", "encode", *command(tones, run)]) == 0
    assert not (run / "generator").exists()
    assert main(["train", "generator", *command(tones, run)]) == 0
    for part in ("codec", "generator"):
        ours, theirs = weights(run, part), weights(whole, part)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)
    before = {p: p.stat().st_mtime_ns for p in run.rglob("model.safetensors")}
    assert main(["train", *command(tones, run)]) == 0  # nothing left to do
    assert before == {p: p.stat().st_mtime_ns for p in run.rglob("model.safetensors")}


def test_a_finished_run_grows_and_refuses_other_settings(
    tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", "codec", *command(tones, run, "--steps", "2")]) == 0
    assert main(["train", "codec", *command(tones, run, "--steps", "3")]) == 0
    state = json.loads((run / "codec" / "training" / "state.json").read_text())
    assert (state["status"], state["step"]) == ("finished", 3)
    wrong = ("--steps", "3", "--codec.task.learning-rate", "0.1")
    assert main(["train", "codec", *command(tones, run, *wrong)]) == 2
    assert "task.learning_rate" in capsys.readouterr().err


def test_a_given_codec_is_taken_as_it_is(tones: Path, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    more = ("--with-codec", str(trained), "--steps", "1")
    assert main(["train", *command(tones, run, *more)]) == 0
    assert not (run / "codec" / "training").exists()
    ours, theirs = weights(run, "codec"), weights(trained, "codec")
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)


def test_from_goes_on_with_trained_weights(tones: Path, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    rate = ("--codec.task.learning-rate", "1e-12", "--steps", "1")
    assert main(["train", "codec", *command(tones, run, "--from", str(trained), *rate)]) == 0
    tuned, given = weights(run, "codec"), weights(trained, "codec")
    name = next(k for k in given if k.startswith("decoder") and k.endswith(".v"))
    torch.testing.assert_close(tuned[name], given[name], rtol=0, atol=1e-9)
    judge = "training/discriminator.safetensors"
    ours, theirs = load_file(run / "codec" / judge), load_file(trained / "codec" / judge)
    assert all(torch.allclose(ours[k], theirs[k], atol=1e-6) for k in theirs)
