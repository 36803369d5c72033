"""Wrong programs for unit 06, each one mistake that a person would make."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn

from solutions import transformer
from solutions.programs import edited, misconception

layer_norm = partial(edited, transformer, "LayerNorm")
LayerNorm = [
    layer_norm(
        "(variance + self.eps).sqrt()",
        "(variance.sqrt() + self.eps)",
        name="eps outside the root",
        hint="eps is added to the variance, under the root. Outside it, it means something else, and the root of a "
        "variance of 0 has an infinite gradient.",
    ),
    layer_norm(
        "(variance + self.eps).sqrt()",
        "variance.sqrt()",
        name="no eps",
        hint="A vector whose numbers are all equal has variance 0: without eps it becomes NaN.",
    ),
    layer_norm(
        "self.eps = eps",
        "self.eps = 1e-5",
        name="always PyTorch's eps",
        hint="eps is an argument of the constructor; 1e-5 is only what nn.LayerNorm takes by itself.",
    ),
    layer_norm(
        "(variance + self.eps).sqrt()",
        "(variance + self.eps)",
        name="divided by the variance",
        hint="Divide by the standard deviation: the square root of the variance.",
    ),
    layer_norm(
        "(variance + self.eps).sqrt()",
        "(variance + self.eps) ** 2",
        name="the variance squared instead of its root",
        hint="The standard deviation is the square root of the variance, not its square.",
    ),
    layer_norm(
        "variance = centred.square().mean(dim=-1, keepdim=True)",
        "variance = x.var(dim=-1, keepdim=True)",
        name="the variance divided by D - 1",
        hint="torch.var divides by D - 1 unless told otherwise. A norm divides by D: correction=0.",
    ),
    layer_norm(
        "variance = centred.square().mean(dim=-1, keepdim=True)",
        "variance = x.square().mean(dim=-1, keepdim=True)",
        name="the mean square instead of the variance",
        hint="The variance is the mean square distance from the mean: square after subtracting it.",
    ),
    layer_norm(
        "centred = x - x.mean(dim=-1, keepdim=True)",
        "centred = x",
        name="the mean is not subtracted",
        hint="Without the mean this is RMSNorm. LayerNorm subtracts the mean first.",
    ),
    layer_norm(
        "self.weight * centred /",
        "self.weight * x /",
        name="the mean is subtracted in the variance only",
        hint="What is divided is the vector without its mean.",
    ),
    layer_norm(
        "self.weight * centred",
        "centred",
        name="the weight is not used",
        hint="Each place has a learned weight, which the normalised vector is multiplied by.",
    ),
    layer_norm(
        " + self.bias",
        "",
        name="the bias is not used",
        hint="Each place has a learned bias, which is added at the end.",
    ),
    layer_norm(
        "self.weight * centred / (variance + self.eps).sqrt() + self.bias",
        "self.weight * (centred / (variance + self.eps).sqrt() + self.bias)",
        name="the bias is scaled too",
        hint="First times weight, then plus bias: the weight does not apply to the bias.",
    ),
    layer_norm(
        "torch.ones(d_model)",
        "torch.zeros(d_model)",
        name="the weight begins at zero",
        hint="A new layer must not silence its input: weight begins with ones, bias with zeros.",
    ),
    layer_norm(
        "variance = centred.square()",
        "variance = centred.detach().square()",
        name="the variance is cut from the graph",
        hint="The variance depends on the input too: without its gradient, what flows back is wrong.",
    ),
    layer_norm(
        "centred = x - x.mean(dim=-1, keepdim=True)",
        "centred = x.data.sub_(x.data.mean(dim=-1, keepdim=True))",
        name="the mean is subtracted in place",
        hint="-= and sub_ change the caller's tensor. Write centred = x - x.mean(…).",
    ),
    layer_norm(
        "centred = x - x.mean(dim=-1, keepdim=True)",
        "x = x.float()\n        centred = x - x.mean(dim=-1, keepdim=True)",
        name="statistics in float32 whatever comes in",
        hint="The layer keeps the type of its input; .float() loses the digits of float64.",
    ),
]


@misconception(
    "LayerNorm",
    "statistics over the positions",
    hint="Mean and variance are those of one vector, over the last axis. Over the positions, tokens mix.",
)
class NormOverPositions(nn.Module):
    def __init__(self, d_model, eps):
        super().__init__()
        self.eps = eps
        self.weight, self.bias = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        dim = min(1, x.dim() - 1)
        variance, mean = torch.var_mean(x, dim=dim, keepdim=True, correction=0)
        return self.weight * (x - mean) / (variance + self.eps).sqrt() + self.bias


@misconception(
    "LayerNorm",
    "statistics over the batch",
    hint="That is batch normalisation: a sentence would depend on its neighbours. Take each vector's own mean.",
)
class NormOverBatch(nn.Module):
    def __init__(self, d_model, eps):
        super().__init__()
        self.eps = eps
        self.weight, self.bias = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        variance, mean = torch.var_mean(x, dim=0, keepdim=True, correction=0)
        return self.weight * (x - mean) / (variance + self.eps).sqrt() + self.bias


@misconception(
    "LayerNorm",
    "statistics over a whole sentence",
    hint="Each vector is normalised by itself, over its last axis; over a sentence, padding would count too.",
)
class NormOverSentence(nn.Module):
    def __init__(self, d_model, eps):
        super().__init__()
        self.eps = eps
        self.weight, self.bias = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        variance, mean = torch.var_mean(x, dim=(-2, -1) if x.dim() > 1 else -1, keepdim=True, correction=0)
        return self.weight * (x - mean) / (variance + self.eps).sqrt() + self.bias


feed_forward = partial(edited, transformer, "FeedForward")
FeedForward = [
    feed_forward(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(nn.functional.gelu(self.linear1(x)))",
        name="GELU instead of ReLU",
        hint="GELU came with BERT and GPT. The paper's network, and this exercise, has a ReLU.",
    ),
    feed_forward(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(self.linear1(x))",
        name="no activation",
        hint="Two linear maps in a row are one linear map. Put the ReLU between them.",
    ),
    feed_forward(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(self.linear1(x)).relu()",
        name="the ReLU at the end",
        hint="The ReLU stands between the two maps. At the end it would keep the block from ever subtracting anything.",
    ),
    feed_forward(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(self.linear1(x).relu()).relu()",
        name="a second ReLU at the end",
        hint="The second map's output goes out as it is: after a ReLU nothing could ever be subtracted.",
    ),
    feed_forward(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(self.linear1(x.relu()))",
        name="the ReLU before the first map",
        hint="The ReLU stands between the two maps; before them it throws away half of the input.",
    ),
    feed_forward(
        "self.linear1(x).relu()",
        "self.linear1(x).tanh()",
        name="tanh instead of ReLU",
        hint="The activation is a ReLU: max(0, ·).",
    ),
    feed_forward(
        "self.linear1(x).relu()",
        "nn.functional.leaky_relu(self.linear1(x))",
        name="a leaky ReLU",
        hint="A ReLU is exactly 0 below 0: max(0, ·).",
    ),
    feed_forward(
        "self.linear1(x).relu()",
        "self.linear1(x).abs()",
        name="the absolute value",
        hint="A ReLU makes negative numbers 0; it does not turn them round.",
    ),
    feed_forward(
        "self.linear1(x).relu()",
        "self.linear1(x).relu().square()",
        name="the ReLU squared",
        hint="The activation is max(0, ·), not its square.",
    ),
    feed_forward(
        "self.linear2(self.linear1(x).relu())",
        "x + self.linear2(self.linear1(x).relu())",
        name="a residual connection inside",
        hint="The residual connection belongs to the block around the network; here it would be added twice.",
    ),
    feed_forward(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(self.linear1(nn.functional.layer_norm(x, x.shape[-1:])).relu())",
        name="a norm inside",
        hint="The norm belongs to the block around the network.",
    ),
    feed_forward(
        "self.linear1(x).relu()",
        "self.linear1(x).softmax(dim=-1)",
        name="softmax over the hidden numbers",
        hint="Hidden numbers do not compete: each goes through max(0, ·) by itself.",
    ),
    feed_forward(
        "self.linear1(x).relu()",
        "self.linear1(x - x.mean(dim=-2, keepdim=True) if x.dim() > 1 else x).relu()",
        name="the sentence's mean is subtracted",
        hint="The network sees one token at a time. Only attention lets tokens know of one another.",
    ),
    feed_forward(
        "nn.Linear(d_model, d_hidden)",
        "nn.Linear(d_model, 4 * d_model)\n        d_hidden = 4 * d_model",
        name="always four times as wide",
        hint="Four times d_model is what the paper chose; here the width is d_hidden.",
    ),
    feed_forward(
        "nn.Linear(d_model, d_hidden)",
        "nn.Linear(d_model, d_hidden, bias=False)",
        name="no bias in the first map",
        hint="Both maps have a bias, b₁ and b₂ in the paper.",
    ),
    feed_forward(
        "nn.Linear(d_hidden, d_model)",
        "nn.Linear(d_hidden, d_model, bias=False)",
        name="no bias in the second map",
        hint="Both maps have a bias, b₁ and b₂ in the paper.",
    ),
    feed_forward(
        "self.linear2(self.linear1(x).relu())",
        "nn.functional.linear(self.linear1(x).relu(), self.linear1.weight.T, self.linear2.bias)",
        name="the first matrix used twice",
        hint="The way back has a matrix of its own: linear2.weight.",
    ),
    feed_forward(
        "self.linear1(x).relu()",
        "self.linear1(x).relu().detach()",
        name="the hidden layer is cut from the graph",
        hint="With detach() on the hidden layer, linear1 never learns.",
    ),
    feed_forward(
        "self.linear1(x).relu()",
        "nn.functional.dropout(self.linear1(x).relu(), 0.1)",
        name="dropout that never stops",
        hint="F.dropout(x, p) drops in evaluation too, unless it is told training=self.training. Here there is none.",
    ),
    feed_forward(
        "made: Tensor = self.linear2",
        "x.data.relu_()\n        made: Tensor = self.linear2",
        name="a ReLU in place on the input",
        hint="relu_ changes the caller's tensor, and the residual connection still needs it.",
    ),
]

POST_NORM = """            x = self.norm1(x + attend(x))
            x = self.norm2(x + transform(x))
