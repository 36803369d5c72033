"""Unit 08: images as sentences of patches, and the Vision Transformer."""

from __future__ import annotations

import torch
from torch import Tensor

from autograder.checks import Draw, Exercise, Subject, expect
from autograder.checks.request import Value

UNTILED = ((2, 16, 15), (3, 18, 20), (4, 16, 27), (6, 72, 58), (7, 98, 86))
"""Sides P of a patch, with a side of an image that even P · P divides and one that P does not; they share no digit."""

UNEVEN = ((62, 11, 7), (48, 13, 9), (74, 9, 6), (93, 12, 5), (60, 9, 8))
"""Sizes, kernels and strides that leave something over; size and stride share no digit."""

ROUNDINGS = ("floor", "ceil", "exact")

# ----------------------------------------------------------------------------------------------- conv_output_size

size = Exercise("conv_output_size", points=4, paper="Dumoulin and Visin 2016, section 2.4, relationship 6")


def kernel_and_stride(draw: Draw) -> tuple[int, int, int]:
    """A stride, a kernel between one and two strides wide, and a number of steps of at least four."""
    stride = int(draw.integers(5, 12))
    return stride, stride + int(draw.integers(1, stride)), int(draw.integers(4, 20))


@size.check(
    "without padding, when the last step ends at the edge",
    points=1,
    suspect="the distance that the kernel moves (size - kernel), or the place where it begins, which counts too",
    experiment="a kernel of 3 and a stride of 2 on 7 pixels begin at 0, 2 and 4: three places",
)
def exact_fit(student: Subject, draw: Draw) -> None:
    stride, kernel, steps = kernel_and_stride(draw)
    for rounding in ROUNDINGS:
        student.agrees(kernel + stride * steps, kernel, stride, 0, rounding, gradients=False)


@size.check(
    "a kernel as large as the image has one place",
    points=0.25,
    suspect="the comparison of kernel and size: equal is allowed",
    experiment="conv_output_size(5, 5, 2, 0, rounding) is 1 for every rounding",
)
def one_place(student: Subject, draw: Draw) -> None:
    stride, kernel, _ = kernel_and_stride(draw)
    for rounding in ("ceil", "exact", "floor"):
        student.agrees(kernel, kernel, stride, 0, rounding, gradients=False)


@size.check(
    "floor: a last step that does not fit is left out",
    points=0.5,
    suspect="the rounding: // rounds down, however much is left over",
    experiment="a kernel of 3 and a stride of 5 have two places on 8 pixels, and on 9 and 12 as well",
)
def rounds_down(student: Subject, draw: Draw) -> None:
    stride, kernel, steps = kernel_and_stride(draw)
    for left_over in (1, 2, stride - 2, stride - 1):  # less than half a step, then more
        student.agrees(kernel + stride * steps + left_over, kernel, stride, 0, "floor", gradients=False)


@size.check(
    "ceil: a last step that does not fit is taken, over the edge",
    points=0.5,
    suspect="the rounding: up, even if a single pixel is left over, and not at all if none is",
    experiment="a kernel of 3 and a stride of 5 have three places on 9 pixels, and two on 8",
)
def rounds_up(student: Subject, draw: Draw) -> None:
    stride, kernel, steps = kernel_and_stride(draw)
    for left_over in (stride - 1, 1, 2):
        student.agrees(kernel + stride * steps + left_over, kernel, stride, 0, "ceil", gradients=False)


@size.check(
    "padding at both ends",
    points=0.75,
    after="without padding, when the last step ends at the edge",
    suspect="padding that is added once, or forgotten where kernel and size are compared",
    experiment="5 pixels with a padding of 1 are 7 pixels",
)
def padded_at_both_ends(student: Subject, draw: Draw) -> None:
    stride, kernel, steps = kernel_and_stride(draw)
    padding = stride - int(draw.integers(1, 3))  # over half a step: once, twice and never make three numbers of places
    for rounding in ROUNDINGS:
        student.agrees(kernel + stride * steps - 2 * padding, kernel, stride, padding, rounding, gradients=False)
    student.agrees(kernel - 2, kernel, stride, 1, "floor", gradients=False)


