"""Right programs for unit 08, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from solutions.programs import variant


@variant("conv_output_size", "counted place by place")
def size_by_counting(size, kernel, stride, padding, rounding):
    if kernel > size + 2 * padding:
        raise ValueError(f"kernel {kernel}, size {size}, padding {padding}")
    last = size + padding - kernel  # the last place where the kernel still fits
    places = list(range(-padding, last + 1, stride))
    fits = places[-1] == last
    if rounding == "floor":
        return len(places)
    if rounding == "ceil":
        return len(places) if fits else len(places) + 1
    if rounding == "exact":
        if not fits:
            raise ValueError(f"stride {stride} does not end at the edge of {size} pixels")
        return len(places)
    raise ValueError(f"unknown rounding {rounding}")


@variant("conv_output_size", "math.floor and math.ceil of the fraction")
def size_by_fractions(size, kernel, stride, padding, rounding):
    import math
    from fractions import Fraction

    steps = Fraction(size + 2 * padding - kernel, stride)
    if steps < 0:
        raise ValueError(f"a kernel of {kernel} on an image of {size}")
    if rounding == "exact" and steps.denominator > 1:
        raise ValueError(f"({size} + 2 * {padding} - {kernel}) / {stride} is {float(steps)}")
    rounds = {"floor": math.floor, "ceil": math.ceil, "exact": int}
    if rounding not in rounds:
        raise ValueError(f"{rounding}: one of {list(rounds)}")
    return 1 + rounds[rounding](steps)


@variant("patchify", "torch.nn.functional.unfold, channels moved to the end")
def patches_by_unfold(images, P):
    for side in images.shape[-2:]:
        if side % P != 0:
            raise ValueError(f"a side of {side} is no multiple of {P}")
    columns = F.unfold(images, P, stride=P)  # (B, C * P * P, N)
    return columns.unflatten(1, (images.shape[1], P * P)).permute(0, 3, 2, 1).flatten(2)


@variant("patchify", "einops")
def patches_by_einops(images, P):
    from einops import rearrange

    if any(side % P for side in images.shape[2:]):
        raise ValueError(f"{tuple(images.shape[2:])} is not made of squares of {P}")
    return rearrange(images, "b c (rows p) (columns q) -> b (rows columns) (p q c)", p=P, q=P)


@variant("patchify", "square by square")
def patches_by_loops(images, P):
    height, width = images.shape[2], images.shape[3]
    if height % P != 0 or width % P != 0:
        raise ValueError(f"height {height}, width {width}, patch {P}")
    last = images.movedim(1, -1)  # (B, height, width, C)
    corners = [(top, left) for top in range(0, height, P) for left in range(0, width, P)]
    return torch.stack([last[:, top : top + P, left : left + P].flatten(1) for top, left in corners], dim=1)


@variant("unpatchify", "torch.nn.functional.fold")
def joined_by_fold(patches, P, C, height, width):
    if height % P or width % P:
        raise ValueError(f"{height} or {width} is no multiple of {P}")
    needed = (height // P * (width // P), P * P * C)
    if tuple(patches.shape[1:]) != needed:
        raise ValueError(f"patches are {tuple(patches.shape[1:])}, and the image needs {needed}")
    columns = patches.unflatten(2, (P * P, C)).permute(0, 3, 2, 1).flatten(1, 2)  # (B, C * P * P, N)
    return F.fold(columns, (height, width), P, stride=P)


@variant("unpatchify", "einops")
def joined_by_einops(patches, P, C, height, width):
    from einops import rearrange

    rows, lost = divmod(height, P)
    columns, lost_too = divmod(width, P)
    if lost + lost_too:
        raise ValueError(f"an image of {height}x{width} has no whole number of patches of {P}")
    if patches.shape[1] != rows * columns or patches.shape[2] != P * P * C:
        came, needed = list(patches.shape[1:]), [rows * columns, P * P * C]
        raise ValueError(f"{came} instead of {needed}")
    pattern = "b (rows columns) (p q c) -> b c (rows p) (columns q)"
    return rearrange(patches, pattern, rows=rows, p=P, q=P)


@variant("unpatchify", "rows of patches concatenated")
def joined_by_cat(patches, P, C, height, width):
    if height % P > 0 or width % P > 0:
        raise ValueError(f"P = {P}, image {height} by {width}")
    across = width // P
    if patches.shape[1] != across * (height // P):
        raise ValueError(f"{patches.shape[1]} patches came, {across * (height // P)} fit")
    if patches.shape[2] != C * P**2:
        raise ValueError(f"{patches.shape[2]} numbers came, {C * P**2} fit")
    squares = [patch.unflatten(1, (P, P, C)).movedim(-1, 1) for patch in patches.unbind(1)]  # each (B, C, P, P)
    rows = [torch.cat(squares[start : start + across], dim=3) for start in range(0, len(squares), across)]
    return torch.cat(rows, dim=2)


@variant("PatchEmbedding", "a strided convolution")
class EmbeddingByConvolution(nn.Module):
    def __init__(self, C, P, d_model):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.weight = nn.Parameter(torch.randn(d_model, P, P, C) / (P * C**0.5))

    def forward(self, images):
        P = self.weight.shape[1]
        for side in images.shape[-2:]:
            if side % P:
                raise ValueError(f"{side} pixels are not cut evenly by {P}")
        kernels = self.weight.movedim(-1, 1)
        return F.conv2d(images, kernels, self.bias, stride=P).flatten(2).mT


@variant("PatchEmbedding", "einsum over all axes of a patch")
class EmbeddingByEinsum(nn.Module):
    def __init__(self, C, P, d_model):
        super().__init__()
        self.P = P
        layer = nn.Linear(P * P * C, d_model)  # for its way to begin
        self.weight = nn.Parameter(layer.weight.detach().unflatten(1, (P, P, C)))
        self.bias = nn.Parameter(layer.bias.detach())

    def forward(self, images):
        height, width, P = images.shape[2], images.shape[3], self.P
        if height // P * P != height or width // P * P != width:
            raise ValueError(f"{height} x {width} and P = {P}")
        squares = images.unflatten(3, (-1, P)).unflatten(2, (-1, P))  # (B, C, rows, P, columns, P)
        return torch.einsum("bcrpsq,dpqc->brsd", squares, self.weight).flatten(1, 2) + self.bias


@variant("PatchEmbedding", "nn.functional.linear on each square")
class EmbeddingBySquares(nn.Module):
    def __init__(self, C, P, d_model):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(d_model, P, P, C))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, images):
        d_model, P, _, _ = self.weight.shape
        height, width = images.shape[-2:]
        if height % P + width % P:
            raise ValueError(f"{(height, width)} and {P}")
        matrix, vectors = self.weight.reshape(d_model, -1), []
        for top in range(0, height, P):
            for left in range(0, width, P):
                square = images[:, :, top : top + P, left : left + P].permute(0, 2, 3, 1)
                vectors.append(F.linear(square.flatten(1), matrix, self.bias))
        return torch.stack(vectors, dim=1)


@variant("as_convolution", "channel by channel")
def convolution_by_channels(embedding):
    matrix = embedding["weight"]
    kernels = torch.stack([matrix[..., channel] for channel in range(matrix.shape[-1])], dim=1)
    return dict(weight=kernels, bias=embedding["bias"].clone(), stride=int(matrix.shape[2]))


@variant("as_convolution", "einops, detached copies")
def convolution_by_einops(embedding):
    from einops import rearrange

    weight, bias = embedding["weight"].detach(), embedding["bias"].detach()
    return {"stride": weight.size(1), "bias": bias, "weight": rearrange(weight, "d p q c -> d c p q").contiguous()}


@variant("as_convolution", "two exchanges of axes")
def convolution_by_transposes(embedding):
    moved = embedding["weight"].transpose(2, 3).transpose(1, 2)
    return {"weight": moved, "bias": embedding["bias"], "stride": moved.shape[-1]}


@variant("VisionTransformer", "patches unfolded, blocks written out")
class VisionByHand(nn.Module):
    def __init__(self, height, width, C, P, d_model, n_heads, d_hidden, n_layers, n_classes, pool):
        super().__init__()
        if height % P != 0 or width % P != 0:
            raise ValueError(f"image {(height, width)}, patches {P}")
        if d_model % n_heads != 0:
            raise ValueError(f"d_model={d_model}, n_heads={n_heads}")
        if pool not in {"mean", "class"}:
            raise ValueError(f"no pooling called {pool}")
        self.size, self.n_heads = (height, width), n_heads
        self.embedding = nn.Conv2d(C, d_model, kernel_size=P, stride=P)
        self.class_token = nn.Parameter(torch.zeros(d_model)) if pool == "class" else None
        tokens = height // P * (width // P) + (1 if pool == "class" else 0)
        self.positions = nn.Parameter(torch.randn(tokens, d_model) / 2)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(d_model, n_heads, d_hidden) for _ in range(n_layers))
        self.norm, self.head = nn.LayerNorm(d_model), nn.Linear(d_model, n_classes)

    def forward(self, images):
        if images.shape[-2:] != self.size:
            raise ValueError(f"made for {self.size}, called with {tuple(images.shape[-2:])}")
        P = self.embedding.kernel_size[0]
        x = F.unfold(images, P, stride=P).mT @ self.embedding.weight.flatten(1).T + self.embedding.bias
        if self.class_token is None:
            x = x + self.positions
        else:
            first = (self.class_token + self.positions[0]).repeat(len(x), 1, 1)
            x = torch.cat([first, x + self.positions[1:]], dim=1)
        for block in self.layers:
            y, attention = block.norm1(x), block.self_attn
            roles = F.linear(y, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
            q, k, v = (role.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for role in roles)
            x = x + attention.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
            x = x + block.linear2(F.gelu(block.linear1(block.norm2(x))))
        return self.head(self.norm(x)[:, 0] if self.class_token is not None else self.norm(x).mean(1))


@variant("VisionTransformer", "PyTorch's stack of layers, the class token written into an empty row")
class VisionByStack(nn.Module):
    def __init__(self, height, width, C, P, d_model, n_heads, d_hidden, n_layers, n_classes, pool):
        super().__init__()
        rows, columns = height // P, width // P
        if (rows * P, columns * P) != (height, width):
            raise ValueError(f"{height}x{width} is not tiled by {P}x{P}")
        if d_model // n_heads * n_heads != d_model:
            raise ValueError(f"{d_model} cannot be divided by {n_heads}")
        self.first = {"class": 1, "mean": 0}.get(pool)
        if self.first is None:
            raise ValueError(f"pool must be class or mean, not {pool}")
        if self.first:
            self.class_token = nn.Parameter(torch.randn(d_model))
        self.image = height, width
        self.positions = nn.Parameter(torch.empty(rows * columns + self.first, d_model).normal_(std=0.5))
        self.embedding = nn.Conv2d(C, d_model, (P, P), (P, P))
        block = nn.TransformerEncoderLayer(
            d_model, n_heads, d_hidden, dropout=0.1, activation=F.gelu, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(block, n_layers, enable_nested_tensor=False).layers
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, n_classes)

    def forward(self, images):
        size = images.shape[2], images.shape[3]
        if size != self.image:
            raise ValueError(f"{size} is not {self.image}")
        patches = self.embedding(images)  # (B, D, rows, columns)
        tokens = images.new_zeros(len(images), *self.positions.shape) + self.positions
        tokens[:, self.first :] = tokens[:, self.first :] + patches.flatten(2).permute(0, 2, 1)
        if self.first:
            tokens[:, 0] = tokens[:, 0] + self.class_token
        for block in self.layers:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return self.head(tokens[:, 0]) if self.first else self.head(tokens).sum(1) / tokens.shape[1]


@variant("resize_positions", "a matrix for the rows and a matrix for the columns")
def resized_by_matrices(table, old_grid, new_grid):
    rows, columns = old_grid
    if len(table) - rows * columns not in (0, 1):
        raise ValueError(f"{len(table)} rows do not fit {rows * columns} patches")

    def between(old, new):
        centres = ((torch.arange(new, dtype=table.dtype, device=table.device) + 0.5) * old / new - 0.5).clamp(
            0, old - 1
        )
        places = torch.arange(old, dtype=table.dtype, device=table.device)
        return (1 - (centres[:, None] - places).abs()).clamp(min=0)  # (new, old)

    grid = table[-rows * columns :].unflatten(0, (rows, columns))
    down, across = between(rows, new_grid[0]), between(columns, new_grid[1])
    resized = torch.einsum("ur,vc,rcd->uvd", down, across, grid).flatten(0, 1)
    return torch.cat([table[:1], resized]) if len(table) > rows * columns else resized


@variant("resize_positions", "sampled at the centres of the new patches")
def resized_by_sampling(table, old_grid, new_grid):
    patches = old_grid[0] * old_grid[1]
    if len(table) < patches or len(table) > patches + 1:
        raise ValueError(f"{len(table)} is neither {patches} nor one more")
    class_rows, rest = table.split([len(table) - patches, patches])
    y, x = ((2 * torch.arange(n).to(table) + 1) / n - 1 for n in new_grid)  # centres, on a scale from -1 to 1
    places = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)[None]  # (1, rows, columns, (x, y))
    picture = rest.unflatten(0, tuple(old_grid)).movedim(-1, 0)[None]
    sampled = F.grid_sample(picture, places, mode="bilinear", padding_mode="border", align_corners=False)
    return torch.vstack([class_rows, sampled[0].flatten(1).mT])


@variant("resize_positions", "one row at a time, by its four neighbours")
def resized_by_neighbours(table, old_grid, new_grid):
    patches = old_grid[0] * old_grid[1]
    skipped = len(table) - patches
    if not 0 <= skipped <= 1:
        raise ValueError(f"table {len(table)}, grid {patches}")

    def neighbours(place, old, new):
        centre = min(max((place + 0.5) * old / new - 0.5, 0.0), old - 1.0)
        low = int(centre)
        return (low, 1 - centre + low), (min(low + 1, old - 1), centre - low)

    rows = [table[0]] * skipped
    for i in range(new_grid[0]):
        for j in range(new_grid[1]):
            down, across = neighbours(i, old_grid[0], new_grid[0]), neighbours(j, old_grid[1], new_grid[1])
            corners = [(table[skipped + r * old_grid[1] + c], v * w) for r, v in down for c, w in across]
            rows.append(sum(share * row for row, share in corners))
    return torch.stack(rows)


@variant("attention_rollout", "rows normalised, one product of all")
def rollout_by_multi_dot(weights):
    with_residual = weights.mean(2) + torch.eye(weights.shape[-1]).to(weights)
    passed_on = with_residual / with_residual.sum(-1, keepdim=True)
    reached = passed_on[0]
    for layer in passed_on[1:]:
        reached = torch.bmm(layer, reached)
    return reached


@variant("attention_rollout", "from the last layer back to the first")
def rollout_backwards(weights):
    from functools import reduce

    averaged = weights.sum(dim=2) / weights.shape[2]
    half = averaged.flip(0) / 2
    half.diagonal(dim1=-2, dim2=-1).add_(0.5)
    return reduce(torch.matmul, half)


@variant("attention_rollout", "half of what was there, half of what is read")
def rollout_as_a_recurrence(weights):
    reached = torch.ones_like(weights[0, :, 0, 0]).diag_embed()
    for heads in weights:
        reached = (reached + torch.einsum("bhts,bsu->btu", heads, reached) / heads.shape[1]) / 2
    return reached
