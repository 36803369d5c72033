"""The training loop: it reduces a loss, reports its history, and stops on nonsense."""

import itertools
from collections.abc import Iterator

import lookback as lb
import pytest
import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]


def batches() -> list[Batch]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, 16, 3, generator=generator)
    return [(part, part @ torch.tensor([1.0, -2.0, 0.5])) for part in x]


def squared_error(model: nn.Module, batch: Batch) -> Tensor:
    error: Tensor = ((model(batch[0]).squeeze(-1) - batch[1]) ** 2).mean()
    return error


def linear() -> nn.Linear:
    lb.seed_everything(0)
    return nn.Linear(3, 1)


def test_fit_reduces_the_loss_and_leaves_the_model_in_evaluation_mode() -> None:
    model = linear()
    history = lb.fit(model, batches(), squared_error, steps=200, learning_rate=0.05)
    assert len(history.losses) == 200
    assert history.losses[-1] < 0.01 * history.losses[0]
    assert not model.training
    assert history.seconds > 0


def test_the_same_seed_gives_the_same_history() -> None:
    first, again = (lb.fit(linear(), batches(), squared_error, steps=20, learning_rate=0.05) for _ in range(2))
    assert first.losses == again.losses


def test_before_step_sees_the_share_of_training_that_is_done() -> None:
    seen: list[float] = []
    lb.fit(linear(), batches(), squared_error, steps=4, learning_rate=0.05, before_step=seen.append)
    assert seen == [0.0, 0.25, 0.5, 0.75]


def test_before_step_may_end_training() -> None:
    model = linear()
    history = lb.fit(model, batches(), squared_error, steps=8, learning_rate=0.05, before_step=lambda done: done >= 0.5)
    assert len(history.losses) == 4
    assert not model.training


def test_warm_up_takes_small_steps_at_first() -> None:
    def steps_of(warmup: float) -> list[float]:
        model, places = linear(), []
        lb.fit(
            model,
            batches(),
            squared_error,
            steps=10,
            learning_rate=0.01,
            warmup=warmup,
            before_step=lambda _: places.append(model.weight.detach().clone()),
        )
        return [(after - before).abs().max().item() for before, after in itertools.pairwise(places)]

    warm, cold = steps_of(0.4), steps_of(0.0)
    assert warm[0] == pytest.approx(0.0025, rel=1e-3)  # the first step of Adam is as long as its learning rate
    assert cold[0] == pytest.approx(0.01, rel=1e-3)
    assert warm[0] < warm[1] < warm[2]


@pytest.mark.parametrize("warmup", [-0.1, 0.5])
def test_a_warm_up_that_leaves_no_time_to_train_is_an_error(warmup: float) -> None:
    with pytest.raises(ValueError, match="warmup is"):
        lb.fit(linear(), batches(), squared_error, steps=4, learning_rate=0.1, warmup=warmup)


def test_an_endless_stream_of_batches_is_cut_off() -> None:
    def stream() -> Iterator[Batch]:
        while True:
            yield from batches()

    assert len(lb.fit(linear(), stream(), squared_error, steps=7, learning_rate=0.05).losses) == 7


def test_no_batches_is_an_error() -> None:
    with pytest.raises(ValueError, match="no batches"):
        lb.fit(linear(), [], squared_error, steps=1, learning_rate=0.1)


def test_no_steps_is_an_error() -> None:
    with pytest.raises(ValueError, match="steps is 0"):
        lb.fit(linear(), batches(), squared_error, steps=0, learning_rate=0.1)


def test_a_loss_that_is_not_finite_stops_training_before_the_weights_change() -> None:
    model = linear()
    before = model.weight.detach().clone()
    with pytest.raises(ValueError, match="loss at step 0 is nan"):
        lb.fit(model, batches(), lambda m, b: squared_error(m, b) * torch.nan, steps=3, learning_rate=0.1)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize(("ci", "noisy"), [("1", False), (None, True)])
def test_the_bar_is_silent_under_ci(
    ci: str | None, noisy: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", ci) if ci else monkeypatch.delenv("CI", raising=False)
    lb.fit(linear(), batches(), squared_error, steps=2, learning_rate=0.1, title="warming up")
    assert ("warming up" in capsys.readouterr().err) is noisy


def test_smoothing_is_a_running_mean() -> None:
    history = lb.History(losses=[4.0, 2.0, 0.0, 2.0])
    assert history.smoothed(2) == [4.0, 3.0, 1.0, 1.0]
