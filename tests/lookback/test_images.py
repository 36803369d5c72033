"""Images: their columns and tensors, and a remote set behind the same function."""

from pathlib import Path
from typing import Any

import datasets
import lookback as lb
import numpy as np
import pytest
import torch


def test_the_columns_are_named_and_typed() -> None:
    features = lb.load_images(2, seed=1).features
    picture = datasets.Array3D(shape=(1, 8, 8), dtype="uint8")
    assert features == datasets.Features(image=picture, label=datasets.Value("int64"))


def test_the_seed_fixes_the_images() -> None:
    assert list(lb.load_images(20, seed=5)) == list(lb.load_images(20, seed=5))
    assert list(lb.load_images(20, seed=5)) != list(lb.load_images(20, seed=6))


def test_a_batch_holds_every_digit_once_from_black_to_white() -> None:
    batch = lb.batch_images(lb.load_images(1_797, seed=3))
    assert batch.images.shape == (1_797, 1, 8, 8)
    assert (batch.images.min(), batch.images.max()) == (0.0, 1.0)
    assert len(batch.images.unique()) == 17
    assert len(batch.images.unique(dim=0)) == 1_797
    assert batch.labels.bincount().min() > 170
    zeros, ones = (batch.images[batch.labels == digit].mean(dim=(0, 1)) for digit in (0, 1))
    assert zeros[4, 4] < 0.2 < 0.5 < ones[4, 4]  # a ring is empty where a stroke is full


def test_batches_select_and_move() -> None:
    batch = lb.batch_images(lb.load_images(5, seed=3)).select(torch.tensor([4, 1]))
    assert len(batch) == 2
    assert batch.to("meta").images.device.type == "meta"


@pytest.mark.parametrize(
    ("wanted", "options", "message"),
    [
        (1, {"source": "imagenet"}, "'imagenet'; it must be 'digits' or 'cifar10'"),
        (1, {"files": "photographs.parquet"}, "'digits' reads no files"),
        (1_798, {}, "1798 images are wanted, but the source has 1797"),
    ],
)
def test_impossible_demands_are_errors(wanted: int, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lb.load_images(wanted, seed=1, **options)


def test_no_images_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        lb.batch_images([])


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small file in the format of CIFAR-10: three images of one colour each, red, green and blue."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    colours = 200 * np.eye(3, dtype=np.uint8)
    images = [np.broadcast_to(colour, (4, 6, 3)).copy() for colour in colours]
    features = datasets.Features(img=datasets.Image(), label=datasets.Value("int64"))
    path = tmp_path / "photographs.parquet"
    datasets.Dataset.from_dict({"img": images, "label": [7, 8, 9]}, features=features).to_parquet(path)
    return str(path)


def test_photographs_have_the_same_columns_and_three_channels(photographs: str) -> None:
    read = lb.load_images(3, seed=1, source="cifar10", files=photographs)
    assert read.features["label"] == lb.load_images(1, seed=1).features["label"]
    batch = lb.batch_images(read)
    assert batch.images.shape == (3, 3, 4, 6)
    for image, label in zip(batch.images, batch.labels.tolist(), strict=True):
        assert image.mean(dim=(1, 2)).argmax() == label - 7
        assert image.max() == pytest.approx(200 / 255)


def test_too_few_photographs_are_an_error(photographs: str) -> None:
    with pytest.raises(ValueError, match="4 images are wanted, but the source has 3"):
        lb.load_images(4, seed=1, source="cifar10", files=[photographs])


@pytest.mark.parametrize("offline", [True, False])
def test_a_remote_set_out_of_reach_is_an_error_that_names_the_offline_one(
    offline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(ConnectionError, match="source='digits'"):
        lb.load_images(1, seed=1, source="cifar10")
