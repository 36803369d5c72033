"""References for unit 08: images as sentences of patches, and the Vision Transformer.

Axes: B images, C channels, P side of a patch in pixels, N patches, D model width, L layers, H heads, T tokens.
A grid is (rows, columns) of patches. Patches are counted row by row from the top left. The numbers of a patch are
counted as in the paper: row by row, and for each pixel its C channels; so the last axis is P rows × P columns × C.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def conv_output_size(size: int, kernel: int, stride: int, padding: int, rounding: str) -> int:
    """How many places a kernel takes along an axis of `size` pixels with `padding` more at each end.

    The distance that it can move, size + 2 · padding - kernel, is divided by the stride, and the first place is added.
    rounding says what becomes of a last step that does not fit: "floor" leaves it out, as PyTorch's convolutions do;
    "ceil" takes it, over the edge; "exact" allows none.

    Raises ValueError where the kernel is larger than the padded axis (kernel and size in the message), where a step is
    left over under "exact" (size and stride in the message), and for any other rounding (which is in the message).
    Dumoulin and Visin 2016, section 2.4, relationship 6.

    Example: `conv_output_size(224, kernel=11, stride=4, padding=2, rounding="floor")` is 55
    """
    if rounding not in ("floor", "ceil", "exact"):
        raise ValueError(f"rounding is {rounding!r}; it must be 'floor', 'ceil' or 'exact'")
    padded = size + 2 * padding
    if kernel > padded:
        raise ValueError(f"a kernel of {kernel} does not fit into {size} pixels with a padding of {padding}")
    steps, left_over = divmod(padded - kernel, stride)
    if rounding == "exact" and left_over:
        raise ValueError(f"steps of {stride} over {size} pixels leave {left_over} over")
    if rounding == "ceil" and left_over:
        steps += 1
    return steps + 1


def patchify(images: Float[Tensor, "B C height width"], P: int) -> Float[Tensor, "B N P*P*C"]:
    """Cut each image into squares of P × P pixels, and lay the numbers of each square in a row.

    Patches come row by row from the top left. Within a patch come its pixels, row by row, and for each pixel its C
    channels. Raises ValueError, with the side and P in the message, where P does not divide the height or the width.
    Dosovitskiy et al. 2021, section 3.1.

    Example: `patchify(torch.zeros(2, 3, 32, 48), P=16).shape` is (2, 6, 768)
    """
    B, C, height, width = images.shape
    if height % P or width % P:
        raise ValueError(f"patches of {P} do not tile an image of {height} × {width}")
    grid = images.reshape(B, C, height // P, P, width // P, P)  # (B, C, rows, P, columns, P)
    return grid.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(
    patches: Float[Tensor, "B N P*P*C"], P: int, C: int, height: int, width: int
) -> Float[Tensor, "B C height width"]:
    """Put the patches of patchify together again.

    Raises ValueError, with both numbers in the message: a side and P, where P does not divide the height or the width;
    the number of patches that came and that is needed, where they differ; the numbers in a patch that came and that
    are needed, P · P · C, where they differ.

    Example: `unpatchify(patchify(images, 16), 16, 3, 32, 48)` is images, if these are 3 × 32 × 48.
    """
    if height % P or width % P:
        raise ValueError(f"patches of {P} do not tile an image of {height} × {width}")
    rows, columns = height // P, width // P
    B, N, numbers = patches.shape
    if rows * columns != N:
        raise ValueError(f"there are {N} patches, but the image needs {rows * columns}")
    if numbers != P * P * C:
        raise ValueError(f"there are {numbers} numbers in a patch, but the image needs {P * P * C}")
    grid = patches.reshape(B, rows, columns, P, P, C)
    return grid.permute(0, 5, 1, 3, 2, 4).reshape(B, C, height, width)


class PatchEmbedding(nn.Module):
    """One vector for each patch: its numbers, multiplied by one matrix for all patches, plus a bias.

    Patches come row by row from the top left. There is no activation.

    Parameters: weight (d_model, P, P, C), which is the matrix with its columns as they lie in a patch: row of the
    pixel, column of the pixel, channel; at first uniform between ±1/√(P·P·C). bias (d_model), at first zeros.
    Dosovitskiy et al. 2021, equation 1.

    Example: `PatchEmbedding(3, 16, 64)(torch.zeros(2, 3, 32, 48)).shape` is (2, 6, 64)
    """

    def __init__(self, C: int, P: int, d_model: int) -> None:
        super().__init__()
        self.P = P
        bound = (P * P * C) ** -0.5
        self.weight = nn.Parameter(torch.empty(d_model, P, P, C).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, images: Float[Tensor, "B C height width"]) -> Float[Tensor, "B N D"]:
        """The vectors of the N patches of each image.

        Raises ValueError, with the side and P in the message, where P does not divide the height or the width.
        """
        height, width = images.shape[2:]
        if height % self.P or width % self.P:
            raise ValueError(f"patches of {self.P} do not tile an image of {height} × {width}")
        squares = images.unfold(2, self.P, self.P).unfold(3, self.P, self.P)  # (B, C, rows, columns, P, P)
        patches = squares.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)  # (B, N, P * P * C)
        return patches @ self.weight.flatten(1).T + self.bias


def as_convolution(embedding: dict[str, Tensor]) -> dict[str, Tensor | int]:
    """The strided convolution that does what a patch embedding does, with the same numbers.

    embedding is the state_dict of a PatchEmbedding: weight (d_model, P, P, C) and bias (d_model). Returned are the
    keyword arguments of torch.nn.functional.conv2d and nothing else: weight (d_model, C, P, P), bias (d_model) and
    stride, the integer P. conv2d does not flip its kernels. The code published with Dosovitskiy et al. 2021 embeds so.

    Example: `F.conv2d(images, **as_convolution(embedding.state_dict()))` is (B, d_model, rows, columns): the output of
    the embedding, but for the order of the axes.
    """
    weight = embedding["weight"]
    return {"weight": weight.permute(0, 3, 1, 2), "bias": embedding["bias"], "stride": weight.shape[1]}


class VisionTransformer(nn.Module):
    """Logits of an image's classes: patches, positions, Transformer blocks without any mask, a linear readout.

    A strided convolution embeds the patches, which then come row by row from the top left. With pool = "class" a
    learned vector comes before them, and the readout reads what became of it; with pool = "mean" there is no such
    vector, and the readout reads the mean of all patches. positions are added to all tokens. n_layers pre-norm blocks
    with GELU follow, then a LayerNorm, then the pooling, then the readout. There is no dropout.

    Parameters: embedding (nn.Conv2d: C → d_model, kernel and stride P); class_token (d_model), with pool = "class"
    only; positions (a row of d_model numbers for each token: the class token's first, if there is one); layers, with
    the parameters of nn.TransformerEncoderLayer, which may be used, or your EncoderBlock of unit 06 with GELU; norm
    (nn.LayerNorm); head (nn.Linear: d_model → n_classes). positions begin as normal numbers with a standard deviation
    of 0.5: with the paper's 0.02 so small a model learns slowly. Not graded: how anything begins.

    Raises ValueError: a side and P in the message, where P does not divide the height or the width; both numbers,
    where n_heads does not divide d_model; the word, where pool is another one. Dosovitskiy et al. 2021, section 3.1.

    Example: `VisionTransformer(8, 8, 1, 2, 64, n_heads=4, d_hidden=128, n_layers=2, n_classes=10, pool="class")`
    """

    def __init__(
        self,
        height: int,
        width: int,
        C: int,
        P: int,
        d_model: int,
        n_heads: int,
        d_hidden: int,
        n_layers: int,
        n_classes: int,
        pool: str,
    ) -> None:
        super().__init__()
        if height % P or width % P:
            raise ValueError(f"patches of {P} do not tile images of {height} × {width}")
        if d_model % n_heads:
            raise ValueError(f"{n_heads} heads do not divide a width of {d_model}")
        if pool not in ("class", "mean"):
            raise ValueError(f"pool is {pool!r}; it must be 'class' or 'mean'")
        self.height, self.width, self.pool = height, width, pool
        n_tokens = (height // P) * (width // P)
        self.embedding = nn.Conv2d(C, d_model, P, stride=P)
        if pool == "class":
            self.class_token = nn.Parameter(torch.zeros(d_model))
            n_tokens += 1
        self.positions = nn.Parameter(0.5 * torch.randn(n_tokens, d_model))
        sizes = (d_model, n_heads, d_hidden, 0.0)  # the last one is dropout
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(*sizes, activation="gelu", batch_first=True, norm_first=True)
            for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, n_classes)

    def forward(self, images: Float[Tensor, "B C height width"]) -> Float[Tensor, "B n_classes"]:
        """The logits of each image. Raises ValueError, with both sizes in the message, for images of another size."""
        height, width = images.shape[2:]
        if (height, width) != (self.height, self.width):
            raise ValueError(f"images of {height} × {width}, but positions for {self.height} × {self.width}")
        x: Tensor = self.embedding(images).flatten(2).transpose(1, 2)  # (B, N, D)
        if self.pool == "class":
            x = torch.cat([self.class_token.expand(len(x), 1, -1), x], dim=1)
        x = x + self.positions
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        logits: Tensor = self.head(x[:, 0] if self.pool == "class" else x.mean(dim=1))
        return logits


def resize_positions(
    table: Float[Tensor, "T D"], old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Float[Tensor, "T_new D"]:
    """Learned positions for another grid of patches, read off between the old ones.

    Both grids are (rows, columns), and the rows of the table go through the grid row by row. Where the table has one
    row more than the grid has patches, its first row belongs to a class token and stays as it is, the first row.

    Both grids cover the same image, so the centre of new row i lies at (i + 1/2) · old / new - 1/2 on the scale of the
    old rows, and no further out than the first or the last; the same for columns. The position there is interpolated
    linearly between its neighbours along both axes: bilinear with align_corners=False in PyTorch's words, and without
    antialiasing. Raises ValueError, with the rows of the table and the patches of the old grid in the message, where
    they do not fit. Dosovitskiy et al. 2021, section 3.2.

    Example: `resize_positions(positions, (4, 4), (8, 6)).shape` is (49, 64), if positions has 17 rows of 64 numbers.
    """
    patches = old_grid[0] * old_grid[1]
    extra = len(table) - patches
    if extra not in (0, 1):
        raise ValueError(f"a table of {len(table)} rows for a grid of {patches} patches")
    picture = table[extra:].T.reshape(1, -1, *old_grid)  # (1, D, rows, columns)
    resized = F.interpolate(picture, size=new_grid, mode="bilinear", align_corners=False)
    return torch.cat([table[:extra], resized[0].flatten(1).T])


def attention_rollout(weights: Float[Tensor, "L B H T T"]) -> Float[Tensor, "B T T"]:
    """How much of each input token (column) has reached each output token (row) after all layers.

    Each layer passes on half of what it reads and, by the residual connection, half of what was there: the mean of its
    heads' weights and the identity, in equal parts. Layer 0 comes first: the next one reads what it made, so the
    matrices are multiplied with those of later layers on the left. Abnar and Zuidema 2020, section 3.

    Example: `attention_rollout(weights)[:, 0, 1:]` says how much each patch has given to the class token.
    """
    identity = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    reached = identity.expand(weights.shape[1], -1, -1)  # (B, T, T)
    for layer in weights:
        passed_on = 0.5 * layer.mean(dim=1) + 0.5 * identity
        reached = passed_on @ reached
    return reached