@size.check(
    "exact: a step that is left over is refused",
    points=0.5,
    after="without padding, when the last step ends at the edge",
    suspect="a missing test of the remainder (%)",
    experiment="conv_output_size(224, 11, 4, 0, 'exact') must raise ValueError with 224 and 4 in the message",
)
def refuses_left_over(student: Subject, draw: Draw) -> None:
    for length, kernel, stride in UNEVEN[int(draw.integers(0, len(UNEVEN))) :][:2]:
        student.refuses(length, kernel, stride, 0, "exact", mentions=(length, stride))


@size.check(
    "a kernel larger than the padded image is refused",
    points=0.25,
    after="without padding, when the last step ends at the edge",
    suspect="a missing comparison: // of a negative number gives 0 or less, and no error",
    experiment="conv_output_size(3, 6, 1, 1, 'floor') must raise ValueError with 6 and 3 in the message",
)
def refuses_large_kernel(student: Subject, draw: Draw) -> None:
    length = int(draw.integers(41, 49))
    for rounding in ("floor", "ceil"):
        student.refuses(length, 53 + length % 2, 3, 1, rounding, mentions=(53 + length % 2, length))


@size.check(
    "another rounding is refused",
    points=0.25,
    after="without padding, when the last step ends at the edge",
    suspect="an else that takes everything: a misspelt word would pass for a choice",
    experiment="conv_output_size(9, 3, 2, 0, 'up') must raise ValueError with 'up' in the message",
)
def refuses_other_rounding(student: Subject, draw: Draw) -> None:
    word = ("up", "round", "nearest", "down")[int(draw.integers(0, 4))]
    student.refuses(31, 7, 4, 0, word, mentions=(word,))


# ------------------------------------------------------------------------------------------------------- patchify

cut = Exercise("patchify", points=6, paper="Dosovitskiy et al. 2021, section 3.1")


def images_to_cut(draw: Draw, *, rows: int = 0, columns: int = 0, P: int = 0) -> tuple[Tensor, int]:
    """Images and the side of their patches: B, C, P, rows and columns of patches all different but for those given."""
    B, C, *grid = draw.sizes(4, low=6, high=11)
    P = P or (3, 5)[int(draw.integers(0, 2))]
    return draw.normal(B, C, (rows or grid[0]) * P, (columns or grid[1]) * P), P


def refused_sides(draw: Draw) -> tuple[int, tuple[tuple[int, int], ...], int]:
    """A side of a patch, sizes of images that it does not tile, and the side of these that it does not divide.

    First both sides are to blame, then the height, then the width, then a height with an area that patches could fill.
    """
    P, good, bad = UNTILED[int(draw.integers(0, len(UNTILED)))]
    return P, ((bad, bad), (bad, good + P), (good + P, bad), (bad, good)), bad