"""
PRE_NORM = """            x = x + attend(self.norm1(x))
            x = x + transform(self.norm2(x))
"""
ATTEND = "self.self_attn(x, x, x, attn_mask=forbidden, need_weights=False)[0]"
FORBIDDEN = "~allowed.repeat_interleave(self.n_heads, dim=0)"
HEADS_TEST = """        if d_model % n_heads != 0:
            raise ValueError(f"a width of {d_model} cannot be shared out among {n_heads} heads")
"""

encoder = partial(edited, transformer, "EncoderBlock")
EncoderBlock = [
    encoder(
        "if self.norm_first:",
        "if False:",
        name="post-norm whatever norm_first says",
        hint="norm_first=True asks for x + sublayer(norm(x)).",
    ),
    encoder(
        "if self.norm_first:",
        "if True:",
        name="pre-norm whatever norm_first says",
        hint="norm_first=False asks for norm(x + sublayer(x)), as in the paper.",
    ),
    encoder(
        "if self.norm_first:",
        "if not self.norm_first:",
        name="pre-norm and post-norm exchanged",
        hint="norm_first=True is pre-norm: the norm stands first inside the sublayer, x + sublayer(norm(x)).",
    ),
    encoder(
        PRE_NORM,
        """            x = self.norm1(x)
            x = x + attend(x)
            x = self.norm2(x)
            x = x + transform(x)
""",
        name="the norms on the residual path",
        hint="In pre-norm only the sublayer reads the normalised x; the residual path goes past the norm, so that the "
        "block can be the identity.",
    ),
    encoder(
        POST_NORM,
        """            x = x + self.norm1(attend(x))
            x = x + self.norm2(transform(x))
""",
        name="post-norm inside the sum",
        hint="Post-norm normalises the sum: norm(x + sublayer(x)), not x + norm(sublayer(x)).",
    ),
    encoder(
        "x = x + transform(self.norm2(x))\n",
        "x = self.norm2(x + transform(x))\n",
        name="pre-norm for attention, post-norm for the network",
        hint="Both sublayers of a pre-norm block have the form x + sublayer(norm(x)).",
    ),
    encoder(
        "x = x + attend(self.norm1(x))",
        "x = attend(self.norm1(x))",
        name="no residual connection around attention, pre-norm",
        hint="x + sublayer(norm(x)): without x the token forgets what it was.",
    ),
    encoder(
        "x = x + transform(self.norm2(x))",
        "x = transform(self.norm2(x))",
        name="no residual connection around the network, pre-norm",
        hint="x + sublayer(norm(x)): without x a deep stack dies.",
    ),
    encoder(
        "x = self.norm1(x + attend(x))",
        "x = self.norm1(attend(x))",
        name="no residual connection around attention, post-norm",
        hint="norm(x + sublayer(x)): without x the token forgets what it was.",
    ),
    encoder(
        "x = self.norm2(x + transform(x))",
        "x = self.norm2(transform(x))",
        name="no residual connection around the network, post-norm",
        hint="norm(x + sublayer(x)): without x a deep stack dies.",
    ),
    encoder(
        PRE_NORM,
        "            x = x + attend(self.norm1(x)) + transform(self.norm2(x))\n",
        name="attention and network side by side",
        hint="The network reads what attention has written: first one sum, then the other.",
    ),
    encoder(
        "transform(self.norm2(x))",
        "transform(self.norm1(x))",
        name="norm1 used twice",
        hint="Each sublayer has a norm of its own: norm1 for attention, norm2 for the network.",
    ),
    encoder(
        "self.norm2 = nn.LayerNorm(d_model)",
        "self.norm2 = self.norm1",
        name="one norm under two names",
        hint="norm1 and norm2 are two modules with parameters of their own: make two.",
    ),
    encoder(
        PRE_NORM,
        """            x = x + attend(self.norm2(x))
            x = x + transform(self.norm1(x))
