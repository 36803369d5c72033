"""References for unit 06: the Transformer, its blocks, its training and its sampling.

Axes: B batch, T positions (of the target, where there are two sequences), S positions of the source, D model width,
V vocabulary. A mask is called allowed and is True where a query may look; real is True on real tokens.
Every block says whether it is pre-norm or post-norm. Parameters have the names that PyTorch's own layers give them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm(nn.Module):
    """Shift and scale each vector to mean 0 and variance 1, then by learned numbers, one of each for every place.

    The output is weight · (x - mean) / √(variance + eps) + bias. Mean and variance are those of the vector's own D
    numbers; the variance is their mean square distance from the mean, a sum divided by D.

    Parameters: weight (D), at first ones, and bias (D), at first zeros. Ba, Kiros and Hinton 2016, section 3.

    Example: `LayerNorm(64, eps=1e-5)(x)` has the shape of x, whose last axis has 64 numbers.
    """

    def __init__(self, d_model: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Every vector of x, normalised."""
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return self.weight * centred / (variance + self.eps).sqrt() + self.bias


class FeedForward(nn.Module):
    """Two linear maps with a ReLU between them, the same for every position: linear2(relu(linear1(x))).

    Parameters, both with a bias: linear1 (d_model → d_hidden) and linear2 (d_hidden → d_model).
    Vaswani et al. 2017, equation 2 (section 3.3).

    Example: `FeedForward(64, 256)(x)` has the shape of x, whose last axis has 64 numbers.
    """

    def __init__(self, d_model: int, d_hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_hidden)
        self.linear2 = nn.Linear(d_hidden, d_model)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Every vector of x, transformed by itself."""
        made: Tensor = self.linear2(self.linear1(x).relu())
        return made


class EncoderBlock(nn.Module):
    """Self-attention, then a feed-forward network with a ReLU; each has a residual connection and a LayerNorm.

    norm_first=True is pre-norm, x + sublayer(norm(x)); False is post-norm, norm(x + sublayer(x)), as in the paper.

    Parameters: self_attn (nn.MultiheadAttention), linear1 (d_model → d_hidden) and linear2 (d_hidden → d_model),
    norm1 of the attention and norm2 of the network (nn.LayerNorm); these are the names of nn.TransformerEncoderLayer.
    There is no dropout. Raises ValueError, with both numbers, unless n_heads divides d_model.
    Vaswani et al. 2017, section 3.1; pre-norm: Xiong et al. 2020, section 3.

    Example: `EncoderBlock(64, n_heads=4, d_hidden=256, norm_first=True)(x)` has the shape of x.
    """

    def __init__(self, d_model: int, n_heads: int, d_hidden: int, norm_first: bool) -> None:
        super().__init__()
        if d_model % n_heads != 0:
            raise ValueError(f"a width of {d_model} cannot be shared out among {n_heads} heads")
        self.n_heads, self.norm_first = n_heads, norm_first
        self.self_attn = nn.MultiheadAttention(d_model, n_heads, batch_first=True)
        self.linear1 = nn.Linear(d_model, d_hidden)
        self.linear2 = nn.Linear(d_hidden, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(
        self, x: Float[Tensor, "B T D"], allowed: Bool[Tensor, "B T T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """The block's output. allowed[b, t, s] is True where position t may look at s: somewhere, for every t.

        nn.MultiheadAttention wants it the other way round, True where it is forbidden, and once for every head of a
        sentence: (B · heads, T, T), the heads of a sentence next to one another.
        """
        forbidden = None if allowed is None else ~allowed.repeat_interleave(self.n_heads, dim=0)

        def attend(x: Tensor) -> Tensor:
            read: Tensor = self.self_attn(x, x, x, attn_mask=forbidden, need_weights=False)[0]
            return read

        def transform(x: Tensor) -> Tensor:
            made: Tensor = self.linear2(self.linear1(x).relu())
            return made

        if self.norm_first:
            x = x + attend(self.norm1(x))
            x = x + transform(self.norm2(x))
        else:
            x = self.norm1(x + attend(x))
            x = self.norm2(x + transform(x))
        return x


class DecoderBlock(nn.Module):
    """Masked self-attention, cross-attention over the encoder's memory, then a feed-forward network with a ReLU.

    Each of the three has a residual connection and a LayerNorm. norm_first=True is pre-norm, x + sublayer(norm(x));
    False is post-norm, norm(x + sublayer(x)), as in the paper. The memory comes as it is to be read: no norm of this
    block applies to it.

    Parameters: self_attn and multihead_attn (nn.MultiheadAttention; the second one reads the memory), linear1
    (d_model → d_hidden) and linear2 (d_hidden → d_model), norm1, norm2 and norm3 (nn.LayerNorm) of the three in this
    order; these are the names of nn.TransformerDecoderLayer. There is no dropout.
    Raises ValueError, with both numbers, unless n_heads divides d_model. Vaswani et al. 2017, section 3.1.

    Example: `DecoderBlock(64, n_heads=4, d_hidden=256, norm_first=True)(x, memory)` has the shape of x.
    """

    def __init__(self, d_model: int, n_heads: int, d_hidden: int, norm_first: bool) -> None:
        super().__init__()
        if d_model % n_heads != 0:
            raise ValueError(f"a width of {d_model} cannot be shared out among {n_heads} heads")
        self.norm_first = norm_first
        self.self_attn = nn.MultiheadAttention(d_model, n_heads, batch_first=True)
        self.multihead_attn = nn.MultiheadAttention(d_model, n_heads, batch_first=True)
        self.linear1 = nn.Linear(d_model, d_hidden)
        self.linear2 = nn.Linear(d_hidden, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.norm3 = nn.LayerNorm(d_model)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"],
        real: Bool[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """The block's output. Position t looks at x up to and with t, and at all of the memory that is real.

        real is True on real source tokens, of which every sentence has one at least.
        """
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
        padding = None if real is None else ~real

        def attend(x: Tensor) -> Tensor:
            read: Tensor = self.self_attn(x, x, x, attn_mask=future, need_weights=False)[0]
            return read

        def look_back(x: Tensor) -> Tensor:
            read: Tensor = self.multihead_attn(x, memory, memory, key_padding_mask=padding, need_weights=False)[0]
            return read

        def transform(x: Tensor) -> Tensor:
            made: Tensor = self.linear2(self.linear1(x).relu())
            return made

        if self.norm_first:
            x = x + attend(self.norm1(x))
            x = x + look_back(self.norm2(x))
            x = x + transform(self.norm3(x))
        else:
            x = self.norm1(x + attend(x))
            x = self.norm2(x + look_back(x))
            x = self.norm3(x + transform(x))
        return x


class Transformer(nn.Module):
    """Encoder and decoder: logits of every target token, from the source and the target tokens before it.

    A token enters as √d_model times its embedding plus the embedding of its position, which is the same for both
    languages. n_layers pre-norm encoder blocks and a LayerNorm make the memory; n_layers pre-norm decoder blocks and
    a LayerNorm read it. The logits are the products of what comes out with the vectors of target_embedding, which so
    serves twice. Padding (pad_id) of the source is never looked at.

    Parameters: source_embedding and target_embedding (a vector of d_model for each word), positions (max_length
    vectors); encoder_layers and decoder_layers, with the parameters of nn.TransformerEncoderLayer and
    nn.TransformerDecoderLayer, which may be used, or those of your blocks, which have the same; encoder_norm and
    decoder_norm (nn.LayerNorm). ReLU, no dropout. Vaswani et al. 2017, sections 3.1 and 3.4, there with post-norm.

    Example: `Transformer(230, 290, 64, n_heads=4, d_hidden=256, n_layers=2, max_length=50, pad_id=0)(source, target)`
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        d_model: int,
        n_heads: int,
        d_hidden: int,
        n_layers: int,
        max_length: int,
        pad_id: int,
    ) -> None:
        super().__init__()
        self.pad_id = pad_id
        self.source_embedding = nn.Embedding(source_vocab_size, d_model)
        self.target_embedding = nn.Embedding(target_vocab_size, d_model)
        self.positions = nn.Embedding(max_length, d_model)
        sizes = (d_model, n_heads, d_hidden, 0.0)  # the last one is dropout
        self.encoder_layers = nn.ModuleList(
            nn.TransformerEncoderLayer(*sizes, batch_first=True, norm_first=True) for _ in range(n_layers)
        )
        self.decoder_layers = nn.ModuleList(
            nn.TransformerDecoderLayer(*sizes, batch_first=True, norm_first=True) for _ in range(n_layers)
        )
        self.encoder_norm = nn.LayerNorm(d_model)
        self.decoder_norm = nn.LayerNorm(d_model)

    def forward(self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """The logits of the token after each token of target, which begins with bos: target is what the decoder reads.

        Every source has a real token. Raises ValueError, with both numbers, if S or T is greater than max_length.
        """
        longest, T = max(source.shape[1], target.shape[1]), target.shape[1]
        if longest > len(self.positions.weight):
            raise ValueError(f"{longest} tokens, but the table of positions ends at {len(self.positions.weight)}")
        scale = math.sqrt(self.positions.weight.shape[1])
        padding = source == self.pad_id
        future = torch.ones(T, T, dtype=torch.bool, device=target.device).triu(1)
        memory = self.source_embedding(source) * scale + self.positions.weight[: source.shape[1]]
        for layer in self.encoder_layers:
            memory = layer(memory, src_key_padding_mask=padding)
        memory = self.encoder_norm(memory)
        x = self.target_embedding(target) * scale + self.positions.weight[:T]
        for layer in self.decoder_layers:
            x = layer(x, memory, tgt_mask=future, memory_key_padding_mask=padding)
        logits: Tensor = self.decoder_norm(x) @ self.target_embedding.weight.T
        return logits


class DecoderOnlyTransformer(nn.Module):
    """A language model: logits of the token after each token, from that token and those before it.

    A token enters as its embedding plus the embedding of its position, without a scale. n_layers pre-norm blocks with
    masked self-attention and a LayerNorm follow. The logits are the products of what comes out with the vectors of
    embedding, which so serves twice.

    Parameters: embedding (vocab_size vectors of d_model), positions (max_length vectors), layers, with the parameters
    of nn.TransformerEncoderLayer, which may be used, or your EncoderBlock, which has the same; norm (nn.LayerNorm).
    ReLU, no dropout. Radford et al. 2019, section 2.3, there with GELU.

    Example: `DecoderOnlyTransformer(230, 64, n_heads=4, d_hidden=256, n_layers=2, max_length=50)(tokens)`
    """

    def __init__(
        self, vocab_size: int, d_model: int, n_heads: int, d_hidden: int, n_layers: int, max_length: int
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.positions = nn.Embedding(max_length, d_model)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(d_model, n_heads, d_hidden, batch_first=True) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """The logits of the token after each of tokens.

        Raises ValueError, with both numbers, if T is greater than max_length.
        """
        B, T = tokens.shape
        if len(self.positions.weight) < T:
            raise ValueError(f"{T} tokens, but the table of positions ends at {len(self.positions.weight)}")
        x = self.embedding(tokens) + self.positions.weight[:T]
        layer: Any
        for layer in self.layers:  # written out: causal attention then needs no mask
            attention = layer.self_attn
            fused = F.linear(layer.norm1(x), attention.in_proj_weight, attention.in_proj_bias)  # (B, T, 3 D)
            query, key, value = fused.view(B, T, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)  # each (B, heads, T, d)
            heads = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + attention.out_proj(heads.transpose(1, 2).flatten(2))
            x = x + layer.linear2(layer.linear1(layer.norm2(x)).relu())
        logits: Tensor = self.norm(x) @ self.embedding.weight.T
        return logits


def warmup_rate(step: int, d_model: int, warmup: int) -> float:
    """The learning rate of a step: it rises linearly for `warmup` steps, then falls as 1/√step.

    Both lines have the factor 1/√d_model, and they meet at step `warmup`. Steps count from 1.
    Raises ValueError below. Vaswani et al. 2017, equation 3 (section 5.3).

    Example: `warmup_rate(4_000, d_model=512, warmup=4_000)` is about 0.0007, the highest of all.
    """
    if step < 1:
        raise ValueError(f"steps count from 1, and this is step {step}")
    rate: float = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
    return rate


def label_smoothed_cross_entropy(
    logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"], smoothing: float, pad_id: int
) -> Float[Tensor, ""]:
    """Cross-entropy with targets that are not quite certain, the mean over real tokens, in nats.

    The target token gets the mass 1 - smoothing, and the mass `smoothing` is shared out equally among all V tokens of
    the vocabulary, the target and padding among them: the convention of nn.CrossEntropyLoss(label_smoothing=…).
    Targets that are pad_id count neither in the sum nor in the mean; without any real token the loss is 0.
    Raises ValueError unless 0 <= smoothing <= 1. Szegedy et al. 2016, section 7; Vaswani et al. 2017, section 5.4.

    Example: `label_smoothed_cross_entropy(logits, targets, smoothing=0.1, pad_id=0)`
    """
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is a share of the mass, from 0 to 1, not {smoothing}")
    real = targets != pad_id
    log_probabilities = logits[real].log_softmax(dim=-1)  # (real tokens, V)
    right = log_probabilities.gather(-1, targets[real][:, None]).squeeze(-1)
    losses = -(1 - smoothing) * right - smoothing * log_probabilities.mean(dim=-1)
    return losses.sum() / real.sum().clamp(min=1)


def generate(
    model: Callable[[Tensor], Tensor],
    prompt: Int[Tensor, "B P"],
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    generator: torch.Generator,
) -> Int[Tensor, "B T"]:
    """Continue each prompt by tokens that a language model draws one by one; prompt and continuation are returned.

    model(tokens) takes all tokens so far (B, T) and returns logits (B, T, V) of the token after each of them; it is
    called max_new_tokens times. Each token is drawn from softmax(logits / temperature) over the top_k most likely
    tokens, or over all if top_k is None or greater than V. All draws come from generator, for instance with one
    torch.multinomial(probabilities, 1, generator=generator) for each new token of the batch.
    Raises ValueError unless the temperature is positive, and if top_k is below 1. Top-k: Fan et al. 2018, section 5.4.

    Example: `generate(model, prompt, max_new_tokens=20, temperature=0.8, top_k=10, generator=generator)`
    """
    if temperature <= 0:
        raise ValueError(f"the temperature must be positive, not {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must leave a token to draw, and it is {top_k}")
    tokens = prompt
    for _ in range(max_new_tokens):
        logits = model(tokens)[:, -1] / temperature
        if top_k is not None:
            worst_kept = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
            logits = logits.masked_fill(logits < worst_kept, -math.inf)
        token = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)
        tokens = torch.cat([tokens, token], dim=1)
    return tokens