def cuttable(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, images_to_cut(draw)


@cut.check(
    "one patch, one channel: its pixels row by row",
    points=0.75,
    suspect="columns of pixels before rows, or the number of axes of the output: (B, N, P · P · C)",
    experiment="patchify the image [[1, 2], [3, 4]] with P = 2: it should give 1, 2, 3, 4",
)
def one_grey_patch(student: Subject, draw: Draw) -> None:
    images, P = images_to_cut(draw, rows=1, columns=1)
    grey = images[:, :1]
    expect(student(grey, P)).close(grey.reshape(len(grey), 1, P * P))


@cut.check(
    "one patch, several channels: each pixel with its channels",
    points=0.75,
    suspect="the order of the axes within a patch: row, column, channel, so the channel changes fastest",
    experiment="patchify two channels, of ones and of twos: the patch should read 1, 2, 1, 2, …",
)
def one_coloured_patch(student: Subject, draw: Draw) -> None:
    images, P = images_to_cut(draw, rows=1, columns=1)
    expect(student(images, P)).close(images.permute(0, 2, 3, 1).reshape(len(images), 1, -1))


@cut.check(
    "patches of one pixel: row by row from the top left",
    points=0.75,
    suspect="the order of the patches, or an image whose height and width are exchanged",
    experiment="patchify torch.arange(6.).view(1, 1, 2, 3) with P = 1: it should give 0, 1, 2, 3, 4, 5",
)
def patches_of_one_pixel(student: Subject, draw: Draw) -> None:
    images, P = images_to_cut(draw, P=1)
    expect(student(images, P)).close(images.flatten(2).transpose(1, 2))


@cut.check(
    "patches of several pixels, one channel",
    points=0.75,
    suspect="a reshape that cuts the numbers in the order in which they lie, and not into squares",
    experiment="patchify torch.arange(16.).view(1, 1, 4, 4) with P = 2: the first patch is 0, 1, 4, 5",
)
def grey_patches(student: Subject, draw: Draw) -> None:
    images, P = images_to_cut(draw)
    student.agrees(images[:, :1], P, gradients=False)


@cut.check(
    "patches of several pixels, several channels",
    points=1,
    suspect="axes that are split right and put together in another order: after the split, permute, then flatten",
    experiment="compare patch n with images[:, :, r * P : (r + 1) * P, c * P : (c + 1) * P], n = r · columns + c",
)
def coloured_patches(student: Subject, draw: Draw) -> None:
    student.agrees(*images_to_cut(draw), gradients=False)


@cut.check(
    "an image that patches do not tile is refused",
    points=0.75,
    after="one patch, one channel: its pixels row by row",
    suspect="a missing test of height % P, or of width % P",
    experiment="patchify an image of 6 × 7 pixels with P = 3: ValueError, with 7 and 3 in the message",
)
def refuses_untiled(student: Subject, draw: Draw) -> None:
    P, untiled, bad = refused_sides(draw)
    for height, width in untiled:
        student.refuses(draw.normal(2, 3, height, width), P, mentions=(bad, P))


@cut.check(
    "gradients reach every pixel",
    points=0.5,
    after="patches of several pixels, several channels",
    suspect="a detach() or a copy through numbers on the way",
    experiment="call .sum().backward() on the output and print images.grad",
)
def cut_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*images_to_cut(draw))


cut.good_manners(cuttable, after="patches of several pixels, several channels", points=0.25)

# ----------------------------------------------------------------------------------------------------- unpatchify

join = Exercise("unpatchify", points=4, paper="Dosovitskiy et al. 2021, section 3.1; He et al. 2022, section 3")