""",
        name="the two norms exchanged",
        hint="norm1 belongs to attention, norm2 to the network.",
    ),
    encoder(
        PRE_NORM,
        PRE_NORM + "            x = self.norm2(x)\n",
        name="a norm after a pre-norm block",
        hint="A pre-norm block ends with a sum; the norm after the last block belongs to the model.",
    ),
    encoder(
        "x = x + attend(self.norm1(x))",
        "x = x + self.self_attn(self.norm1(x), x, x, attn_mask=forbidden, need_weights=False)[0]",
        name="only the queries are normalised",
        hint="In a pre-norm block queries, keys and values are all made from the normalised x.",
    ),
    encoder(
        FORBIDDEN,
        "allowed.repeat_interleave(self.n_heads, dim=0)",
        name="the mask as it is",
        hint="allowed is True where a query may look; nn.MultiheadAttention's attn_mask is True where it may not.",
    ),
    encoder(
        ATTEND,
        "self.self_attn(x, x, x, need_weights=False)[0]",
        name="the mask is not passed on",
        hint="Pass the mask to self_attn.",
    ),
    encoder(
        FORBIDDEN,
        "~allowed.repeat(self.n_heads, 1, 1)",
        name="the masks of neighbouring sentences among the heads",
        hint="repeat puts the whole batch after itself; the heads of a sentence must be neighbours: repeat_interleave.",
    ),
    encoder(
        FORBIDDEN,
        "~allowed[0]",
        name="every sentence gets the mask of the first",
        hint="Each sentence has a mask of its own: (B · heads, T, T).",
    ),
    encoder(
        FORBIDDEN,
        "~allowed.mT.repeat_interleave(self.n_heads, dim=0)",
        name="the mask with queries and keys exchanged",
        hint="allowed[b, t, s]: the query t comes before the key s, as in nn.MultiheadAttention.",
    ),
    encoder(
        FORBIDDEN,
        "allowed.repeat_interleave(self.n_heads, dim=0).to(x.dtype)",
        name="the mask as numbers that are added",
        hint="A mask of numbers is added to the scores: 1 and 0 forbid nothing. Pass a boolean mask, or 0 and -inf.",
    ),
    encoder(
        FORBIDDEN,
        "(~allowed.repeat_interleave(self.n_heads, dim=0)).to(x.dtype) * -10",
        name="the forbidden scores lowered by 10",
        hint="Large scores outweigh a finite fill. What is forbidden needs -inf, or True in a boolean mask.",
    ),
    encoder(
        FORBIDDEN,
        "(~allowed.repeat_interleave(self.n_heads, dim=0)).to(x.dtype) * -1e4",
        name="a finite fill, -1e4",
        hint="Scores that differ by more than 10,000 overrule a fill of -1e4, and what is forbidden is read. Use -inf.",
    ),
    encoder(
        FORBIDDEN,
        "(~allowed.repeat_interleave(self.n_heads, dim=0)).to(x.dtype) * -1e9",
        name="a finite fill, -1e9",
        hint="Any finite fill can be overruled by large scores, and then what is forbidden is read. Use -inf, or a "
        "boolean mask.",
    ),
    encoder(
        FORBIDDEN,
        "~allowed.all(dim=0)",
        name="what one sentence may not see is hidden from all",
        hint="Each sentence has a mask of its own: (B · heads, T, T).",
    ),
    encoder(
        FORBIDDEN,
        "~allowed[:, :1].expand_as(allowed).repeat_interleave(self.n_heads, dim=0)",
        name="every query gets the first query's mask",
        hint="allowed has a row for each query. Only a padding mask is the same for all of them.",
    ),
    encoder(
        FORBIDDEN,
        "~(allowed | torch.eye(x.shape[1], dtype=torch.bool, device=x.device)).repeat_interleave(self.n_heads, dim=0)",
        name="a position may always look at itself",
        hint="The mask alone decides, about the diagonal too.",
    ),
    encoder(
        FORBIDDEN,
        f"({FORBIDDEN}).tril()",
        name="the future is never forbidden",
        hint="Pass the mask on whole: both triangles of it count.",
    ),
    encoder(
        FORBIDDEN,
        f"({FORBIDDEN}).triu()",
        name="the past is never forbidden",
        hint="Pass the mask on whole: both triangles of it count.",
    ),
    encoder(
        "nn.MultiheadAttention(d_model, n_heads, batch_first=True)",
        "nn.MultiheadAttention(d_model, n_heads)",
        name="batch_first is missing",
        hint="By itself nn.MultiheadAttention takes the first axis for the positions, and attends across the batch.",
    ),
    encoder(
        "nn.MultiheadAttention(d_model, n_heads, batch_first=True)",
        "nn.MultiheadAttention(d_model, 1, batch_first=True)\n        self.n_heads = 1",
        name="one head whatever n_heads says",
        hint="Pass n_heads to nn.MultiheadAttention: the parameters look the same, the attention does not.",
    ),
    encoder(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(nn.functional.gelu(self.linear1(x)))",
        name="GELU instead of ReLU",
        hint="The activation of this block is a ReLU.",
    ),
    encoder(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(self.linear1(x))",
        name="no activation",
        hint="Two linear maps in a row are one linear map. Put the ReLU between them.",
    ),
    encoder(
        HEADS_TEST,
        "",
        name="the number of heads is not tested",
        hint="nn.MultiheadAttention only asserts that heads divide the width. Raise ValueError, with both numbers.",
    ),
    encoder(
        HEADS_TEST,
        """        if d_model % n_heads != 0:
            raise ValueError("heads must divide the width")
""",
        name="a message without the numbers",
        hint="A message that names both numbers saves the reader a search: put d_model and n_heads into it.",
    ),
    encoder(
        "x = x + attend(self.norm1(x))",
        "x.data += attend(self.norm1(x)).data",
        name="the residual added in place",
        hint="x += … changes the caller's tensor. Write x = x + ….",
    ),
    encoder(
        "x = x + attend(self.norm1(x))",
        "x = x + attend(self.norm1(x).detach())",
        name="attention is cut from the graph",
        hint="With detach() before the attention nothing flows back through it to the blocks below.",
    ),
    encoder(
        "self.norm1 = nn.LayerNorm(d_model)",
        "self.norm1 = nn.LayerNorm(d_model, elementwise_affine=False)",
        name="a norm without parameters",
        hint="Both norms have a weight and a bias: nn.LayerNorm(d_model).",
    ),
]

CAUSAL = "torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)"
LOOK_BACK = "self.multihead_attn(x, memory, memory, key_padding_mask=padding, need_weights=False)[0]"
PRE_NORM_OF_THREE = """            x = x + attend(self.norm1(x))
            x = x + look_back(self.norm2(x))
            x = x + transform(self.norm3(x))
"""
POST_NORM_OF_THREE = """            x = self.norm1(x + attend(x))
            x = self.norm2(x + look_back(x))
            x = self.norm3(x + transform(x))
