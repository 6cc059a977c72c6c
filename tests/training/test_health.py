"""Health of adversarial trainings: the numbers, and the cases by name, each provoked."""

import logging
import math

import pytest
import torch
from health_toys import DEAF, SURE, WILD, trained
from sklearn.metrics import roc_auc_score

from latentone.nn.gradient_vq import GradientVQ
from latentone.nn.residual import ResidualVQ
from latentone.training.health import HealthWatch, diagnose, judge_health, variety
from latentone.training.score_picture import score_picture


def test_success(caplog):
    with caplog.at_level(logging.WARNING):
        task = trained()
    found = diagnose(task.watch.history, patience=2)
    assert found.is_healthy and found.ailment == "success", found
    last = task.watch.history[-1]
    assert 0.3 < last["judge/right"] < 0.95 and last["variety"] > 0.7
    assert not caplog.records


def test_mode_collapse(caplog):
    with caplog.at_level(logging.WARNING):
        task = trained(**DEAF)
    found = diagnose(task.watch.history, patience=2)
    assert found.ailment == "mode collapse" and not found.is_healthy, found
    assert "adversarial_start" in found.advice and "`own`" in found.advice
    assert sum("mode collapse" in r.getMessage() for r in caplog.records) == 1


def test_vanished_generator_gradient(caplog):
    with caplog.at_level(logging.WARNING):
        task = trained(**SURE)
    found = diagnose(task.watch.history, patience=2)
    assert found.ailment == "vanished generator gradient", (found, task.watch.history[-1])
    assert "discriminator_share" in found.advice and "fell from" in found.sign
    assert "vanished generator gradient" in caplog.text


def test_nan(caplog):
    with caplog.at_level(logging.WARNING):
        task = trained(**WILD, steps=20, every=5)
    found = diagnose(task.watch.history)
    assert found.ailment == "nan" and "learning rate" in found.advice
    assert sum("no finite number" in r.getMessage() for r in caplog.records) == 1


def test_codebook_collapse():
    found = diagnose([{"vq/use": 0.9}, {"vq/use": 0.01}])
    assert found.ailment == "codebook collapse" and "1.00% of the codes" in str(found)


@pytest.mark.parametrize("make", [lambda: ResidualVQ(2, 64, 4), lambda: GradientVQ(64, 4)])
def test_latents_that_say_nothing_are_found_although_codes_restart(make, caplog):
    """Every code counts as used for a while after its restart: `use` sees no collapse."""
    rng = torch.Generator().manual_seed(0)
    for still in (True, False):
        quantizer, watch = make().train(), HealthWatch(every=50, patience=4)
        for _ in range(300):
            latents = torch.randn(4, 4, 1 if still else 20, generator=rng).expand(4, 4, 20)
            latents = latents[:1].expand(4, 4, 20) if still else latents
            metrics = quantizer(latents, rng).metrics
            watch.see({f"vq/{name}": value for name, value in metrics.items()})
        found = diagnose(watch.history, patience=4)
        assert watch.history[-1]["vq/use"] > 0.1
        assert found.ailment == ("codebook collapse" if still else "success"), found


def test_an_infinite_gradient_is_not_the_largest():
    wild = {"gradient/judge": math.inf, "judge/right": 1.0}
    fine = {"gradient/judge": 1.0, "judge/right": 1.0}
    assert diagnose([wild, fine]).is_healthy
    gone = {"gradient/judge": 1e-6, "judge/right": 1.0}
    assert diagnose([wild, fine, gone]).ailment == "vanished generator gradient"


def test_a_sign_must_last():
    good, bad = {"variety": 0.9}, {"variety": 0.001}
    assert diagnose([good, bad, bad], patience=3).is_healthy
    assert diagnose([bad, bad], patience=3).is_healthy
    assert diagnose([bad, bad, bad], patience=3).ailment == "mode collapse"
    assert diagnose([good, bad]).ailment == "mode collapse"


def test_the_watch_averages_each_stretch_and_waits_for_a_sign_to_last():
    watch = HealthWatch(every=2, patience=3)
    found = []
    for value in (0.5, 0.7, 0.0, 0.02, 0.0, 0.0, 0.0, 0.0):
        found.append(watch.see({"variety": torch.tensor(value)}))
    means = [round(past["variety"], 6) for past in watch.history]
    assert means == [0.6, 0.01, 0.0, 0.0]
    assert [f.ailment if f else None for f in found[1::2]] == [
        *("success", "success", "success", "mode collapse")
    ]
    assert found[0::2] == [None] * 4


def test_a_small_gradient_is_no_harm_while_the_judge_is_unsure():
    history = [{"gradient/judge": 1.0, "judge/right": 1.0}]
    unsure = {"gradient/judge": 1e-6, "judge/right": 0.6}
    assert diagnose([*history, unsure]).is_healthy
    sure = {"gradient/judge": 1e-6, "judge/right": 1.0}
    assert diagnose([*history, sure]).ailment == "vanished generator gradient"
    assert diagnose([*history, {"gradient/judge": 0.1, "judge/right": 1.0}]).is_healthy


def test_how_often_the_judge_is_right_is_the_area_under_the_curve():
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(300, generator=rng) + 0.5
    fake = torch.randn(200, generator=rng).round(decimals=1)
    found = judge_health([real], [fake])
    truth = [1] * 300 + [0] * 200
    expected = roc_auc_score(truth, torch.cat([real, fake]).numpy())
    assert found["judge/right"] == pytest.approx(expected, abs=1e-5)
    assert found["judge/real"] == pytest.approx(real.mean().item())
    assert found["judge/fake_std"] == pytest.approx(fake.std(unbiased=False).item())
    assert found["judge/fake_p90"] == pytest.approx(fake.quantile(0.9).item())


def test_discriminators_count_alike():
    high, low = torch.ones(1000), torch.zeros(3)
    found = judge_health([high, low], [low, high])
    assert found["judge/right"] == pytest.approx(0.5)
    assert found["judge/real"] == found["judge/fake"] == pytest.approx(0.5)
    same = torch.zeros(10)
    assert judge_health([same], [same])["judge/right"] == 0.5


def test_variety():
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(6, 1, 128, generator=rng)
    assert variety(real, real) == pytest.approx(1)
    assert variety(real.roll(1, 0), real) == pytest.approx(1, rel=1e-5)
    assert variety(real[:1].expand(6, 1, 128), real) == pytest.approx(0, abs=1e-5)
    assert variety(0.25 * real, real) == pytest.approx(1, rel=1e-5)  # quiet is not alike
    loud = real + 100 * real[:1]
    assert variety(loud, real) < 0.05
    silence = torch.zeros_like(real)
    assert variety(silence, real) == 0 and variety(real, silence) == 1


def test_the_picture_shows_who_scores_higher():
    real, fake = torch.full((100,), 1.0), torch.full((50,), -1.0)
    picture = score_picture([real], [fake], height=10, width=20)
    inked = (picture < 1).any(0)
    assert inked[:, 0].all() and inked[:, -1].all() and not inked[:, 1:-1].any()
    assert picture[2, 0, -1] > picture[0, 0, -1]  # real is blue
    assert picture[0, 0, 0] > picture[2, 0, 0]  # generated is orange
    assert score_picture([real], [real], height=10, width=20).isfinite().all()


def test_refusals():
    with pytest.raises(ValueError, match="got 0"):
        diagnose([])
    with pytest.raises(ValueError, match="every and patience"):
        HealthWatch(0)
