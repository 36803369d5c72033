"""Wrong programs for unit 08, each one mistake that a person would make."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F

from solutions import vit
from solutions.programs import edited, misconception

places = partial(edited, vit, "conv_output_size")
conv_output_size = [
    places(
        "return steps + 1",
        "return steps",
        name="the first place is not counted",
        hint="Steps lead from one place to the next: there is one place more than there are steps.",
    ),
    places(
        "divmod(padded - kernel, stride)",
        "divmod(padded, stride)",
        name="the kernel is not subtracted",
        hint="The kernel itself takes up room: it can only move by the size minus the kernel.",
    ),
    places(
        "divmod(padded - kernel, stride)",
        "divmod(padded - kernel, 1)",
        name="the stride is ignored",
        hint="The kernel moves by `stride` pixels at a time: divide the distance by it.",
    ),
    places(
        "padded = size + 2 * padding",
        "padded = size + padding",
        name="padding at one end only",
        hint="padding is added at both ends of the axis: twice.",
    ),
    places(
        "padded = size + 2 * padding",
        "padded = size",
        name="padding is ignored",
        hint="The kernel may stand on the padding too: the axis is size + 2 · padding long.",
    ),
    places(
        'if rounding == "ceil" and left_over:',
        'if rounding == "ceil":',
        name="ceil always adds a place",
        hint="Rounding up changes nothing where nothing is left over: 3 is the ceiling of 3.",
    ),
    places(
        'if rounding == "ceil" and left_over:',
        'if rounding == "ceil" and 2 * left_over >= stride:',
        name="ceil rounds to the nearest",
        hint="The ceiling goes up however little is left over, even a single pixel.",
    ),
    places(
        'if rounding == "ceil" and left_over:',
        'if rounding == "floor" and left_over:',
        name="floor and ceil exchanged",
        hint="floor leaves a last step out, ceil takes it.",
    ),
    places(
        'if rounding == "ceil" and left_over:',
        "if 2 * left_over > stride:",
        name="rounded to the nearest, whatever is asked for",
        hint="round() knows nothing of floor and ceil. Use // for floor, and add a step for ceil if anything is left.",
    ),
    places(
        'if rounding == "ceil" and left_over:',
        "if False:",
        name="always floor",
        hint="With rounding = 'ceil' a last step that is left over counts.",
    ),
    places(
        'if rounding == "ceil" and left_over:',
        "if left_over:",
        name="always ceil",
        hint="With rounding = 'floor' a last step that does not fit is left out.",
    ),
    places(
        'if rounding == "exact" and left_over:',
        "if False:",
        name="exact does not refuse anything",
        hint="'exact' promises that nothing is left over: where something is, raise ValueError.",
    ),
    places(
        "if kernel > padded:",
        "if False:",
        name="a kernel that does not fit is not refused",
        hint="A kernel larger than the padded image has no place at all: raise ValueError with both numbers.",
    ),
    places(
        "if kernel > padded:",
        "if kernel >= padded:",
        name="a kernel that just fits is refused",
        hint="A kernel as large as the image has one place. Only a larger one has none.",
    ),
    places(
        "if kernel > padded:",
        "if kernel > size:",
        name="the kernel compared with the image without padding",
        hint="The kernel may stand on the padding: compare it with size + 2 · padding.",
    ),
    places(
        'if rounding not in ("floor", "ceil", "exact"):',
        "if False:",
        name="an unknown rounding is floor",
        hint="A misspelt word must not pass for a choice: raise ValueError with the word.",
    ),
    places(
        "return steps + 1",
        "return steps + 1.0",
        name="a float",
        hint="A number of places is an integer: divide with //.",
    ),
]


@misconception(
    "conv_output_size",
    "one added before the division",
    hint="The 1 counts the first place: add it after the division by the stride, not before.",
)
def places_with_one_inside(size, kernel, stride, padding, rounding):
    if rounding not in ("floor", "ceil", "exact"):
        raise ValueError(f"rounding is {rounding!r}; it must be 'floor', 'ceil' or 'exact'")
    padded = size + 2 * padding
    if kernel > padded:
        raise ValueError(f"a kernel of {kernel} does not fit into {size} pixels with a padding of {padding}")
    distance = padded - kernel + 1
    if rounding == "exact" and (distance - 1) % stride:
        raise ValueError(f"steps of {stride} over {size} pixels leave {(distance - 1) % stride} over")
    return -(-distance // stride) if rounding == "ceil" else distance // stride


UNTILED = "if height % P or width % P:"
SPLIT = "images.reshape(B, C, height // P, P, width // P, P)"
ORDER = "grid.permute(0, 2, 4, 3, 5, 1)"

cutting = partial(edited, vit, "patchify")
patchify = [
    cutting(
        ORDER,
        "grid.permute(0, 4, 2, 3, 5, 1)",
        name="patches column by column",
        hint="Patches come row by row, as one reads: the axis of the rows before that of the columns.",
    ),
    cutting(
        ORDER,
        "grid.permute(0, 2, 4, 5, 3, 1)",
        name="pixels of a patch column by column",
        hint="Within a patch too, pixels come row by row.",
    ),
    cutting(
        ORDER,
        "grid.permute(0, 4, 2, 5, 3, 1)",
        name="height and width exchanged",
        hint="In images (B, C, H, W) the third axis is the height. Exchanged, every image is mirrored at its diagonal.",
    ),
    cutting(
        ORDER,
        "grid.permute(0, 2, 4, 1, 3, 5)",
        name="channel by channel",
        hint="nn.Unfold and nn.Conv2d have the channel first. Here it changes fastest: row, column, channel.",
    ),
    cutting(
        ORDER,
        "grid.permute(0, 2, 4, 3, 1, 5)",
        name="the channel between row and column",
        hint="Within a patch the order is row, column, channel: the channel is the last axis.",
    ),
    cutting(
        ORDER,
        "grid.permute(0, 3, 5, 2, 4, 1)",
        name="grid and patch exchanged",
        hint="Of the two axes that a side is split into, the first is the patch's place, the second the pixel's: the "
        "first ones count patches, the second ones go into the patch.",
    ),
    cutting(
        SPLIT,
        "images.reshape(B, C, P, height // P, P, width // P).transpose(2, 3).transpose(4, 5)",
        name="patches of pixels that lie far apart",
        hint="Neighbouring pixels belong together: split a side into (number of patches, P), in this order.",
    ),
    cutting(
        f"grid = {SPLIT}",
        "grid = images.reshape(B, C, height // P, width // P, P, P).permute(0, 1, 2, 4, 3, 5)",
        name="a view into the right shape",
        hint="reshape only counts numbers in the order in which they lie: split height and width each in its place, "
        "then permute.",
    ),
    cutting(
        "return grid.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)",
        "return images.reshape(B, (height // P) * (width // P), P * P * C)",
        name="one reshape, without moving any axis",
        hint="reshape lays whole rows of the image into a patch. A patch takes P pixels of a row, then P of the next.",
    ),
    cutting(
        ".flatten(3).flatten(1, 2)",
        ".flatten(3)",
        name="rows and columns of patches left apart",
        hint="The output has three axes: (B, N, P · P · C). Put rows and columns of patches together.",
    ),
    cutting(
        ".flatten(3).flatten(1, 2)",
        ".flatten(3).flatten(1, 2).transpose(1, 2)",
        name="numbers before patches",
        hint="F.unfold has it so. Here the output is (B, N, P · P · C), a vector for each patch.",
    ),
    cutting(
        ".flatten(3).flatten(1, 2)",
        ".flatten(3, 4).flatten(1, 2)",
        name="channels left as an axis",
        hint="A patch is one vector: flatten rows, columns and channels.",
    ),
    cutting(
        UNTILED,
        "images = images[:, :, : height // P * P, : width // P * P]\n"
        "    height, width = images.shape[2:]\n    if False:",
        name="what does not fit is cropped in silence",
        hint="A cropped image has lost its edge, and nobody is told: raise ValueError.",
    ),
    cutting(
        UNTILED,
        "images = nn.functional.pad(images, (0, -width % P, 0, -height % P))\n"
        "    height, width = images.shape[2:]\n    if False:",
        name="what does not fit is padded in silence",
        hint="Padding invents black pixels, and nobody is told: raise ValueError.",
    ),
    cutting(
        UNTILED,
        "if height % P:",
        name="the width is not tested",
        hint="Both sides have to be multiples of P.",
    ),
    cutting(
        UNTILED,
        "if width % P:",
        name="the height is not tested",
        hint="Both sides have to be multiples of P.",
    ),
    cutting(
        UNTILED,
        "if height * width % (P * P):",
        name="the area is tested instead of the sides",
        hint="4 × 9 pixels have the area of four patches of 3 × 3, and yet these do not tile them: test each side.",
    ),
    cutting(
        UNTILED,
        "images -= images.mean()\n    if height % P or width % P:",
        name="brightness removed in place",
        hint="-= changes the caller's images, and the mean belongs to what a patch says.",
    ),
    cutting(
        "grid = images",
        "grid = images.detach()",
        name="cut from the graph",
        hint="With detach() nothing before this function can learn, and no gradient shows what a model looks at.",
    ),
    cutting(
        "grid = images",
        "grid = images.float()",
        name="float32 whatever comes in",
        hint="Patches have the type of the image; .float() loses the digits of float64.",
    ),
]


@misconception(
    "patchify",
    "overlapping patches",
    hint="Patches lie side by side: the stride is P. With a stride of 1 there is a patch for every place of the image.",
)
def patches_with_stride_one(images, P):
    height, width = images.shape[2:]
    if height % P or width % P:
        raise ValueError(f"patches of {P} do not tile an image of {height} × {width}")
    squares = images.unfold(2, P, 1).unfold(3, P, 1)
    return squares.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)


joining = partial(edited, vit, "unpatchify")
BACK = "grid.permute(0, 5, 1, 3, 2, 4)"
unpatchify = [
    joining(
        BACK,
        "grid.permute(0, 5, 1, 4, 2, 3)",
        name="pixels of a patch column by column",
        hint="Within a patch pixels come row by row: its first axis belongs to the height.",
    ),
    joining(
        "grid = patches.reshape(B, rows, columns, P, P, C)",
        "grid = patches.reshape(B, columns, rows, P, P, C).transpose(1, 2)",
        name="patches column by column",
        hint="Patches come row by row: split N into (rows, columns).",
    ),
    joining(
        BACK,
        "grid.permute(0, 5, 3, 1, 4, 2)",
        name="pixel before patch",
        hint="A row of pixels is found by its patch first, then by its row in the patch: C, rows, P, columns, P.",
    ),
    joining(
        BACK,
        "grid.permute(0, 5, 1, 2, 3, 4)",
        name="the four axes left in their order",
        hint="A row of the image goes through the patches of a row: rows, P, columns, P, not rows, columns, P, P.",
    ),
    joining(
        "grid = patches.reshape(B, rows, columns, P, P, C)",
        "grid = patches.reshape(B, rows, columns, C, P, P).permute(0, 1, 2, 4, 5, 3)",
        name="channel by channel",
        hint="In a patch the channel changes fastest: row, column, channel.",
    ),
    joining(
        "return grid.permute(0, 5, 1, 3, 2, 4).reshape(B, C, height, width)",
        "return patches.reshape(B, C, height, width)",
        name="one reshape, without moving any axis",
        hint="reshape lays a whole patch into the first row of the image. Split the axes, permute, then reshape.",
    ),
    joining(
        "return grid.permute(0, 5, 1, 3, 2, 4).reshape(B, C, height, width)",
        "return grid.permute(0, 1, 3, 2, 4, 5).reshape(B, height, width, C)",
        name="channels last",
        hint="Images are (B, C, height, width) here, as PyTorch's layers have them.",
    ),
    joining(
        "return grid.permute(0, 5, 1, 3, 2, 4).reshape(B, C, height, width)",
        "return grid.permute(0, 5, 2, 4, 1, 3).reshape(B, C, width, height)",
        name="height and width exchanged",
        hint="The third axis of an image is its height: rows of patches, times P.",
    ),
    joining(
        UNTILED,
        "height, width = height // P * P, width // P * P\n    if False:",
        name="a smaller image in silence",
        hint="Where P does not divide a side, no image of this size comes out: raise ValueError.",
    ),
    joining(
        UNTILED,
        "if height % P:",
        name="the width is not tested",
        hint="Both sides have to be multiples of P.",
    ),
    joining(
        UNTILED,
        "if width % P:",
        name="the height is not tested",
        hint="Both sides have to be multiples of P.",
    ),
    joining(
        "if rows * columns != N:",
        "if rows * columns > N:",
        name="patches that are too many are not refused",
        hint="More patches than the image has room for are a mistake of the caller's: raise ValueError.",
    ),
    joining(
        "if rows * columns != N:",
        "if False:",
        name="the number of patches is not tested",
        hint="Compare the number of patches with rows · columns, and raise ValueError with both.",
    ),
    joining(
        "if numbers != P * P * C:",
        "if False:",
        name="the size of a patch is not tested",
        hint="Compare the last axis with P · P · C, and raise ValueError with both: a view may swallow the difference.",
    ),
    joining(
        "grid = patches",
        "grid = patches.detach()",
        name="cut from the graph",
        hint="With detach() a model that draws images never learns.",
    ),
    joining(
        "grid = patches",
        "grid = patches.float()",
        name="float32 whatever comes in",
        hint="The image has the type of its patches; .float() loses the digits of float64.",
    ),
]

embedding = partial(edited, vit, "PatchEmbedding")
GATHERED = "squares.permute(0, 2, 3, 4, 5, 1)"
PatchEmbedding = [
    embedding(
        GATHERED,
        "squares.permute(0, 2, 3, 1, 4, 5)",
        name="patches with the channel first",
        hint="The weight's columns are row, column, channel; numbers of the patch in another order meet wrong ones.",
    ),
    embedding(
        GATHERED,
        "squares.permute(0, 2, 3, 5, 4, 1)",
        name="pixels of a patch column by column",
        hint="Within a patch pixels come row by row, as in the weight.",
    ),
    embedding(
        GATHERED,
        "squares.permute(0, 3, 2, 4, 5, 1)",
        name="patches column by column",
        hint="Patches come row by row from the top left.",
    ),
    embedding(
        GATHERED,
        "squares.permute(0, 3, 2, 5, 4, 1)",
        name="height and width exchanged",
        hint="In images (B, C, H, W) the third axis is the height.",
    ),
    embedding(
        "self.weight.flatten(1).T",
        "self.weight.reshape(self.weight[0].numel(), -1)",
        name="the weight reshaped where it should be transposed",
        hint="The weight has a row for each output: flatten it to (d_model, P · P · C), then transpose.",
    ),
    embedding(
        "self.weight.flatten(1).T",
        "self.weight.flip(1, 2).flatten(1).T",
        name="kernels flipped",
        hint="A convolution of mathematics flips its kernel. Here, and in conv2d, nothing is flipped.",
    ),
    embedding(
        " + self.bias",
        "",
        name="the bias is not added",
        hint="The projection has a bias: a black patch gives the bias, not zeros.",
    ),
    embedding(
        "return patches @ self.weight.flatten(1).T + self.bias",
        "return (patches @ self.weight.flatten(1).T + self.bias).relu()",
        name="a ReLU behind the projection",
        hint="The embedding is linear: no activation.",
    ),
    embedding(
        "return patches @ self.weight.flatten(1).T + self.bias",
        "return (patches @ self.weight.flatten(1).T + self.bias).transpose(1, 2)",
        name="features before patches",
        hint="The output is (B, N, d_model), a vector for each patch, as a Transformer wants its tokens.",
    ),
    embedding(
        "return patches @ self.weight.flatten(1).T + self.bias",
        "return (patches @ self.weight.flatten(1).T + self.bias).unflatten(1, (height // self.P, -1))",
        name="rows and columns of patches left apart",
        hint="The output has three axes, (B, N, d_model): one for all the patches.",
    ),
    embedding(
        "images.unfold(2, self.P, self.P).unfold(3, self.P, self.P)",
        "images.unfold(2, self.P, 1).unfold(3, self.P, 1)",
        name="overlapping patches",
        hint="Patches lie side by side: the stride is P.",
    ),
    embedding(
        "if height % self.P or width % self.P:",
        "if False:",
        name="what does not fit is cropped in silence",
        hint="An unfold or a strided convolution leaves out the edge without a word: test both sides.",
    ),
    embedding(
        "if height % self.P or width % self.P:",
        "if height % self.P:",
        name="the width is not tested",
        hint="Both sides have to be multiples of P.",
    ),
    embedding(
        "if height % self.P or width % self.P:",
        "if width % self.P:",
        name="the height is not tested",
        hint="Both sides have to be multiples of P.",
    ),
    embedding(
        "return patches @ self.weight",
        "return patches @ self.weight.detach()",
        name="the weight cut from the graph",
        hint="With detach() the embedding never learns.",
    ),
    embedding(
        "torch.empty(d_model, P, P, C)",
        "torch.empty(d_model, C, P, P)",
        name="the weight of a convolution",
        hint="Here the weight is (d_model, P, P, C), the channel last; as_convolution makes the other one of it.",
    ),
    embedding(
        "return patches @",
        "patches = patches - patches.mean(dim=-1, keepdim=True)\n        return patches @",
        name="each patch loses its brightness",
        hint="The mean of a patch tells bright from dark: nothing is subtracted before the projection.",
    ),
]

convert = partial(edited, vit, "as_convolution")
as_convolution = [
    convert(
        "weight.permute(0, 3, 1, 2)",
        "weight.reshape(weight.shape[0], weight.shape[3], weight.shape[1], weight.shape[2])",
        name="a reshape where axes have to move",
        hint="The shape is right and the numbers are not: reshape does not move axes. Use permute.",
    ),
    convert(
        "weight.permute(0, 3, 1, 2)",
        "weight.permute(0, 3, 2, 1)",
        name="rows and columns exchanged",
        hint="Rows come before columns in both: (d_model, P, P, C) to (d_model, C, P, P) by permute(0, 3, 1, 2).",
    ),
    convert(
        "weight.permute(0, 3, 1, 2)",
        "weight.permute(0, 3, 1, 2).flip(2, 3)",
        name="kernels flipped",
        hint="conv2d is a cross-correlation: it multiplies as the numbers lie, and nothing has to be flipped.",
    ),
    convert(
        "weight.permute(0, 3, 1, 2)",
        "weight",
        name="the weight as it was",
        hint="conv2d wants (d_model, C, P, P): the channel is the second axis.",
    ),
    convert(
        "weight.permute(0, 3, 1, 2)",
        "weight.permute(3, 0, 1, 2)",
        name="inputs before outputs",
        hint="nn.ConvTranspose2d has it so. The first axis of conv2d's weight counts the outputs.",
    ),
    convert(
        '"stride": weight.shape[1]',
        '"stride": 1',
        name="a stride of one",
        hint="Patches lie side by side: the stride is P, the side of a kernel.",
    ),
    convert(
        '"stride": weight.shape[1]',
        '"stride": weight.shape[3]',
        name="the channels for the stride",
        hint="The weight is (d_model, P, P, C): its second and third axes are P.",
    ),
    convert(
        '"bias": embedding["bias"], ',
        "",
        name="the bias is forgotten",
        hint="The embedding adds a bias, so the convolution has to.",
    ),
    convert(
        ', "stride": weight.shape[1]',
        "",
        name="the stride is forgotten",
        hint="Without its stride, P, a convolution takes a step of one pixel.",
    ),
    convert(
        'weight = embedding["weight"]',
        'weight = embedding["weight"].float()',
        name="float32 whatever comes in",
        hint="The numbers are copied as they are: no change of type.",
    ),
    convert(
        'weight = embedding["weight"]',
        'weight = embedding["weight"].div_(embedding["weight"].shape[1])',
        name="the weight scaled in place",
        hint="The convolution takes the same numbers; a trailing underscore changes the embedding's own.",
    ),
]

visual = partial(edited, vit, "VisionTransformer")
JOINED = "x = torch.cat([self.class_token.expand(len(x), 1, -1), x], dim=1)"
READOUT = 'self.head(x[:, 0] if self.pool == "class" else x.mean(dim=1))'
BLOCKS = "for layer in self.layers:\n            x = layer(x)"
VisionTransformer = [
    visual(
        "x = x + self.positions",
        "x = x + 0 * self.positions",
        name="no positions",
        hint="Without positions a Transformer sees a bag of patches: it cannot tell where anything is.",
    ),
    visual(
        "x = x + self.positions",
        "x = x + self.positions.roll(1, dims=0)",
        name="positions shifted by one",
        hint="positions[0] belongs to the first token: the class token, if there is one.",
    ),
    visual(
        "x = x + self.positions",
        'x = x + torch.cat([(self.pool == "mean") * self.positions[:1], self.positions[1:]])',
        name="the class token gets no position",
        hint="positions are added after the class token has joined: it has the first row of the table.",
    ),
    visual(
        "x = x + self.positions",
        "x = x * len(self.norm.weight) ** 0.5 + self.positions",
        name="patches scaled by √d_model",
        hint="That factor belongs to the word embeddings of the 2017 Transformer. Patches are not scaled.",
    ),
    visual(
        JOINED,
        "x = torch.cat([x, self.class_token.expand(len(x), 1, -1)], dim=1)",
        name="the class token at the end",
        hint="The class token is the first token: row 0 is what the readout reads.",
    ),
    visual(
        READOUT,
        'self.head(x[:, -1] if self.pool == "class" else x.mean(dim=1))',
        name="the last patch is read instead of the class token",
        hint="A language model reads its last token; here the class token stands first, at 0.",
    ),
    visual(
        READOUT,
        "self.head(x.mean(dim=1))",
        name="the mean also where there is a class token",
        hint='With pool = "class" the readout reads the class token alone.',
    ),
    visual(
        READOUT,
        'self.head(x[:, 0] if self.pool == "class" else x.max(dim=1).values)',
        name="the maximum instead of the mean",
        hint='With pool = "mean" the readout reads the mean over the patches.',
    ),
    visual(
        READOUT,
        'self.head(x[:, 0] if self.pool == "class" else x[:, 1:].mean(dim=1))',
        name="the mean leaves out the first patch",
        hint='With pool = "mean" there is no class token: row 0 is a patch like the others.',
    ),
    visual(
        READOUT,
        READOUT + ".softmax(dim=-1)",
        name="probabilities instead of logits",
        hint="cross_entropy takes logits: a softmax here would be applied twice.",
    ),
    visual(
        "x = self.norm(x)",
        "x = x",
        name="no norm at the end",
        hint="Pre-norm blocks leave their sum as it is: a LayerNorm comes before the readout.",
    ),
    visual(
        "x = self.norm(x)\n        logits: Tensor = " + READOUT,
        'logits: Tensor = self.head(self.norm(x[:, 0] if self.pool == "class" else x.mean(dim=1)))',
        name="pooled before the norm",
        hint="First the norm of every token, then the mean: the norm of a mean is something else.",
    ),
    visual(
        ", norm_first=True",
        "",
        name="post-norm blocks",
        hint="The Vision Transformer is pre-norm: norm_first=True.",
    ),
    visual(
        'activation="gelu", ',
        "",
        name="ReLU in the blocks",
        hint='The Vision Transformer uses GELU: activation="gelu".',
    ),
    visual(
        ", batch_first=True",
        "",
        name="attention between images instead of patches",
        hint="Without batch_first=True the first axis counts as the tokens, and images of a batch look at each other.",
    ),
    visual(
        BLOCKS,
        "future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)\n"
        "        for layer in self.layers:\n            x = layer(x, future)",
        name="a causal mask",
        hint="An image is there all at once: every patch may look at every other, without any mask.",
    ),
    visual(
        BLOCKS,
        "for _ in self.layers:\n            x = self.layers[0](x)",
        name="the first layer again and again",
        hint="Each layer has weights of its own: go through self.layers.",
    ),
    visual(
        BLOCKS,
        "for layer in list(self.layers)[: max(1, len(self.layers) - 1)]:\n            x = layer(x)",
        name="the last layer is left out",
        hint="All n_layers layers are used, one after the other.",
    ),
    visual(
        "self.embedding(images).flatten(2).transpose(1, 2)",
        "self.embedding(images).flatten(2).reshape(len(images), -1, self.norm.weight.shape[0])",
        name="a reshape from (B, D, N) to (B, N, D)",
        hint="The convolution returns (B, D, rows, columns): flatten the grid, then transpose. A reshape mixes "
        "features and patches.",
    ),
    visual(
        "self.embedding(images).flatten(2).transpose(1, 2)",
        "self.embedding(images).transpose(2, 3).flatten(2).transpose(1, 2)",
        name="patches column by column",
        hint="Patches come row by row: flatten the grid as it comes.",
    ),
    visual(
        "self.embedding(images).flatten(2).transpose(1, 2)",
        "self.embedding(images).relu().flatten(2).transpose(1, 2)",
        name="a ReLU behind the embedding",
        hint="The embedding of patches is linear, without activation.",
    ),
    visual(
        "self.embedding(images).flatten(2).transpose(1, 2)",
        "self.embedding(images).detach().flatten(2).transpose(1, 2)",
        name="the embedding cut from the graph",
        hint="With detach() the embedding never learns.",
    ),
    visual(
        "n_tokens += 1",
        "n_tokens += 0",
        name="no row of positions for the class token",
        hint="The class token is a token: the table of positions has N + 1 rows.",
    ),
    visual(
        "if (height, width) != (self.height, self.width):",
        "if height * width != self.height * self.width:",
        name="only the number of pixels is compared",
        hint="As many patches in another shape get wrong positions: compare height and width.",
    ),
    visual(
        "if (height, width) != (self.height, self.width):",
        "if False:",
        name="images of another size are not refused",
        hint="The table of positions belongs to one size. A convolution leaves out the edge without a word: compare.",
    ),
    visual(
        UNTILED,
        "if False:",
        name="patches that do not tile are not refused",
        hint="nn.Conv2d leaves out the edge of the image without a word: test both sides in the constructor.",
    ),
    visual(
        UNTILED,
        "if height % P:",
        name="the width is not tested",
        hint="Both sides have to be multiples of P.",
    ),
    visual(
        "if d_model % n_heads:",
        "if False:",
        name="heads that do not divide are left to PyTorch",
        hint="nn.MultiheadAttention raises AssertionError without the numbers: test first, and raise ValueError.",
    ),
    visual(
        'if pool not in ("class", "mean"):',
        "if False:",
        name="an unknown pool is mean",
        hint="A misspelt word must not pass for a choice: raise ValueError with the word.",
    ),
]

resizing = partial(edited, vit, "resize_positions")
PICTURE = "table[extra:].T.reshape(1, -1, *old_grid)"
HOW = 'size=new_grid, mode="bilinear", align_corners=False'
BACK_TO_ROWS = "resized[0].flatten(1).T"
resize_positions = [
    resizing(
        HOW,
        'size=new_grid, mode="bilinear", align_corners=True',
        name="corners aligned",
        hint="Both grids cover the same image, so its edges coincide, and not the centres of the outermost patches: "
        "align_corners=False.",
    ),
    resizing(
        HOW,
        'size=new_grid, mode="nearest"',
        name="the nearest old position",
        hint="Two new patches would get the same position: interpolate between the neighbours.",
    ),
    resizing(
        HOW,
        'size=new_grid, mode="bicubic", align_corners=False',
        name="bicubic",
        hint="Bicubic is usual as well, but gives other numbers: here it is linear between two neighbours.",
    ),
    resizing(
        HOW,
        HOW + ", antialias=True",
        name="antialiased",
        hint="Antialiasing averages over more than two neighbours where the grid shrinks: leave it out.",
    ),
    resizing(
        HOW,
        'size=new_grid[::-1], mode="bilinear", align_corners=False',
        name="rows and columns of the new grid exchanged",
        hint="A grid is (rows, columns), and so is the size that F.interpolate takes: height, width.",
    ),
    resizing(
        PICTURE,
        "table[extra:].T.reshape(1, -1, *old_grid[::-1])",
        name="rows and columns of the old grid exchanged",
        hint="A grid is (rows, columns): split the table into (rows, columns), in this order.",
    ),
    resizing(
        PICTURE,
        "table[extra:].T.reshape(1, -1, *old_grid[::-1]).transpose(2, 3)",
        name="the table read column by column",
        hint="The table goes through the grid row by row.",
    ),
    resizing(
        PICTURE,
        "table[extra:].reshape(1, -1, *old_grid)",
        name="a view as a picture without a transpose",
        hint="The table is (patches, D), and a picture (D, rows, columns): transpose before you split.",
    ),
    resizing(
        BACK_TO_ROWS,
        "resized[0].reshape(-1, table.shape[1])",
        name="a reshape back where axes have to move",
        hint="The picture is (D, rows, columns): flatten the grid, then transpose.",
    ),
    resizing(
        f"torch.cat([table[:extra], {BACK_TO_ROWS}])",
        BACK_TO_ROWS,
        name="the class token's row is lost",
        hint="The row of the class token has no place in the image: set it aside, and put it first again.",
    ),
    resizing(
        f"torch.cat([table[:extra], {BACK_TO_ROWS}])",
        f"torch.cat([{BACK_TO_ROWS}, table[:extra]])",
        name="the class token's row at the end",
        hint="The class token is the first token: its row stays the first.",
    ),
    resizing(
        PICTURE,
        "table[:patches].T.reshape(1, -1, *old_grid)",
        name="the class token taken for a patch",
        hint="With a class token the patches begin at row 1 of the table.",
    ),
    resizing(
        "picture = table",
        "if new_grid[0] * new_grid[1] == patches:\n        return table\n    picture = table",
        name="nothing to do where the number of patches is the same",
        hint="2 × 6 patches are as many as 3 × 4, but lie elsewhere: compare the grids.",
    ),
    resizing(
        "if extra not in (0, 1):",
        "if extra < 0:",
        name="a table that is too long is not refused",
        hint="One row more is a class token's; two are a mistake: raise ValueError.",
    ),
    resizing(
        "if extra not in (0, 1):",
        "if False:",
        name="a table that does not fit is not refused",
        hint="Compare the rows of the table with the patches of the grid, and raise ValueError with both numbers.",
    ),
    resizing(
        "picture = table",
        "picture = table.detach()",
        name="cut from the graph",
        hint="With detach() the old table never learns from the new grid.",
    ),
    resizing(
        "picture = table",
        "picture = table.float()",
        name="float32 whatever comes in",
        hint="Positions keep their type; .float() loses the digits of float64.",
    ),
]


@misconception(
    "resize_positions",
    "interpolated along the list of patches",
    hint="The last patch of a row and the first of the next are neighbours in the list, but not in the image: "
    "interpolate along both axes of the grid.",
)
def resized_as_a_list(table, old_grid, new_grid):
    patches = old_grid[0] * old_grid[1]
    extra = len(table) - patches
    if extra not in (0, 1):
        raise ValueError(f"a table of {len(table)} rows for a grid of {patches} patches")
    line = F.interpolate(table[extra:].T[None], size=new_grid[0] * new_grid[1], mode="linear", align_corners=False)
    return torch.cat([table[:extra], line[0].T])


rolling = partial(edited, vit, "attention_rollout")
PASSED = "passed_on = 0.5 * layer.mean(dim=1) + 0.5 * identity"
attention_rollout = [
    rolling(
        PASSED,
        "passed_on = layer.mean(dim=1)",
        name="no residual connection",
        hint="Beside what it reads, a token keeps what it was: add the identity, half and half.",
    ),
    rolling(
        PASSED,
        "passed_on = layer.mean(dim=1) + identity",
        name="the identity added without halving",
        hint="Rows must sum to 1 after every layer: half of the weights, half of the identity.",
    ),
    rolling(
        "layer.mean(dim=1)",
        "layer.sum(dim=1)",
        name="the sum of the heads",
        hint="Heads are averaged: the sum of H rows that sum to 1 is H.",
    ),
    rolling(
        "layer.mean(dim=1)",
        "layer.amax(dim=1)",
        name="the strongest head",
        hint="Heads are averaged. With the maximum rows would no longer sum to 1.",
    ),
    rolling(
        "layer.mean(dim=1)",
        "layer[:, 0]",
        name="the first head only",
        hint="All heads pass something on: take their mean.",
    ),
    rolling(
        "layer.mean(dim=1)",
        "layer.mean(dim=1).transpose(1, 2)",
        name="queries and keys exchanged",
        hint="Rows are tokens that ask, columns those that are read: nothing has to be transposed.",
    ),
    rolling(
        "reached = passed_on @ reached",
        "reached = reached @ passed_on",
        name="earlier layers on the left",
        hint="A later layer reads what the earlier ones made: it stands on the left of the product.",
    ),
    rolling(
        "reached = passed_on @ reached",
        "reached = passed_on",
        name="the last layer only",
        hint="The last layer reads tokens that are mixtures already: multiply by what reached them.",
    ),
    rolling(
        "for layer in weights:",
        "for layer in weights.mean(dim=0, keepdim=True):",
        name="the mean of the layers",
        hint="Layers come one after the other: their matrices are multiplied, not averaged.",
    ),
    rolling(
        "return reached",
        "return reached / reached.amax(dim=-1, keepdim=True)",
        name="scaled to a maximum of one",
        hint="Rows say shares, which sum to 1. Scale for the picture, where you draw it.",
    ),
    rolling(
        "return reached",
        "return reached[:, 0]",
        name="the class token's row only",
        hint="The rollout of all tokens is wanted, (B, T, T); the caller picks a row.",
    ),
    rolling(
        "for layer in weights:",
        "for layer in weights[1:]:",
        name="the first layer is left out",
        hint="The identity stands for the input before any layer; all layers follow, the first one too.",
    ),
    rolling(
        "torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)",
        "torch.eye(weights.shape[-1], dtype=weights.dtype)",
        name="the identity on the default device",
        hint="torch.eye(n) lives on the CPU: pass device=weights.device.",
    ),
    rolling(
        "0.5 * layer.mean(dim=1)",
        "layer.mul_(0.5).mean(dim=1)",
        name="weights halved in place",
        hint="A trailing underscore changes the caller's tensor: the weights are only to be read.",
    ),
]


@misconception(
    "attention_rollout",
    "each head rolled out by itself",
    hint="Behind a layer the heads are mixed, so a head of the next layer reads from all of them: average first, then "
    "multiply.",
)
def rollout_by_heads(weights):
    identity = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    reached = identity.expand(weights.shape[1], weights.shape[2], -1, -1)
    for layer in weights:
        reached = (0.5 * layer + 0.5 * identity) @ reached
    return reached.mean(dim=1)


@misconception(
    "attention_rollout",
    "an elementwise product",
    hint="Ways through two layers lead over every token between: a matrix product sums them all.",
)
def rollout_elementwise(weights):
    identity = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    return (0.5 * weights.mean(dim=2) + 0.5 * identity).prod(dim=0)
