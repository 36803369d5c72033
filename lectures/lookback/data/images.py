"""Images with their classes: handwritten digits on this machine, photographs from the network."""

import random
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lookback.data.batches import TensorRows

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]

Picture = NDArray[np.uint8]


def load_images(
    n_examples: int, *, seed: int, source: str = "digits", files: str | Sequence[str] | None = None
) -> "Dataset":
    """Return images with their classes, drawn at random from a source, none of them twice.

    The columns are `image` (C, height, width), whole numbers from 0, black, to 255, and `label`, the number of the
    class. The source `digits` is 1,797 real handwritten digits, 8 × 8 pixels in grey, that come with scikit-learn
    (Alpaydin and Kaynak, 1998, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, CC BY
    4.0). The source `cifar10` is the 50,000 training images of CIFAR-10, 32 × 32 pixels in three colours (Krizhevsky,
    2009, "Learning Multiple Layers of Features from Tiny Images"), taken from the network; its card names no licence.

    Args:
        n_examples: number of images.
        seed: the same seed and arguments give the same images in the same order.
        source: `digits` or `cifar10`.
        files: for `cifar10`, parquet files of the same format to read in place of the network.

    Raises:
        ValueError: `source` is unknown or reads no files, or has fewer images than are wanted.
        ConnectionError: a remote source is neither on this machine nor can it be reached.

    Example:
        >>> load_images(2, seed=8)[0]["label"]
    """
    from datasets import Array3D, Dataset, Features, Value

    if source == "digits" and files is not None:
        raise ValueError("the source 'digits' reads no files; use source='cifar10'")
    if source == "digits":
        pictures, labels = _digits(n_examples, seed)
    elif source == "cifar10":
        pictures, labels = _photographs(n_examples, seed, files)
    else:
        raise ValueError(f"the source is {source!r}; it must be 'digits' or 'cifar10'")
    features = Features(image=Array3D(shape=pictures[0].shape, dtype="uint8"), label=Value("int64"))
    return Dataset.from_dict({"image": pictures, "label": labels}, features=features)


@dataclass(frozen=True)
class ImageBatch(TensorRows):
    """Images and their classes: `images` from 0, black, to 1."""

    images: Tensor  # float32 (B, C, height, width)
    labels: Tensor  # int64 (B,)


def batch_images(rows: "Dataset | Sequence[Mapping[str, Any]]", device: torch.device | str = "cpu") -> ImageBatch:
    """Turn images into tensors on `device`.

    Args:
        rows: as `load_images` returns them, all of one size.
        device: of both tensors.

    Raises:
        ValueError: there are no rows.

    Example:
        >>> batch_images(load_images(8, seed=8)).images.shape
        torch.Size([8, 1, 8, 8])
    """
    examples = list(rows)
    if not examples:
        raise ValueError("a batch needs at least one image")
    pictures = np.stack([np.asarray(row["image"], dtype=np.uint8) for row in examples])
    labels = torch.tensor([row["label"] for row in examples], dtype=torch.int64)
    return ImageBatch(torch.from_numpy(pictures).float() / 255, labels).to(device)


def _drawn(n_examples: int, available: int, seed: int) -> list[int]:
    """Return the places of `n_examples` of the available images, in random order."""
    if n_examples > available:
        raise ValueError(f"{n_examples} images are wanted, but the source has {available}")
    return random.Random(seed).sample(range(available), n_examples)


def _digits(n_examples: int, seed: int) -> tuple[list[Picture], list[int]]:
    """Return digits, their 17 shades of grey spread over 0 to 255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    places = _drawn(n_examples, len(digits.target), seed)
    shades = np.rint(digits.images[places] * (255 / 16)).astype(np.uint8)
    return list(shades[:, None]), digits.target[places].tolist()


def _photographs(n_examples: int, seed: int, files: str | Sequence[str] | None) -> tuple[list[Picture], list[int]]:
    """Return images of CIFAR-10, the channels first."""
    found = _read_photographs(files)
    chosen = found.select(_drawn(n_examples, len(found), seed))
    pictures = [np.asarray(row["img"].convert("RGB")).transpose(2, 0, 1) for row in chosen]
    return pictures, list(chosen["label"])


def _read_photographs(files: str | Sequence[str] | None) -> "Dataset":
    """Return CIFAR-10 as it is: the columns `img` and `label`."""
    import datasets

    if files is not None:
        return datasets.load_dataset("parquet", data_files=files, split="train")
    try:
        if not datasets.config.HF_HUB_OFFLINE:  # without this request, load_dataset would try again for half a minute
            urllib.request.urlopen(datasets.config.HF_ENDPOINT, timeout=10).close()
        return datasets.load_dataset("uoft-cs/cifar10", split="train")
    except (ConnectionError, urllib.error.URLError, TimeoutError) as error:
        raise ConnectionError(
            "cifar10 has to come from the network, which cannot be reached (if it is on this machine already, set "
            "HF_HUB_OFFLINE=1); load_images(source='digits') needs no network"
        ) from error