def patches_to_join(draw: Draw, *, rows: int = 0, columns: int = 0, P: int = 0) -> tuple[Value, ...]:
    """Patches, P, C, height and width."""
    images, P = images_to_cut(draw, rows=rows, columns=columns, P=P)
    B, C, height, width = images.shape
    return draw.normal(B, (height // P) * (width // P), P * P * C), P, C, height, width


def joinable(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, patches_to_join(draw)


@join.check(
    "one patch is the whole image",
    points=0.5,
    suspect="the order of the axes within a patch: row, column, channel",
    experiment="a patch 1, 2, 3, 4 is the image [[1, 2], [3, 4]] for P = 2 and C = 1, and one pixel for P = 1, C = 4",
)
def one_patch_is_all(student: Subject, draw: Draw) -> None:
    student.agrees(*patches_to_join(draw, rows=1, columns=1), gradients=False)


@join.check(
    "patches of one pixel: row by row from the top left",
    points=0.5,
    suspect="rows and columns exchanged: height / P rows of width / P patches",
    experiment="patches 0 to 5 of one number each, on an image of 2 × 3: the first row is 0, 1, 2",
)
def pixels_joined(student: Subject, draw: Draw) -> None:
    student.agrees(*patches_to_join(draw, P=1), gradients=False)


@join.check(
    "patches of several pixels, several channels",
    points=1,
    suspect="the order of the axes between the two reshapes: C, rows, P, columns, P",
    experiment="compare the upper left P × P pixels with patch 0, and those to the right of them with patch 1",
)
def patches_joined(student: Subject, draw: Draw) -> None:
    student.agrees(*patches_to_join(draw), gradients=False)


@join.check(
    "an image that patches do not tile is refused",
    points=0.5,
    after="one patch is the whole image",
    suspect="a missing test of height % P, or of width % P",
    experiment="ask for an image of 6 × 7 pixels with P = 3: ValueError, with 7 and 3 in the message",
)
def refuses_untiled_image(student: Subject, draw: Draw) -> None:
    P, untiled, bad = refused_sides(draw)
    for height, width in untiled:
        patches = draw.normal(2, (height // P) * (width // P), P * P * 3)
        student.refuses(patches, P, 3, height, width, mentions=(bad, P))


@join.check(
    "patches that do not fill the image are refused, and patches of another size",
    points=0.5,
    after="one patch is the whole image",
    suspect="a missing comparison of patches.shape with the image: a view may swallow the difference",
    experiment="give four patches where the image needs six, then patches of 8 numbers where P · P · C is 12",
)
def refuses_wrong_patches(student: Subject, draw: Draw) -> None:
    B = int(draw.integers(3, 7))
    student.refuses(draw.normal(B, 14, 18), 3, 2, 9, 15, mentions=(14, 15))  # 3 × 5 patches are needed
    student.refuses(draw.normal(B, 30, 18), 3, 2, 9, 15, mentions=(30, 15))  # those of twice as many images
    student.refuses(draw.normal(B, 15, 36), 3, 2, 9, 15, mentions=(36, 18))  # those of twice as many channels


@join.check(
    "gradients reach every patch",
    points=0.25,
    after="patches of several pixels, several channels",
    suspect="a detach() or a copy through numbers on the way",
    experiment="call .sum().backward() on the output and print patches.grad",
)
def join_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*patches_to_join(draw))


join.good_manners(joinable, after="patches of several pixels, several channels", points=0.25)

# ------------------------------------------------------------------------------------------------- PatchEmbedding

embed = Exercise("PatchEmbedding", points=5, paper="Dosovitskiy et al. 2021, equation 1")


def embedding_and_images(
    student: Subject, draw: Draw, *, rows: int = 0, columns: int = 0, P: int = 0
) -> tuple[Subject, tuple[Tensor]]:
    """A module of a width that no other axis has, and images."""
    images, P = images_to_cut(draw, rows=rows, columns=columns, P=P)
    return student.build(C=images.shape[1], P=P, d_model=17), (images,)


@embed.check(
    "weight and bias have the right names and shapes",
    points=0.5,
    suspect="the shape of the weight: (d_model, P, P, C), the channel last",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def embedding_parameters(student: Subject, draw: Draw) -> None:
    C, P, d_model = draw.sizes(3)
    student.has_the_parameters(C=C, P=P, d_model=d_model)


@embed.check(
    "black images give the bias",
    points=0.5,
    after="weight and bias have the right names and shapes",
    suspect="a bias that is not added, or an output that is not (B, N, d_model)",
    experiment="call it with torch.zeros(2, C, P, 2 * P): both vectors are module.bias",
)
def black_images(student: Subject, draw: Draw) -> None:
    module, (images,) = embedding_and_images(student, draw)
    module.agrees(torch.zeros_like(images), gradients=False)


@embed.check(
    "patches of one pixel",
    points=0.5,
    after="weight and bias have the right names and shapes",
    suspect="the order of the patches, or the product: with P = 1 the weight is a matrix (d_model, C)",
    experiment="with P = 1 compare with images.flatten(2).mT @ module.weight[:, 0, 0].T + module.bias",
)
def embedded_pixels(student: Subject, draw: Draw) -> None:
    module, arguments = embedding_and_images(student, draw, P=1)
    module.agrees(*arguments, gradients=False)


@embed.check(
    "one patch",
    points=0.75,
    after="weight and bias have the right names and shapes",
    suspect="numbers of the patch and of the weight in different orders: both are row, column, channel",
    experiment="compare with (module.weight * images[0].permute(1, 2, 0)).sum(dim=(1, 2, 3)) + module.bias",
)
def one_embedded_patch(student: Subject, draw: Draw) -> None:
    module, arguments = embedding_and_images(student, draw, rows=1, columns=1)
    module.agrees(*arguments, gradients=False)


@embed.check(
    "several patches of several pixels",
    points=1,
    after="weight and bias have the right names and shapes",
    suspect="how the patches are cut: try your patchify on the same images",
    experiment="embed one patch alone, and the same patch inside a larger image, and compare",
)
def embedded_patches(student: Subject, draw: Draw) -> None:
    module, arguments = embedding_and_images(student, draw)
    module.agrees(*arguments, gradients=False)


@embed.check(
    "an image that patches do not tile is refused",
    points=0.5,
    after="black images give the bias",
    suspect="a missing test: a strided convolution, for one, leaves out the edge without a word",
    experiment="call it with an image of 6 × 7 pixels and P = 3: ValueError, with 7 and 3 in the message",
)
def refuses_to_embed_untiled(student: Subject, draw: Draw) -> None:
    P, untiled, bad = refused_sides(draw)
    module = student.build(C=3, P=P, d_model=2)
    for height, width in untiled:
        module.refuses(draw.normal(2, 3, height, width), mentions=(bad, P))


@embed.check(
    "gradients reach the images, the weight and the bias",
    points=0.5,
    after="several patches of several pixels",
    suspect="a detach() or no_grad() on the way",
    experiment="call .sum().backward() on the output and print the gradient of each parameter",
)
def embedding_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = embedding_and_images(student, draw)
    module.agrees(*arguments)


embed.good_manners(embedding_and_images, after="several patches of several pixels", points=0.25)

# ------------------------------------------------------------------------------------------------- as_convolution

convolve = Exercise("as_convolution", points=3, paper="Dosovitskiy et al. 2021, the code published with it")


def embedding_state(draw: Draw, *, P: int = 0, C: int = 0) -> dict[str, Value]:
    """The state_dict of a PatchEmbedding; every axis of its own size but for those given."""
    d_model, side, channels = draw.sizes(3)
    P, C = P or side, C or channels
    return {"weight": draw.normal(d_model, P, P, C), "bias": draw.normal(d_model)}


def convertible(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, (embedding_state(draw),)


@convolve.check(
    "patches of one pixel: the weight is a matrix",
    points=0.5,
    suspect="the names (weight, bias and stride, and no other), or the type of stride, an integer",
    experiment="print({name: getattr(value, 'shape', value) for name, value in as_convolution(…).items()})",
)
def filters_of_one_pixel(student: Subject, draw: Draw) -> None:
    student.agrees(embedding_state(draw, P=1), gradients=False)


@convolve.check(
    "one channel: a kernel for each output",
    points=0.75,
    suspect="rows and columns exchanged, or kernels that are flipped; or the stride, which is P",
    experiment="for one channel weight[:, 0] must be embedding['weight'][..., 0], unchanged",
)
def grey_filters(student: Subject, draw: Draw) -> None:
    student.agrees(embedding_state(draw, C=1), gradients=False)


@convolve.check(
    "several channels",
    points=1,
    suspect="a view or reshape where axes have to move: from (d_model, P, P, C) to (d_model, C, P, P) takes permute",
    experiment="compare weight[3, 1] with embedding['weight'][3, :, :, 1]",
)
def coloured_filters(student: Subject, draw: Draw) -> None:
    student.agrees(embedding_state(draw), gradients=False)


convolve.good_manners(convertible, after="several channels", points=0.25)

# ---------------------------------------------------------------------------------------------- VisionTransformer

vision = Exercise("VisionTransformer", points=9, paper="Dosovitskiy et al. 2021, section 3.1")

HEADS = 5
POOLS = ("class", "mean")


def model_and_images(
    student: Subject, draw: Draw, pool: str, *, n_layers: int = 1, zero: tuple[str, ...] = ()
) -> tuple[Subject, tuple[Tensor]]:
    """A model with patches of 3 × 3, and images whose every axis is of its own size."""
    P, (rows, columns, B, C) = 3, draw.sizes(4, low=5, high=11)
    module = student.build(
        zero=zero,
        height=rows * P,
        width=columns * P,
        C=C,
        P=P,
        d_model=HEADS * int(draw.integers(3, 5)),
        n_heads=HEADS,
        d_hidden=26,
        n_layers=n_layers,
        n_classes=14,
        pool=pool,
    )
    return module, (draw.normal(B, C, rows * P, columns * P, scale=0.3),)


def refuses_to_be(student: Subject, mentions: tuple[int | str, ...], **different: Value) -> None:
    """A constructor that would do well but for these arguments."""
    good = {"height": 6, "width": 8, "C": 1, "P": 2, "d_model": 6, "n_heads": 3, "d_hidden": 5, "n_layers": 1}
    student.refuses_to_build(mentions=mentions, **{**good, "n_classes": 4, "pool": "mean", **different})


def typical_model(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor]]:
    return model_and_images(student, draw, "class")


@vision.check(
    "parameters with the right names and shapes, for both ways of pooling",
    points=0.75,
    suspect="the table of positions (a row for the class token, where there is one), or a norm that is missing",
    experiment="print({name: p.shape for name, p in model.named_parameters()})",
)
def vision_parameters(student: Subject, draw: Draw) -> None:
    P, rows, columns, C = draw.sizes(4)
    for pool in POOLS:
        student.has_the_parameters(
            height=rows * P,
            width=columns * P,
            C=C,
            P=P,
            d_model=3 * HEADS,
            n_heads=HEADS,
            d_hidden=26,
            n_layers=2,
            n_classes=14,
            pool=pool,
        )


@vision.check(
    "class token, silent layers: the token, its position, the norm and the readout",
    points=0.75,
    after="parameters with the right names and shapes, for both ways of pooling",
    suspect="where the class token stands (first), or whether it gets a position (positions[0])",
    experiment="set all layers to zero: the logits are head(norm(class_token + positions[0])), whatever the image",
)
def silent_class_token(student: Subject, draw: Draw) -> None:
    model, arguments = model_and_images(student, draw, "class", zero=("layers",))
    model.agrees(*arguments, gradients=False)


@vision.check(
    "mean pooling, silent layers: patches, positions, norm, mean and readout",
    points=1,
    after="parameters with the right names and shapes, for both ways of pooling",
    suspect="which position a patch gets, or the order at the end: norm each token, then take the mean of all",
    experiment="set all layers to zero and compare with head(norm(patches + positions).mean(dim=1))",
)
def silent_mean(student: Subject, draw: Draw) -> None:
    model, arguments = model_and_images(student, draw, "mean", zero=("layers",))
    model.agrees(*arguments, gradients=False)


@vision.check(
    "mean pooling, one layer",
    points=1.25,
    after="mean pooling, silent layers: patches, positions, norm, mean and readout",
    suspect="a mask (there is none), the activation (GELU), post-norm for pre-norm, or a missing batch_first=True",
    experiment="compare with nn.TransformerEncoderLayer(…, activation='gelu', batch_first=True, norm_first=True)",
)
def one_mean_layer(student: Subject, draw: Draw) -> None:
    model, arguments = model_and_images(student, draw, "mean")
    model.agrees(*arguments, gradients=False)


@vision.check(
    "class token, one layer",
    points=1.25,
    after="parameters with the right names and shapes, for both ways of pooling",
    suspect="what the readout reads: row 0 after the last norm, with every image's own class token",
    experiment="print the shape of the tokens before the layers, (B, 1 + N, d_model), and of what head reads",
)
def one_class_layer(student: Subject, draw: Draw) -> None:
    model, arguments = model_and_images(student, draw, "class")
    model.agrees(*arguments, gradients=False)


@vision.check(
    "two layers",
    points=0.75,
    after="class token, one layer",
    suspect="a layer that is used twice or left out",
    experiment="print how often each layer is called: register_forward_hook counts",
)
def two_vision_layers(student: Subject, draw: Draw) -> None:
    for pool in POOLS:
        model, arguments = model_and_images(student, draw, pool, n_layers=2)
        model.agrees(*arguments, gradients=False)


@vision.check(
    "patches that do not tile the image are refused",
    points=0.5,
    after="parameters with the right names and shapes, for both ways of pooling",
    suspect="a missing test in the constructor: nn.Conv2d leaves out the edge without a word",
    experiment="build it for images of 6 × 7 pixels with P = 3: ValueError, with 7 and 3 in the message",
)
def refuses_to_be_untiled(student: Subject, draw: Draw) -> None:
    P, untiled, bad = refused_sides(draw)
    for height, width in untiled:
        refuses_to_be(student, (bad, P), height=height, width=width, P=P)


@vision.check(
    "heads that do not divide the width, and another pool, are refused",
    points=0.5,
    after="parameters with the right names and shapes, for both ways of pooling",
    suspect="a missing test: nn.MultiheadAttention raises AssertionError, without the numbers",
    experiment="build it with d_model = 10 and n_heads = 4, then with pool = 'max'",
)
def refuses_to_be_odd(student: Subject, draw: Draw) -> None:
    d_model = 10 * int(draw.integers(2, 9)) + 1
    refuses_to_be(student, (d_model, 10), d_model=d_model, n_heads=10)
    word = ("max", "sum", "cls")[int(draw.integers(0, 3))]
    refuses_to_be(student, (word,), pool=word)


@vision.check(
    "images of another size are refused",
    points=0.5,
    after="class token, one layer",
    suspect="a missing comparison: as many patches in another shape would get the wrong positions without a word",
    experiment="build it for 6 × 8 pixels and call it with 8 × 6: ValueError, with both sizes in the message",
)
def refuses_other_sizes(student: Subject, draw: Draw) -> None:
    module, (images,) = model_and_images(student, draw, "mean")
    height, width = images.shape[2:]
    wider = torch.cat([images, images[..., :1]], dim=-1)
    for other in (images[:, :, :-3], wider, images.transpose(2, 3).contiguous()):
        module.refuses(other, mentions=(height, width, *other.shape[2:]))


@vision.check(
    "gradients reach the images and every parameter",
    points=1,
    after="class token, one layer",
    suspect="a detach() or no_grad() on the way, or a parameter that is not used",
    experiment="call .sum().backward() on the logits and print the gradient of each parameter",
)
def vision_gradients(student: Subject, draw: Draw) -> None:
    for pool in POOLS:
        model, arguments = model_and_images(student, draw, pool)
        model.agrees(*arguments)


vision.good_manners(typical_model, after="class token, one layer", points=0.25)

# ----------------------------------------------------------------------------------------------- resize_positions

resize = Exercise("resize_positions", points=5, paper="Dosovitskiy et al. 2021, section 3.2")

Grid = tuple[int, int]


def table_and_grids(draw: Draw) -> tuple[Tensor, Grid, Grid]:
    """A table without a class token, its grid, and a larger grid: on both sides, by no whole factor, and no square."""
    rows, columns, D = draw.sizes(3)
    new = (rows + 1, columns + 2) if rows < columns else (rows + 2, columns + 1)
    return draw.normal(rows * columns, D), (rows, columns), new


def with_class_row(draw: Draw, table: Tensor) -> Tensor:
    return torch.cat([draw.normal(1, table.shape[1]), table])


def resizable(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    table, old, new = table_and_grids(draw)
    return student, (with_class_row(draw, table), old, new)


@resize.check(
    "the same grid: the same table",
    points=0.5,
    suspect="the way from the table to a picture and back: (rows · columns, D) to (D, rows, columns) takes a transpose",
    experiment="print resize_positions(torch.arange(12.).view(6, 2), (2, 3), (2, 3))",
)
def same_grid(student: Subject, draw: Draw) -> None:
    table, old, _ = table_and_grids(draw)
    for given in (table, with_class_row(draw, table)):
        expect(student(given, old, old)).close(given)


@resize.check(
    "a line of patches, lengthened",
    points=1,
    suspect="where the new patches lie: their centres, at (i + 1/2) · old / new - 1/2, and not beyond the ends",
    experiment="positions 0 and 1 on a grid (1, 2), resized to (1, 4), are 0, 1/4, 3/4, 1",
)
def lengthened_line(student: Subject, draw: Draw) -> None:
    table, (_, columns), (_, longer) = table_and_grids(draw)
    student.agrees(table[:columns], (1, columns), (1, longer), gradients=False)
    student.agrees(table[:columns], (columns, 1), (longer, 1), gradients=False)


@resize.check(
    "a larger grid",
    points=0.75,
    suspect="rows and columns, of the old grid or of the new one, exchanged",
    experiment="give the table of torch.arange(6.)[:, None] for a grid (2, 3) and resize it to (2, 6): are rows kept?",
)
def larger_grid(student: Subject, draw: Draw) -> None:
    student.agrees(*table_and_grids(draw), gradients=False)


@resize.check(
    "a grid turned on its side has as many patches, but other positions",
    points=0.5,
    after="a larger grid",
    suspect="a comparison of the numbers of patches where the grids have to be compared",
    experiment="resize a table of six rows from (2, 3) to (3, 2)",
)
def turned_grid(student: Subject, draw: Draw) -> None:
    table, (rows, columns), _ = table_and_grids(draw)
    student.agrees(table, (rows, columns), (columns, rows), gradients=False)


@resize.check(
    "a smaller grid",
    points=0.5,
    after="a larger grid",
    suspect="antialiasing, which averages when it shrinks: here positions are read off between two neighbours",
    experiment="positions 0, 1, 2 and 3 on a grid (1, 4), resized to (1, 2), are 0.5 and 2.5",
)
def smaller_grid(student: Subject, draw: Draw) -> None:
    table, (rows, columns), _ = table_and_grids(draw)
    student.agrees(table, (rows, columns), (rows - 1, columns - 1), gradients=False)


@resize.check(
    "the class token's row stays as it is, and stays first",
    points=0.5,
    after="a larger grid",
    suspect="a first row that is dropped, resized with the patches, or put at the end",
    experiment="compare the first row that comes out with table[0]",
)
def class_row(student: Subject, draw: Draw) -> None:
    _, arguments = resizable(student, draw)
    student.agrees(*arguments, gradients=False)


@resize.check(
    "a table that does not fit its grid is refused",
    points=0.25,
    after="a larger grid",
    suspect="a missing comparison of len(table) with the number of patches, and with one more",
    experiment="call it with 8 rows for a grid (2, 3), and with 5: ValueError, with the rows and 6 in the message",
)
def refuses_misfit(student: Subject, draw: Draw) -> None:
    D = int(draw.integers(3, 9))
    for rows in (24, 32):  # for 30 patches
        student.refuses(draw.normal(rows, D), (5, 6), (7, 8), mentions=(rows, 30))


@resize.check(
    "gradients reach the table",
    points=0.25,
    after="the class token's row stays as it is, and stays first",
    suspect="a detach() or a conversion through numpy on the way",
    experiment="call .sum().backward() on the output and print table.grad",
)
def resize_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = resizable(student, draw)
    student.agrees(*arguments)


resize.good_manners(resizable, after="the class token's row stays as it is, and stays first", points=0.25)

# ---------------------------------------------------------------------------------------------- attention_rollout

rollout = Exercise("attention_rollout", points=4, paper="Abnar and Zuidema 2020, section 3")


def maps(draw: Draw) -> Tensor:
    """Weights of several layers and heads, each row of which sums to one; every axis of its own size."""
    return draw.normal(*(shape := draw.sizes(4)), shape[-1], scale=2.0).softmax(dim=-1)


def watched(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor]]:
    return student, (maps(draw),)


@rollout.check(
    "one layer with one head: its weights and the identity, in equal parts",
    points=1,
    suspect="the residual connection: half of what comes out of a layer was there before",
    experiment="for weights [[0, 1], [1, 0]] the output is 1/2 everywhere",
)
def one_layer_one_head(student: Subject, draw: Draw) -> None:
    student.agrees(maps(draw)[:1, :, :1], gradients=False)


@rollout.check(
    "one layer with several heads: their mean",
    points=0.75,
    after="one layer with one head: its weights and the identity, in equal parts",
    suspect="the axis of the heads, which is axis 2 of (L, B, H, T, T), or something else than their mean",
    experiment="print the sums of the rows of your output: all 1",
)
def one_layer_of_heads(student: Subject, draw: Draw) -> None:
    student.agrees(maps(draw)[:1], gradients=False)


@rollout.check(
    "two layers with one head",
    points=0.75,
    after="one layer with one head: its weights and the identity, in equal parts",
    suspect="the order of the product: the later layer on the left, since it reads what the earlier one made",
    experiment="let the second layer look at token 0 only: then row 1 must be half of row 0 and half of the old row 1",
)
def two_layers_one_head(student: Subject, draw: Draw) -> None:
    student.agrees(maps(draw)[:2, :, :1], gradients=False)


@rollout.check(
    "several layers with several heads",
    points=0.75,
    after="one layer with several heads: their mean",
    suspect="what is done first: the mean of the heads of a layer, then the product of the layers",
    experiment="print the sums of the rows after each layer: all 1",
)
def several_layers_and_heads(student: Subject, draw: Draw) -> None:
    student.agrees(maps(draw), gradients=False)


rollout.good_manners(watched, after="several layers with several heads", points=0.25)