"""

decoder = partial(edited, transformer, "DecoderBlock")
DecoderBlock = [
    decoder(
        "attn_mask=future, ",
        "",
        name="no mask on the target",
        hint="Without the mask a position reads the very token that it is to predict: near-zero loss, useless samples.",
    ),
    decoder(
        ".triu(1)",
        ".triu()",
        name="the diagonal masked too",
        hint="A position may look at itself: triu(1) forbids what is above the diagonal only. Otherwise the first one "
        "has nothing to look at, and becomes NaN.",
    ),
    decoder(
        ".triu(1)",
        ".triu(2)",
        name="one token of the future allowed",
        hint="triu(2) begins two places to the right of the diagonal: each position sees its successor.",
    ),
    decoder(
        ".triu(1)",
        ".tril(-1)",
        name="the past masked instead of the future",
        hint="True forbids: it belongs above the diagonal, where the key comes after the query.",
    ),
    decoder(
        ".triu(1)",
        ".tril()",
        name="what is allowed passed as forbidden",
        hint="nn.MultiheadAttention's boolean attn_mask is True where a query may not look. tril is what it may.",
    ),
    decoder(
        ".triu(1)",
        ".triu(1).to(x.dtype)",
        name="the mask as numbers that are added",
        hint="A mask of numbers is added to the scores: 1 and 0 forbid nothing. Pass a boolean mask, or 0 and -inf.",
    ),
    decoder(
        ".triu(1)",
        ".triu(1).to(x.dtype) * -10.0",
        name="the scores of the future lowered by 10",
        hint="Large scores outweigh a finite fill. What is forbidden needs -inf, or True in a boolean mask.",
    ),
    decoder(
        ".triu(1)",
        ".triu(1).to(x.dtype) * -1e4",
        name="a finite fill, -1e4",
        hint="Scores that differ by more than 10,000 overrule a fill of -1e4, and the future is read. Use -inf.",
    ),
    decoder(
        ".triu(1)",
        ".triu(1).to(x.dtype) * -1e9",
        name="a finite fill, -1e9",
        hint="Any finite fill can be overruled by large scores, and then the future is read. Use -inf, or a boolean "
        "mask.",
    ),
    decoder(
        "dtype=torch.bool, device=x.device",
        "dtype=torch.bool",
        name="the mask on the default device",
        hint="torch.ones without device= lives on the CPU, and fails where the target is on a GPU.",
    ),
    decoder(
        LOOK_BACK,
        "self.multihead_attn(x, x, x, need_weights=False)[0]",
        name="the memory is never read",
        hint="Keys and values of the second attention come from the memory.",
    ),
    decoder(
        "self.multihead_attn(x, memory, memory,",
        "self.multihead_attn(memory, x, x,",
        name="queries and memory exchanged",
        hint="The target asks, the memory answers: query=x, key=memory, value=memory.",
    ),
    decoder(
        "self.multihead_attn(x, memory, memory, key_padding_mask=padding,",
        "self.multihead_attn(x, memory, x,",
        name="values from the target",
        hint="What is read is the memory: value=memory. With S ≠ T the shapes do not even fit.",
    ),
    decoder(
        "self.multihead_attn(x, memory, memory,",
        "self.self_attn(x, memory, memory,",
        name="one attention used for both",
        hint="The second attention has projections of its own, multihead_attn.",
    ),
    decoder(
        """self.self_attn(x, x, x, attn_mask=future, need_weights=False)[0]
            return read

        def look_back(x: Tensor) -> Tensor:
            read: Tensor = self.multihead_attn(""",
        """self.multihead_attn(x, x, x, attn_mask=future, need_weights=False)[0]
            return read

        def look_back(x: Tensor) -> Tensor:
            read: Tensor = self.self_attn(""",
        name="the two attentions exchanged",
        hint="self_attn looks at the target itself, multihead_attn at the memory.",
    ),
    decoder(
        LOOK_BACK,
        "self.multihead_attn(x, self.norm2(memory), self.norm2(memory), key_padding_mask=padding, "
        "need_weights=False)[0]",
        name="the memory normalised again",
        hint="The encoder has normalised its memory. The norms of this block belong to the target.",
    ),
    decoder(
        LOOK_BACK,
        "self.multihead_attn(x, memory.detach(), memory.detach(), key_padding_mask=padding, need_weights=False)[0]",
        name="the memory is cut from the graph",
        hint="With detach() on the memory the encoder never learns.",
    ),
    decoder(
        LOOK_BACK,
        "self.multihead_attn(x, memory, memory, key_padding_mask=padding, need_weights=False, attn_mask=torch.ones("
        "x.shape[1], memory.shape[1], dtype=torch.bool, device=x.device).triu(1))[0]",
        name="a causal mask on the memory",
        hint="The source is known from the first word to the last: only the target has a future.",
    ),
    decoder(
        "key_padding_mask=padding, ",
        "",
        name="padding of the memory is read",
        hint="Pass key_padding_mask to the cross-attention.",
    ),
    decoder(
        "~real",
        "real",
        name="real as it is",
        hint="real is True on real tokens; nn.MultiheadAttention's key_padding_mask is True on padding.",
    ),
    decoder(
        "~real",
        "(~real).to(memory.dtype) * -1e4",
        name="a finite fill for padding, -1e4",
        hint="Scores that differ by more than 10,000 overrule a fill of -1e4, and padding is read. Use -inf.",
    ),
    decoder(
        "~real",
        "(~real).to(memory.dtype) * -1e9",
        name="a finite fill for padding, -1e9",
        hint="Any finite fill can be overruled by large scores, and then padding is read. Use -inf, or a boolean mask.",
    ),
    decoder(
        "~real",
        "~real[:1].expand_as(real)",
        name="every sentence gets the padding of the first",
        hint="Each sentence of the batch has padding of its own.",
    ),
    decoder(
        "padding = None if real is None else ~real",
        "padding = None\n        memory = memory if real is None else memory * real[:, :, None]",
        name="padding set to zero instead of masked",
        hint="A vector of zeros still takes weight, and its value has the bias. Mask it.",
    ),
    decoder(
        "if self.norm_first:",
        "if False:",
        name="post-norm whatever norm_first says",
        hint="norm_first=True asks for x + sublayer(norm(x)).",
    ),
    decoder(
        "if self.norm_first:",
        "if True:",
        name="pre-norm whatever norm_first says",
        hint="norm_first=False asks for norm(x + sublayer(x)), as in the paper.",
    ),
    decoder(
        PRE_NORM_OF_THREE,
        """            x = self.norm1(x)
            x = x + attend(x)
            x = self.norm2(x)
            x = x + look_back(x)
            x = self.norm3(x)
            x = x + transform(x)
""",
        name="the norms on the residual path",
        hint="In pre-norm only the sublayer reads the normalised x; the residual path goes past the norm, so that the "
        "block can be the identity.",
    ),
    decoder(
        POST_NORM_OF_THREE,
        """            x = x + self.norm1(attend(x))
            x = x + self.norm2(look_back(x))
            x = x + self.norm3(transform(x))
""",
        name="post-norm inside the sum",
        hint="Post-norm normalises the sum: norm(x + sublayer(x)), not x + norm(sublayer(x)).",
    ),
    decoder(
        PRE_NORM_OF_THREE,
        """            x = x + look_back(self.norm2(x))
            x = x + attend(self.norm1(x))
            x = x + transform(self.norm3(x))
""",
        name="the memory first",
        hint="First the target looks at itself, then at the memory.",
    ),
    decoder(
        PRE_NORM_OF_THREE,
        """            x = x + attend(self.norm1(x))
            x = x + transform(self.norm3(x))
            x = x + look_back(self.norm2(x))
""",
        name="the network before the memory",
        hint="The network comes last: it works on what both attentions have gathered.",
    ),
    decoder(
        PRE_NORM_OF_THREE,
        """            x = x + attend(self.norm1(x)) + look_back(self.norm2(x))
            x = x + transform(self.norm3(x))
""",
        name="both attentions side by side",
        hint="What is asked of the memory depends on what self-attention has found: first one sum, then the other.",
    ),
    decoder(
        "x = x + attend(self.norm1(x))",
        "x = attend(self.norm1(x))",
        name="no residual connection around self-attention",
        hint="x + sublayer(norm(x)), for each of the three sublayers.",
    ),
    decoder(
        "x = x + look_back(self.norm2(x))",
        "x = look_back(self.norm2(x))",
        name="no residual connection around the cross-attention",
        hint="x + sublayer(norm(x)), for each of the three sublayers: else the target forgets itself.",
    ),
    decoder(
        "x = x + transform(self.norm3(x))",
        "x = transform(self.norm3(x))",
        name="no residual connection around the network",
        hint="x + sublayer(norm(x)), for each of the three sublayers.",
    ),
    decoder(
        "x = self.norm2(x + look_back(x))",
        "x = self.norm2(look_back(x))",
        name="no residual connection around the cross-attention, post-norm",
        hint="norm(x + sublayer(x)), for each of the three sublayers: else the target forgets itself.",
    ),
    decoder(
        "transform(self.norm3(x))",
        "transform(self.norm2(x))",
        name="norm2 used twice",
        hint="Each of the three sublayers has a norm of its own.",
    ),
    decoder(
        "self.norm3 = nn.LayerNorm(d_model)",
        "self.norm3 = self.norm2",
        name="one norm under two names",
        hint="The three norms are three modules with parameters of their own.",
    ),
    decoder(
        "self.multihead_attn = nn.MultiheadAttention(d_model, n_heads, batch_first=True)",
        "self.multihead_attn = nn.MultiheadAttention(d_model, n_heads)",
        name="batch_first is missing in the cross-attention",
        hint="By itself nn.MultiheadAttention takes the first axis for the positions, and attends across the batch.",
    ),
    decoder(
        "self.self_attn = nn.MultiheadAttention(d_model, n_heads, batch_first=True)",
        "self.self_attn = nn.MultiheadAttention(d_model, 1, batch_first=True)",
        name="one head in self-attention",
        hint="Pass n_heads to both attentions: the parameters look the same, the attention does not.",
    ),
    decoder(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(nn.functional.gelu(self.linear1(x)))",
        name="GELU instead of ReLU",
        hint="The activation of this block is a ReLU.",
    ),
    decoder(
        "self.linear2(self.linear1(x).relu())",
        "self.linear2(self.linear1(x))",
        name="no activation",
        hint="Two linear maps in a row are one linear map. Put the ReLU between them.",
    ),
    decoder(
        HEADS_TEST,
        "",
        name="the number of heads is not tested",
        hint="nn.MultiheadAttention only asserts that heads divide the width. Raise ValueError, with both numbers.",
    ),
    decoder(
        "x = x + attend(self.norm1(x))",
        "x.data += attend(self.norm1(x)).data",
        name="the residual added in place",
        hint="x += … changes the caller's tensor. Write x = x + ….",
    ),
]

ENCODE = """        for layer in self.encoder_layers:
            memory = layer(memory, src_key_padding_mask=padding)
        memory = self.encoder_norm(memory)
"""
DECODE = "x = layer(x, memory, tgt_mask=future, memory_key_padding_mask=padding)"
LENGTH_TEST = """        if longest > len(self.positions.weight):
            raise ValueError(f"{longest} tokens, but the table of positions ends at {len(self.positions.weight)}")
"""

model = partial(edited, transformer, "Transformer")
Transformer = [
    model(
        "scale = math.sqrt(self.positions.weight.shape[1])",
        "scale = 1.0",
        name="the embeddings are not scaled",
        hint="Section 3.4: the embeddings are multiplied by √d_model, so that positions do not drown them.",
    ),
    model(
        "scale = math.sqrt(self.positions.weight.shape[1])",
        "scale = self.positions.weight.shape[1]",
        name="scaled by d_model, not by its root",
        hint="The factor is √d_model.",
    ),
    model(
        "scale = math.sqrt(self.positions.weight.shape[1])",
        "scale = 1 / math.sqrt(self.positions.weight.shape[1])",
        name="divided by √d_model",
        hint="The embeddings are multiplied by √d_model. Attention divides, and it does so for itself.",
    ),
    model(
        "self.target_embedding(target) * scale + self.positions.weight[:T]",
        "(self.target_embedding(target) + self.positions.weight[:T]) * scale",
        name="the positions of the target scaled too",
        hint="Only the embedding is multiplied by √d_model; the position is added after that.",
    ),
    model(
        " + self.positions.weight[: source.shape[1]]",
        "",
        name="no positions in the source",
        hint="Without positions the encoder reads a bag of words.",
    ),
    model(
        " + self.positions.weight[:T]",
        "",
        name="no positions in the target",
        hint="The mask alone tells a decoder little about order: add the position of every token.",
    ),
    model(
        "@ self.target_embedding.weight.T",
        "@ self.source_embedding.weight.T",
        name="logits over the source's words",
        hint="The logits are over the target's vocabulary: target_embedding.weight.",
    ),
    model(
        "self.encoder_norm = nn.LayerNorm(d_model)",
        "self.encoder_norm = nn.LayerNorm(d_model)\n        self.output = nn.Linear(d_model, target_vocab_size)",
        name="an output layer that is not needed",
        hint="The target's embedding serves twice: its vectors make the logits. There is no other output layer.",
    ),
    model(
        "self.decoder_norm(x) @",
        "x @",
        name="no norm after the decoder",
        hint="In a pre-norm model nothing has normalised the last sum: decoder_norm does.",
    ),
    model(
        "        memory = self.encoder_norm(memory)\n",
        "",
        name="no norm after the encoder",
        hint="In a pre-norm model nothing has normalised the last sum: encoder_norm does.",
    ),
    model(
        "nn.TransformerEncoderLayer(*sizes, batch_first=True, norm_first=True)",
        "nn.TransformerEncoderLayer(*sizes, batch_first=True)",
        name="post-norm in the encoder",
        hint="The layers are pre-norm, and by itself nn.TransformerEncoderLayer is post-norm: norm_first=True.",
    ),
    model(
        "nn.TransformerDecoderLayer(*sizes, batch_first=True, norm_first=True)",
        "nn.TransformerDecoderLayer(*sizes, batch_first=True)",
        name="post-norm in the decoder",
        hint="The layers are pre-norm, and by itself nn.TransformerDecoderLayer is post-norm: norm_first=True.",
    ),
    model(
        "nn.TransformerEncoderLayer(*sizes, batch_first=True, norm_first=True)",
        'nn.TransformerEncoderLayer(*sizes, activation="gelu", batch_first=True, norm_first=True)',
        name="GELU in the encoder",
        hint="The activation of every layer is a ReLU.",
    ),
    model(
        "nn.TransformerEncoderLayer(*sizes, batch_first=True, norm_first=True)",
        "nn.TransformerEncoderLayer(*sizes, norm_first=True)",
        name="batch_first is missing in the encoder",
        hint="By itself the layer takes the first axis for the positions, and attends across the batch.",
    ),
    model(
        ENCODE,
        ENCODE + "        memory = memory.detach()\n",
        name="the memory is cut from the graph",
        hint="With detach() on the memory the encoder never learns.",
    ),
    model(
        ENCODE,
        ENCODE.replace("self.encoder_layers", "self.encoder_layers[:1]"),
        name="one encoder layer only",
        hint="All n_layers of the encoder come one after the other.",
    ),
    model(
        "for layer in self.decoder_layers:",
        "for layer in [self.decoder_layers[0]] * len(self.decoder_layers):",
        name="the first decoder layer again and again",
        hint="Each layer has weights of its own, and is used once.",
    ),
    model(
        DECODE,
        DECODE + "\n            memory = x",
        name="later decoder layers read the decoder",
        hint="Every decoder layer reads the same memory: what comes out of the encoder.",
    ),
    model(
        ENCODE,
        ENCODE + "        memory = memory.mean(dim=1, keepdim=True).expand_as(memory)\n",
        name="the memory averaged to one vector",
        hint="That is the bottleneck of unit 02. The decoder looks back at every source position.",
    ),
    model(
        "memory = layer(memory, src_key_padding_mask=padding)",
        "memory = layer(memory)",
        name="the encoder reads padding",
        hint="Padding is masked twice: in the encoder's self-attention and in the decoder's cross-attention.",
    ),
    model(
        "tgt_mask=future, memory_key_padding_mask=padding",
        "tgt_mask=future",
        name="the decoder reads padding",
        hint="Padding is masked twice: in the encoder's self-attention and in the decoder's cross-attention.",
    ),
    model(
        "padding = source == self.pad_id",
        "padding = source != self.pad_id",
        name="the padding mask upside down",
        hint="PyTorch's key_padding_mask is True on padding, which is not looked at.",
    ),
    model(
        "padding = source == self.pad_id",
        "padding = source == 0",
        name="padding is always token 0",
        hint="Which token is padding is an argument: pad_id.",
    ),
    model(
        "memory_key_padding_mask=padding",
        "memory_key_padding_mask=target == self.pad_id",
        name="the target's padding on the memory",
        hint="The memory has the source's positions, and so its padding.",
    ),
    model(
        "tgt_mask=future, ",
        "",
        name="no mask on the target",
        hint="Without the mask a position reads the very token that it is to predict: near-zero loss, useless samples.",
    ),
    model(
        ".triu(1)",
        ".tril()",
        name="what is allowed passed as forbidden",
        hint="A boolean mask of PyTorch's layers is True where a query may not look. tril is what it may.",
    ),
    model(
        ".triu(1)",
        ".triu()",
        name="the diagonal masked too",
        hint="A position may look at itself: triu(1) forbids what is above the diagonal only. Otherwise the first one "
        "has nothing to look at, and becomes NaN.",
    ),
    model(
        ".triu(1)",
        ".triu(2)",
        name="one token of the future allowed",
        hint="triu(2) begins two places to the right of the diagonal: each position sees its successor.",
    ),
    model(
        ".triu(1)",
        ".tril(-1)",
        name="the past masked instead of the future",
        hint="True forbids: it belongs above the diagonal, where the key comes after the query.",
    ),
    model(
        ".triu(1)",
        ".triu(1).to(self.positions.weight.dtype)",
        name="the mask as numbers that are added",
        hint="A mask of numbers is added to the scores: 1 and 0 forbid nothing. Pass a boolean mask, or 0 and -inf.",
    ),
    model(
        ".triu(1)",
        ".triu(1).to(self.positions.weight.dtype) * -10.0",
        name="the scores of the future lowered by 10",
        hint="Large scores outweigh a finite fill. What is forbidden needs -inf, or True in a boolean mask.",
    ),
    model(
        "tgt_mask=future",
        "tgt_mask=future if layer is self.decoder_layers[0] else None",
        name="a mask in the first decoder layer only",
        hint="Every layer of the decoder needs the mask: the future leaks in wherever it is missing.",
    ),
    model(
        "memory_key_padding_mask=padding",
        "memory_key_padding_mask=padding, memory_mask=torch.ones("
        "T, source.shape[1], dtype=torch.bool, device=x.device).triu(1)",
        name="a causal mask on the memory",
        hint="The source is known from the first word to the last: only the target has a future.",
    ),
    model(
        "src_key_padding_mask=padding",
        "src_key_padding_mask=padding, src_mask=torch.ones("
        "source.shape[1], source.shape[1], dtype=torch.bool, device=source.device).triu(1)",
        name="a causal mask in the encoder",
        hint="The encoder reads the source in both directions: only the target has a future.",
    ),
    model(
        "src_key_padding_mask=padding",
        "src_key_padding_mask=padding if layer is self.encoder_layers[0] else None",
        name="padding masked in the first encoder layer only",
        hint="Padding takes weight in every layer that does not mask it.",
    ),
    model(
        "padding = source == self.pad_id",
        "padding = (source == self.pad_id)[:1].expand_as(source)",
        name="every sentence gets the padding of the first",
        hint="Each sentence of the batch has padding of its own.",
    ),
    model(
        "dtype=torch.bool, device=target.device",
        "dtype=torch.bool",
        name="the mask on the default device",
        hint="torch.ones without device= lives on the CPU, and fails where the target is on a GPU.",
    ),
    model(
        "self.target_embedding(target) * scale",
        "self.target_embedding(target.roll(1, dims=1)) * scale",
        name="the target shifted inside",
        hint="target is what the decoder reads, shifted already. A second shift hides the token before.",
    ),
    model(
        "max(source.shape[1], target.shape[1])",
        "source.shape[1]",
        name="only the source's length is tested",
        hint="A target that is too long must be refused too.",
    ),
    model(
        LENGTH_TEST,
        "",
        name="the length is not tested",
        hint="A sequence longer than the table must be refused with ValueError, which names both numbers.",
    ),
    model(
        "        return logits",
        "        return logits.softmax(dim=-1)",
        name="probabilities instead of logits",
        hint="Return logits: cross_entropy takes the softmax itself.",
    ),
]

HEADS = "heads = F.scaled_dot_product_attention(query, key, value, is_causal=True)"
SPLIT = "fused.view(B, T, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)"

language = partial(edited, transformer, "DecoderOnlyTransformer")
DecoderOnlyTransformer = [
    language(
        ", is_causal=True",
        "",
        name="no mask",
        hint="Without the mask a token reads the very one that it is to predict: near-zero loss, useless samples.",
    ),
    language(
        "is_causal=True",
        "attn_mask=torch.ones(T, T, dtype=torch.bool, device=x.device).triu()",
        name="the future allowed and the past forbidden",
        hint="In scaled_dot_product_attention True is what may be looked at: tril, not triu.",
    ),
    language(
        "is_causal=True",
        "attn_mask=torch.ones(T, T, dtype=torch.bool, device=x.device).tril(-1)",
        name="the diagonal masked too",
        hint="A token may look at itself: tril(), not tril(-1). Otherwise the first has nothing to look at.",
    ),
    language(
        "is_causal=True",
        "attn_mask=torch.ones(T, T, device=x.device, dtype=x.dtype).tril()",
        name="the mask as numbers that are added",
        hint="A mask of numbers is added to the scores: 1 and 0 forbid nothing. Pass a boolean mask, or 0 and -inf.",
    ),
    language(
        "is_causal=True",
        "attn_mask=torch.ones(T, T, dtype=torch.bool).tril()",
        name="the mask on the default device",
        hint="torch.ones without device= lives on the CPU, and fails where the tokens are on a GPU.",
    ),
    language(
        "is_causal=True",
        "attn_mask=torch.ones(T, T, dtype=torch.bool, device=x.device).tril(1)",
        name="one token of the future allowed",
        hint="tril(1) goes one place to the right of the diagonal: each token sees its successor.",
    ),
    language(
        "is_causal=True",
        "attn_mask=torch.ones(T, T, dtype=torch.bool, device=x.device).tril().triu(-1)",
        name="a window of two tokens",
        hint="A token looks at all that stands before it, not only at its neighbour.",
    ),
    language(
        "is_causal=True",
        "attn_mask=torch.ones(T, T, dtype=x.dtype, device=x.device).triu(1) * -10",
        name="the scores of the future lowered by 10",
        hint="Large scores outweigh a finite fill. What is forbidden needs -inf, or False in this boolean mask.",
    ),
    language(
        "is_causal=True",
        "attn_mask=torch.ones(2 * [len(self.positions.weight)], dtype=torch.bool, device=x.device).tril()",
        name="the mask of max_length is not cropped",
        hint="A sentence of T tokens needs the first T rows and columns of the mask: mask[:T, :T].",
    ),
    language(
        HEADS,
        "heads = (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1).tril() @ value",
        name="the mask after the softmax",
        hint="Masked after the softmax, the weights no longer sum to 1. The scores get -inf, before it.",
    ),
    language(
        HEADS,
        "heads = (query @ key.mT / query.shape[-1] ** 0.5).tril().softmax(dim=-1) @ value",
        name="the scores multiplied by the mask",
        hint="A score of 0 still gets the weight e⁰. What is forbidden needs the score -inf.",
    ),
    language(
        "is_causal=True",
        "is_causal=layer is self.layers[0]",
        name="a mask in the first layer only",
        hint="Every layer needs the mask: the future leaks in wherever it is missing.",
    ),
    language(
        SPLIT,
        "fused.view(B, T, self.n_heads, 3, -1).permute(3, 0, 2, 1, 4)",
        name="the heads split before query, key and value",
        hint="in_proj_weight holds all rows of the query, then those of the key, then of the value: split in three "
        "first.",
    ),
    language(
        SPLIT,
        "fused.view(B, T, 3, -1, self.n_heads).permute(2, 0, 4, 1, 3)",
        name="heads and their width exchanged",
        hint="A head is a run of neighbouring numbers: (heads, d), not (d, heads).",
    ),
    language(
        "query, key, value = fused",
        "key, query, value = fused",
        name="queries and keys exchanged",
        hint="The first third of in_proj_weight makes the queries, the second the keys.",
    ),
    language(
        "heads.transpose(1, 2).flatten(2)",
        "heads.reshape(B, T, -1)",
        name="heads merged without turning them back",
        hint="(B, heads, T, d) must become (B, T, heads, d) before the last two axes are merged. Trained on a copying "
        "task, the scrambled version learns too.",
    ),
    language(
        "is_causal=True",
        "is_causal=True, scale=x.shape[-1] ** -0.5",
        name="scaled by √d_model",
        hint="The scale comes from the width of one head, d_model / n_heads.",
    ),
    language(
        "layer.norm1(x), attention",
        "x, attention",
        name="attention reads what is not normalised",
        hint="Pre-norm: attention reads norm1(x).",
    ),
    language(
        "layer.norm2(x)",
        "layer.norm1(x)",
        name="norm1 used twice",
        hint="Each sublayer has a norm of its own: norm1 for attention, norm2 for the network.",
    ),
    language(
        "x = x + attention.out_proj(heads.transpose(1, 2).flatten(2))",
        "x = attention.out_proj(heads.transpose(1, 2).flatten(2))",
        name="no residual connection around attention",
        hint="x + sublayer(norm(x)), for both sublayers.",
    ),
    language(
        "x = x + layer.linear2",
        "x = layer.linear2",
        name="no residual connection around the network",
        hint="x + sublayer(norm(x)), for both sublayers.",
    ),
    language(
        "attention.out_proj(heads.transpose(1, 2).flatten(2))",
        "heads.transpose(1, 2).flatten(2)",
        name="the output projection is left out",
        hint="out_proj lets what the heads have read work together.",
    ),
    language(
        "layer.linear1(layer.norm2(x)).relu()",
        "F.gelu(layer.linear1(layer.norm2(x)))",
        name="GELU instead of ReLU",
        hint="GPT-2 has GELU; the activation of this model is a ReLU.",
    ),
    language(
        "for layer in self.layers:",
        "for layer in [self.layers[0]] * len(self.layers):",
        name="the first layer again and again",
        hint="Each layer has weights of its own, and is used once.",
    ),
    language(
        " + self.positions.weight[:T]",
        "",
        name="no positions",
        hint="The mask alone tells little about order: add the position of every token.",
    ),
    language(
        "self.positions.weight[:T]",
        "self.positions(tokens % len(self.positions.weight))",
        name="positions by token instead of by place",
        hint="A position is a place in the sentence, 0, 1, 2, …; the token has its embedding already.",
    ),
    language(
        "self.positions.weight[:T]",
        "self.positions(torch.arange(T))",
        name="places counted on the default device",
        hint="torch.arange(n) without device= lives on the CPU, and fails where the tokens are on a GPU.",
    ),
    language(
        "self.positions.weight[:T]",
        "self.positions.weight[:T].flip(0)",
        name="places counted from the end",
        hint="The first token has place 0. Counted from the end, places change as a sentence grows.",
    ),
    language(
        "self.embedding(tokens) +",
        "self.embedding(tokens) * self.embedding.weight.shape[1] ** 0.5 +",
        name="embeddings scaled by √d_model",
        hint="That is the paper's encoder and decoder. Here the embedding enters as it is.",
    ),
    language(
        "self.norm(x) @",
        "x @",
        name="no norm after the last layer",
        hint="In a pre-norm model nothing has normalised the last sum: norm does.",
    ),
    language(
        "self.norm = nn.LayerNorm(d_model)",
        "self.norm = nn.LayerNorm(d_model)\n        self.head = nn.Linear(d_model, vocab_size, bias=False)",
        name="an output layer that is not needed",
        hint="The embedding serves twice: its vectors make the logits. There is no other output layer.",
    ),
    language(
        "@ self.embedding.weight.T",
        "@ self.embedding.weight.T.detach()",
        name="the embedding learns at the entrance only",
        hint="A weight that is used twice gets two gradients. Use the same parameter, not a copy of it.",
    ),
    language(
        "if len(self.positions.weight) < T:",
        "if False:",
        name="the length is not tested",
        hint="More tokens than positions must be refused with ValueError, which names both numbers.",
    ),
    language(
        "        return logits",
        "        return logits[:, -1:]",
        name="logits of the last token only",
        hint="Every token predicts its successor: that is T lessons from one sentence.",
    ),
    language(
        "        return logits",
        "        return logits.log_softmax(dim=-1)",
        name="log-probabilities instead of logits",
        hint="Return logits: cross_entropy takes the softmax itself.",
    ),
]

RATE = "d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)"

rate = partial(edited, transformer, "warmup_rate")
warmup_rate = [
    rate(
        "min(step",
        "max(step",
        name="the greater of the two lines",
        hint="The smaller one counts: the rising line at first, the falling one after it.",
    ),
    rate(
        "warmup**-1.5",
        "warmup**-0.5",
        name="warmup to the power of -0.5",
        hint="The rising line is step · warmup^-1.5: then both lines meet at step = warmup.",
    ),
    rate(
        "d_model**-0.5 *",
        "d_model**0.5 *",
        name="multiplied by √d_model",
        hint="A wider model takes smaller steps: d_model^-0.5.",
    ),
    rate("d_model**-0.5 * ", "", name="no factor of the width", hint="The rate has the factor d_model^-0.5."),
    rate(
        "d_model**-0.5 *",
        "1 / d_model *",
        name="divided by d_model, not by its root",
        hint="The factor is d_model^-0.5, one over the square root.",
    ),
    rate(
        "step * warmup**-1.5)",
        "math.inf)",
        name="no warm-up",
        hint="Without the rising line the first step is the largest of all.",
    ),
    rate(
        "min(step**-0.5,",
        "min(warmup**-0.5,",
        name="a rate that stays after the warm-up",
        hint="After the warm-up the rate falls as 1/√step.",
    ),
    rate(
        RATE,
        "(d_model * warmup) ** -0.5 * min(warmup / step, step / warmup)",
        name="falling as 1/step",
        hint="After the warm-up the rate falls as 1/√step, more slowly than 1/step.",
    ),
    rate(
        RATE,
        "(d_model * warmup) ** -0.5 * (step // warmup if step < warmup else (warmup / step) ** 0.5)",
        name="a whole-number division",
        hint="step // warmup is 0 during the whole warm-up: divide with /.",
    ),
    rate(
        RATE,
        "d_model**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)",
        name="steps counted from 0",
        hint="Steps count from 1: step 1 has the rate 1/warmup of the highest.",
    ),
    rate(
        "    if step < 1:\n",
        "    if step < 0:\n",
        name="step 0 is accepted",
        hint="0 ** -0.5 is a division by zero. Steps count from 1.",
    ),
    rate(
        '    if step < 1:\n        raise ValueError(f"steps count from 1, and this is step {step}")\n',
        "    step = max(step, 1)\n",
        name="a step before the first counts as the first",
        hint="A step that cannot be is a mistake of the caller: say so with ValueError.",
    ),
]

loss = partial(edited, transformer, "label_smoothed_cross_entropy")
label_smoothed_cross_entropy = [
    loss(
        "losses = -(1 - smoothing) * right - smoothing * log_probabilities.mean(dim=-1)",
        "losses = -right",
        name="the smoothing is ignored",
        hint="The target gets 1 - smoothing, and all V tokens share the rest.",
    ),
    loss(
        "-(1 - smoothing) * right",
        "-right",
        name="mass that adds up to more than 1",
        hint="What is shared out among all tokens is taken from the target: it keeps 1 - smoothing.",
    ),
    loss(
        "smoothing * log_probabilities.mean(dim=-1)",
        "smoothing * log_probabilities.sum(dim=-1)",
        name="the mass given to every token whole",
        hint="Each token gets smoothing / V: the mean of the log-probabilities, not their sum.",
    ),
    loss(
        " - smoothing * log_probabilities.mean(dim=-1)",
        "",
        name="the mass is lost",
        hint="What is taken from the target goes to all tokens of the vocabulary.",
    ),
    loss(
        "smoothing * log_probabilities.mean(dim=-1)",
        "smoothing * (log_probabilities.sum(dim=-1) - right) / (logits.shape[-1] - 1)",
        name="no share for the target",
        hint="Another convention, smoothing / (V - 1) for all but the target. Here all V tokens have a share, as in "
        "nn.CrossEntropyLoss.",
    ),
    loss(
        "smoothing * log_probabilities.mean(dim=-1)",
        "smoothing * (log_probabilities.sum(dim=-1) - log_probabilities[:, pad_id]) / (logits.shape[-1] - 1)",
        name="no share for the padding",
        hint="Another convention. Here all V tokens have a share, the padding among them, as in nn.CrossEntropyLoss.",
    ),
    loss(
        "smoothing * log_probabilities.mean(dim=-1)",
        "smoothing * (log_probabilities.sum(dim=-1) - right - log_probabilities[:, pad_id]) / (logits.shape[-1] - 2)",
        name="no share for the target and the padding",
        hint="Another convention, that of several translators. Here all V tokens have a share, as in "
        "nn.CrossEntropyLoss.",
    ),
    loss(
        "-(1 - smoothing) * right - smoothing *",
        "-smoothing * right - (1 - smoothing) *",
        name="the two shares exchanged",
        hint="smoothing is the share that is given away; the target keeps 1 - smoothing.",
    ),
    loss(
        "    return losses.sum()",
        """    V = logits.shape[-1]
    kept, given = 1 - smoothing + smoothing / V, smoothing / V
    entropy = -kept * math.log(kept) - ((V - 1) * given * math.log(given) if given > 0 else 0.0)
    losses = losses - entropy
    return losses.sum()""",
        name="the divergence instead of the cross-entropy",
        hint="The Kullback–Leibler divergence is less by the entropy of the targets, a constant. nn.CrossEntropyLoss "
        "does not subtract it.",
    ),
    loss(
        "real = targets != pad_id",
        "real = targets == targets",
        name="padding counts like other tokens",
        hint="A target that is padding is no word to predict: leave it out of the sum and of the mean.",
    ),
    loss(
        "real.sum().clamp(min=1)",
        "targets.numel()",
        name="divided by all tokens",
        hint="The mean is over real tokens: otherwise the loss depends on the batch's padding.",
    ),
    loss(
        " / real.sum().clamp(min=1)",
        "",
        name="the sum instead of the mean",
        hint="Divide by the number of real tokens.",
    ),
    loss(
        " / real.sum().clamp(min=1)",
        " / len(targets)",
        name="the mean over sentences",
        hint="The mean is over real tokens, of all sentences together.",
    ),
    loss(
        ".clamp(min=1)",
        "",
        name="NaN without a real token",
        hint="0/0 is NaN. Divide by one at least: then a batch of padding has loss 0.",
    ),
    loss(
        "log_probabilities = logits[real].log_softmax(dim=-1)",
        "log_probabilities = logits[real].softmax(dim=-1)",
        name="probabilities without a logarithm",
        hint="The loss is made of log-probabilities: log_softmax.",
    ),
    loss(
        "logits[real].log_softmax(dim=-1)",
        "logits[real].softmax(dim=-1).log_softmax(dim=-1)",
        name="softmax taken twice",
        hint="log_softmax takes logits. Of probabilities it makes a loss that can never come near 0.",
    ),
    loss(
        "logits[real].log_softmax(dim=-1)",
        "logits.log_softmax(dim=1)[real]",
        name="softmax over the positions",
        hint="Each position shares out its probability over the vocabulary: the last axis.",
    ),
    loss(
        "    if not 0 <= smoothing <= 1:\n"
        '        raise ValueError(f"smoothing is a share of the mass, from 0 to 1, not {smoothing}")\n',
        "",
        name="any smoothing is accepted",
        hint="Below 0 or above 1 some token would get negative mass. Say so with ValueError.",
    ),
    loss(
        "smoothing * log_probabilities.mean(dim=-1)",
        "smoothing * log_probabilities.detach().mean(dim=-1)",
        name="the smoothed part has no gradient",
        hint="With detach() the smoothing changes the number that is printed, and nothing that is learned.",
    ),
    loss(
        "logits[real].log_softmax(dim=-1)",
        "logits[real].float().log_softmax(dim=-1)",
        name="the loss in float32 whatever comes in",
        hint="The loss has the type of the logits. .float() inside loses the digits of float64.",
    ),
]


@misconception(
    "label_smoothed_cross_entropy",
    "the mean of the sentences' means",
    hint="Every real token counts alike. A mean over sentences gives the words of a short one more weight.",
)
def smoothed_by_sentences(logits, targets, smoothing, pad_id):
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is {smoothing}")
    real = targets != pad_id
    log_probabilities = logits.log_softmax(dim=-1)
    right = log_probabilities.gather(-1, targets[:, :, None]).squeeze(-1)
    losses = (-(1 - smoothing) * right - smoothing * log_probabilities.mean(dim=-1)) * real
    return (losses.sum(dim=1) / real.sum(dim=1).clamp(min=1)).mean()


@misconception(
    "label_smoothed_cross_entropy",
    "the smoothed targets on the default device",
    hint="torch.full(…) without device= lives on the CPU, and fails where the logits are on a GPU.",
)
def smoothed_on_default_device(logits, targets, smoothing, pad_id):
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is {smoothing}")
    real = targets != pad_id
    mass = torch.full(logits.shape, smoothing / logits.shape[-1], dtype=logits.dtype)
    hot = nn.functional.one_hot(targets, logits.shape[-1]).to(logits.dtype)
    losses = -((hot * (1 - smoothing) + mass) * logits.log_softmax(dim=-1)).sum(dim=-1)
    return losses[real].sum() / real.sum().clamp(min=1)


@misconception(
    "label_smoothed_cross_entropy",
    "the maximum is subtracted in place",
    hint="logits -= … changes the caller's tensor, and autograd refuses it on a leaf. Write logits = logits - ….",
)
def smoothed_in_place(logits, targets, smoothing, pad_id):
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is {smoothing}")
    logits.data -= logits.detach().amax(dim=-1, keepdim=True)
    real = targets != pad_id
    log_probabilities = logits[real].log_softmax(dim=-1)
    right = log_probabilities.gather(-1, targets[real][:, None]).squeeze(-1)
    losses = -(1 - smoothing) * right - smoothing * log_probabilities.mean(dim=-1)
    return losses.sum() / real.sum().clamp(min=1)


generating = partial(edited, transformer, "generate")
generate = [
    generating(
        "model(tokens)[:, -1]",
        "model(tokens)[:, 0]",
        name="the logits of the first token",
        hint="What follows all tokens so far is predicted at the last place: [:, -1].",
    ),
    generating(
        "model(tokens)[:, -1]",
        "model(tokens[:, -1:])[:, -1]",
        name="only the last token is passed on",
        hint="This model has no state: it must see all the tokens so far.",
    ),
    generating(
        "model(tokens)[:, -1]",
        "model(tokens[:, prompt.shape[1] - 1 :])[:, -1]",
        name="the prompt is cut off",
        hint="Pass the whole prompt, then the new tokens.",
    ),
    generating(
        "model(tokens)[:, -1]",
        "model(prompt)[:, -1]",
        name="always the prompt",
        hint="Each new token is part of what the next one follows: pass all the tokens so far.",
    ),
    generating(
        "[:, -1] / temperature",
        "[:, -1] * temperature",
        name="multiplied by the temperature",
        hint="A low temperature must sharpen the choice: divide the logits by it.",
    ),
    generating(
        "[:, -1] / temperature",
        "[:, -1]",
        name="the temperature is ignored",
        hint="Divide the logits by the temperature before the softmax.",
    ),
    generating(
        "token = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)",
        "token = logits.argmax(dim=-1, keepdim=True)",
        name="the best token instead of a draw",
        hint="That is greedy decoding. Draw from the probabilities.",
    ),
    generating(
        "torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)",
        "torch.multinomial(logits.softmax(dim=-1), 1)",
        name="drawn from the global stream",
        hint="Pass generator=generator, so that a seed gives the same tokens again.",
    ),
    generating(
        "dim=-1), 1, generator=generator)",
        "dim=-1), 1, generator=torch.Generator().manual_seed(generator.initial_seed()))",
        name="the generator starts afresh in every step",
        hint="Use the generator as it comes: it moves on with every draw.",
    ),
    generating(
        "torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)",
        "torch.multinomial(logits.softmax(dim=-1)[:1], 1, generator=generator).expand(len(tokens), 1)",
        name="one draw for the whole batch",
        hint="Each prompt goes on in its own way: one draw for each row of the probabilities.",
    ),
    generating(
        "min(top_k, logits.shape[-1])",
        "min(top_k + 1, logits.shape[-1])",
        name="one token too many is kept",
        hint="With top_k = 1 only the best token is left.",
    ),
    generating(
        "logits < worst_kept",
        "logits <= worst_kept",
        name="one token too few is kept",
        hint="The top_k-th best is kept too: forbid what is less than it.",
    ),
    generating(
        "logits < worst_kept",
        "logits > worst_kept",
        name="the least likely tokens are kept",
        hint="Forbid what is less than the top_k-th best, not what is more.",
    ),
    generating(
        "-math.inf)",
        "0.0)",
        name="what is left out gets the logit 0",
        hint="A logit of 0 still has the weight e⁰. What is left out needs -inf.",
    ),
    generating(
        "logits = logits.masked_fill(logits < worst_kept, -math.inf)",
        "logits = logits.topk(min(top_k, logits.shape[-1])).values",
        name="the rank among the best instead of the token",
        hint="A draw among the sorted best gives a rank: look up which token has it.",
    ),
    generating(
        "logits = logits.masked_fill(logits < worst_kept, -math.inf)",
        "logits = logits[:, :top_k]",
        name="the first top_k tokens of the vocabulary",
        hint="top_k goes by probability: the best tokens are kept, wherever they stand in the vocabulary.",
    ),
    generating(
        "if top_k is not None:\n            worst",
        "if False:\n            worst",
        name="top_k is ignored",
        hint="Only the top_k most likely tokens may come.",
    ),
    generating(
        ".values[:, -1:]",
        ".values[:, -1:].amin()",
        name="one threshold for the whole batch",
        hint="Each prompt has its own top_k-th best token: keep the axis of the batch.",
    ),
    generating(
        "min(top_k, logits.shape[-1])",
        "top_k",
        name="a top_k greater than the vocabulary breaks",
        hint="topk cannot return more values than there are: min(top_k, V).",
    ),
    generating(
        "if temperature <= 0:",
        "if False:",
        name="a temperature of zero is accepted",
        hint="At temperature 0 the division gives inf or NaN; below 0 it prefers the worst token. Raise ValueError.",
    ),
    generating(
        "if top_k is not None and top_k < 1:",
        "if False:",
        name="a top_k of zero is accepted",
        hint="With top_k = 0 there is no token to draw. Say so with ValueError.",
    ),
    generating(
        "    return tokens",
        "    return tokens[:, prompt.shape[1] :]",
        name="the prompt is not returned",
        hint="Return the prompt and what follows it, T = P + max_new_tokens.",
    ),
    generating(
        "range(max_new_tokens)",
        "range(max_new_tokens - prompt.shape[1])",
        name="the prompt counts as new tokens",
        hint="max_new_tokens is how many are added to the prompt.",
    ),
    generating(
        "    return tokens",
        "    model(tokens)\n    return tokens",
        name="a call of the model too many",
        hint="After the last token nothing more needs to be predicted.",
    ),
    generating(
        "tokens = torch.cat([tokens, token], dim=1)",
        "tokens = torch.cat([token, tokens], dim=1)",
        name="new tokens before the prompt",
        hint="A continuation comes after the prompt: torch.cat([tokens, token], dim=1).",
    ),
]


@misconception(
    "generate",
    "tokens on the default device",
    hint="torch.zeros(B, T) lives on the CPU, wherever the prompt is. Give it device=prompt.device.",
)
def generate_on_default_device(model, prompt, max_new_tokens, temperature, top_k, generator):
    if temperature <= 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"temperature {temperature}, top_k {top_k}")
    B, P = prompt.shape
    tokens = torch.zeros(B, P + max_new_tokens, dtype=torch.int64)
    tokens[:, :P] = prompt
    for place in range(P, P + max_new_tokens):
        logits = model(tokens[:, :place])[:, -1] / temperature
        if top_k is not None:
            worst_kept = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
            logits = logits.masked_fill(logits < worst_kept, -math.inf)
        tokens[:, place] = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]
    return tokens


@misconception(
    "generate",
    "exponential without subtracting the maximum",
    hint="exp(1000) is infinite. softmax subtracts the largest logit first: the probabilities stay the same.",
)
def generate_with_plain_exponential(model, prompt, max_new_tokens, temperature, top_k, generator):
    if temperature <= 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"temperature {temperature}, top_k {top_k}")
    tokens = prompt
    for _ in range(max_new_tokens):
        weights = (model(tokens)[:, -1] / temperature).exp()
        if top_k is not None:
            worst_kept = weights.topk(min(top_k, weights.shape[-1])).values[:, -1:]
            weights = weights * (weights >= worst_kept)
        token = torch.multinomial(weights / weights.sum(dim=-1, keepdim=True), 1, generator=generator)
        tokens = torch.cat([tokens, token], dim=1)
    return tokens
