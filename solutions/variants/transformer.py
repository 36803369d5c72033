"""Right programs for unit 06, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from solutions.programs import variant


@variant("LayerNorm", "PyTorch's own function")
class LayerNormByTorch(nn.Module):
    def __init__(self, d_model, eps):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model))
        self.eps = eps

    def forward(self, x):
        return torch.nn.functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@variant("LayerNorm", "PyTorch's own layer")
class LayerNormInherited(nn.LayerNorm):
    def __init__(self, d_model, eps):
        super().__init__(d_model, eps=eps)


@variant("LayerNorm", "var_mean and rsqrt, the shift last")
class LayerNormByVarMean(nn.Module):
    def __init__(self, d_model, eps):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.weight = nn.Parameter(torch.ones(d_model))
        self.epsilon = eps

    def forward(self, x):
        variance, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        scale = torch.rsqrt(variance + self.epsilon) * self.weight
        return torch.addcmul(self.bias - mean * scale, x, scale)


@variant("FeedForward", "an nn.ReLU and named steps")
class FeedForwardInSteps(nn.Module):
    def __init__(self, d_model, d_hidden):
        super().__init__()
        self.linear2 = nn.Linear(d_hidden, d_model)
        self.linear1 = nn.Linear(d_model, d_hidden)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x):
        hidden = self.activation(self.linear1(x))
        return self.linear2(hidden)


@variant("FeedForward", "matrix products and max(0, ·), as in the paper")
class FeedForwardByProducts(nn.Module):
    def __init__(self, d_model, d_hidden):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(d_model, d_hidden), nn.Linear(d_hidden, d_model)

    def forward(self, x):
        hidden = torch.einsum("...d,hd->...h", x, self.linear1.weight) + self.linear1.bias
        hidden = torch.maximum(hidden, torch.zeros_like(hidden))
        return hidden @ self.linear2.weight.T + self.linear2.bias


@variant("EncoderBlock", "PyTorch's own layer")
class EncoderBlockInherited(nn.TransformerEncoderLayer):
    def __init__(self, d_model, n_heads, d_hidden, norm_first):
        if d_model % n_heads:
            raise ValueError(f"d_model={d_model} is not divisible by n_heads={n_heads}")
        super().__init__(d_model, n_heads, d_hidden, dropout=0.1, batch_first=True, norm_first=norm_first)
        self.heads = n_heads

    def forward(self, x, allowed=None):
        if allowed is None:
            return super().forward(x)
        B, T, S = allowed.shape
        mask = ~allowed.unsqueeze(1).expand(B, self.heads, T, S).reshape(B * self.heads, T, S)
        return super().forward(x, src_mask=mask)


@variant("EncoderBlock", "attention by hand, one head after the other")
class EncoderBlockByHeads(nn.Module):
    def __init__(self, d_model, n_heads, d_hidden, norm_first):
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"{d_model} / {n_heads} is no whole number")
        self.norm_first = norm_first
        self.n_heads = n_heads
        self.self_attn = nn.MultiheadAttention(d_model, n_heads)
        self.linear1, self.linear2 = nn.Linear(d_model, d_hidden), nn.Linear(d_hidden, d_model)
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)

    def attention(self, x, allowed):
        fused = x @ self.self_attn.in_proj_weight.T + self.self_attn.in_proj_bias
        heads = []
        for query, key, value in zip(*(part.chunk(self.n_heads, -1) for part in fused.chunk(3, -1)), strict=True):
            scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
            if allowed is not None:
                scores = torch.where(allowed, scores, -torch.inf)
            heads.append(scores.softmax(-1) @ value)
        return self.self_attn.out_proj(torch.cat(heads, -1))

    def network(self, x):
        return self.linear2(torch.relu(self.linear1(x)))

    def forward(self, x, allowed=None):
        for sublayer, norm in ((lambda x: self.attention(x, allowed), self.norm1), (self.network, self.norm2)):
            x = x + sublayer(norm(x)) if self.norm_first else norm(x + sublayer(x))
        return x


@variant("EncoderBlock", "an additive mask, with scaled_dot_product_attention")
class EncoderBlockByAdditiveMask(nn.Module):
    def __init__(self, d_model, n_heads, d_hidden, norm_first):
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"{n_heads} heads for a width of {d_model}")
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.self_attn = nn.MultiheadAttention(d_model, n_heads, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(d_model, d_hidden), nn.Linear(d_hidden, d_model)
        self.pre = norm_first

    def forward(self, x, allowed=None):
        B, T, D = x.shape
        read = self.norm1(x) if self.pre else x
        fused = nn.functional.linear(read, self.self_attn.in_proj_weight, self.self_attn.in_proj_bias)
        query, key, value = fused.view(B, T, 3, self.self_attn.num_heads, -1).permute(2, 0, 3, 1, 4)
        mask = None
        if allowed is not None:
            mask = torch.zeros_like(allowed, dtype=x.dtype).masked_fill(~allowed, -math.inf)[:, None]
        heads = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.self_attn.out_proj(heads.transpose(1, 2).reshape(B, T, D))
        x = x if self.pre else self.norm1(x)
        x = x + self.linear2(nn.functional.relu(self.linear1(self.norm2(x) if self.pre else x)))
        return x if self.pre else self.norm2(x)


@variant("DecoderBlock", "PyTorch's own layer")
class DecoderBlockInherited(nn.TransformerDecoderLayer):
    def __init__(self, d_model, n_heads, d_hidden, norm_first):
        if d_model % n_heads:
            raise ValueError(f"d_model={d_model} is not divisible by n_heads={n_heads}")
        super().__init__(d_model, n_heads, d_hidden, dropout=0.1, batch_first=True, norm_first=norm_first)

    def forward(self, x, memory, real=None):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device, dtype=x.dtype)
        padding = None if real is None else real.logical_not()
        return super().forward(x, memory, tgt_mask=mask, memory_key_padding_mask=padding, tgt_is_causal=True)


@variant("DecoderBlock", "scaled_dot_product_attention on the projections")
class DecoderBlockByProjections(nn.Module):
    def __init__(self, d_model, n_heads, d_hidden, norm_first):
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"{d_model} / {n_heads} is no whole number")
        self.n_heads, self.norm_first = n_heads, norm_first
        for name in ("self_attn", "multihead_attn"):
            self.add_module(name, nn.MultiheadAttention(d_model, n_heads, batch_first=True))
        self.linear1, self.linear2 = nn.Linear(d_model, d_hidden), nn.Linear(d_hidden, d_model)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(d_model) for _ in range(3))

    def attention(self, module, asking, asked, **mask):
        weights, biases = module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3)
        sources = (asking, asked, asked)
        heads = [
            (x @ weight.T + bias).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for x, weight, bias in zip(sources, weights, biases, strict=True)
        ]
        output = nn.functional.scaled_dot_product_attention(*heads, **mask)
        return module.out_proj(output.transpose(1, 2).flatten(2))

    def forward(self, x, memory, real=None):
        padding = None if real is None else real[:, None, None, :]
        sublayers = [
            (self.norm1, lambda x: self.attention(self.self_attn, x, x, is_causal=True)),
            (self.norm2, lambda x: self.attention(self.multihead_attn, x, memory, attn_mask=padding)),
            (self.norm3, lambda x: self.linear2(torch.clamp(self.linear1(x), min=0))),
        ]
        for norm, sublayer in sublayers:
            x = x + sublayer(norm(x)) if self.norm_first else norm(x + sublayer(x))
        return x


@variant("DecoderBlock", "one position after the other, without a mask")
class DecoderBlockByPosition(nn.Module):
    def __init__(self, d_model, n_heads, d_hidden, norm_first):
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"{n_heads} heads for a width of {d_model}")
        self.pre = norm_first
        self.self_attn = nn.MultiheadAttention(d_model, n_heads, batch_first=True)
        self.multihead_attn = nn.MultiheadAttention(d_model, n_heads, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(d_model, d_hidden), nn.Linear(d_hidden, d_model)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(d_model), nn.LayerNorm(d_model), nn.LayerNorm(d_model)

    def forward(self, x, memory, real=None):
        padding = None if real is None else ~real
        same = lambda x: x  # noqa: E731
        before = [norm if self.pre else same for norm in (self.norm1, self.norm2, self.norm3)]
        after = [same if self.pre else norm for norm in (self.norm1, self.norm2, self.norm3)]
        read, outputs = before[0](x), []
        for t in range(x.shape[1]):
            past = read[:, : t + 1]
            now = after[0](x[:, t : t + 1] + self.self_attn(past[:, -1:], past, past)[0])
            now = after[1](now + self.multihead_attn(before[1](now), memory, memory, key_padding_mask=padding)[0])
            outputs.append(after[2](now + self.linear2(self.linear1(before[2](now)).relu())))
        return torch.cat(outputs, dim=1)


@variant("Transformer", "the parts of nn.Transformer")
class TransformerByTorch(nn.Module):
    def __init__(self, source_vocab_size, target_vocab_size, d_model, n_heads, d_hidden, n_layers, max_length, pad_id):
        super().__init__()
        sizes, kind = (d_model, n_heads, d_hidden, 0.0), {"batch_first": True, "norm_first": True}
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(*sizes, **kind), n_layers, nn.LayerNorm(d_model), enable_nested_tensor=False
        )
        decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(*sizes, **kind), n_layers, nn.LayerNorm(d_model))
        whole = nn.Transformer(d_model, n_heads, custom_encoder=encoder, custom_decoder=decoder, batch_first=True)
        self.encoder_layers, self.encoder_norm = encoder.layers, encoder.norm
        self.decoder_layers, self.decoder_norm = decoder.layers, decoder.norm
        self.whole = [whole]  # in a list it is not registered a second time
        self.source_embedding = nn.Embedding(source_vocab_size, d_model)
        self.target_embedding = nn.Embedding(target_vocab_size, d_model)
        self.positions = nn.Embedding(max_length, d_model)
        self.pad_id, self.d_model = pad_id, d_model

    def embed(self, embedding, tokens):
        if tokens.shape[1] > self.positions.num_embeddings:
            raise ValueError(
                f"max_length is {self.positions.num_embeddings}, the sequence has {tokens.shape[1]} tokens"
            )
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return embedding(tokens) * self.d_model**0.5 + self.positions(places)

    def forward(self, source, target):
        x, y = self.embed(self.source_embedding, source), self.embed(self.target_embedding, target)
        future = nn.Transformer.generate_square_subsequent_mask(target.shape[1], device=x.device, dtype=x.dtype)
        padding = torch.zeros_like(source, dtype=x.dtype).masked_fill(source == self.pad_id, -math.inf)
        output = self.whole[0](
            x, y, tgt_mask=future, src_key_padding_mask=padding, memory_key_padding_mask=padding, tgt_is_causal=True
        )
        return nn.functional.linear(output, self.target_embedding.weight)


@variant("Transformer", "every attention by hand")
class TransformerByHand(nn.Module):
    def __init__(self, source_vocab_size, target_vocab_size, d_model, n_heads, d_hidden, n_layers, max_length, pad_id):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocab_size, d_model)
        self.target_embedding = nn.Embedding(target_vocab_size, d_model)
        self.positions = nn.Embedding(max_length, d_model)
        block = {"self_attn": 0, "multihead_attn": 0, "linear1": 0, "linear2": 0, "norm1": 0, "norm2": 0, "norm3": 0}
        made = {
            "attn": lambda: nn.MultiheadAttention(d_model, n_heads),
            "norm": lambda: nn.LayerNorm(d_model),
            "linear1": lambda: nn.Linear(d_model, d_hidden),
            "linear2": lambda: nn.Linear(d_hidden, d_model),
        }
        layer = lambda names: nn.ModuleDict(  # noqa: E731
            {name: next(make() for part, make in made.items() if part in name) for name in names}
        )
        self.encoder_layers = nn.ModuleList(
            layer([name for name in block if name not in ("multihead_attn", "norm3")]) for _ in range(n_layers)
        )
        self.decoder_layers = nn.ModuleList(layer(block) for _ in range(n_layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.n_heads, self.pad_id, self.max_length = n_heads, pad_id, max_length

    def attend(self, module, asking, asked, allowed):
        parts = zip((asking, asked, asked), module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3), strict=True)
        split = [(x @ weight.T + bias).unflatten(-1, (self.n_heads, -1)) for x, weight, bias in parts]
        scores = torch.einsum("bthd,bshd->bhts", split[0], split[1]) / math.sqrt(split[0].shape[-1])
        weights = scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)
        return module.out_proj(torch.einsum("bhts,bshd->bthd", weights, split[2]).flatten(2))

    def forward(self, source, target):
        if max(source.shape[1], target.shape[1]) > self.max_length:
            raise ValueError(f"{tuple(source.shape)} and {tuple(target.shape)}, but max_length is {self.max_length}")
        scale = self.source_embedding.embedding_dim**0.5
        table = self.positions.weight
        real = (source != self.pad_id)[:, None, None, :]
        past = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool, device=target.device).tril()
        x = scale * self.source_embedding(source) + table[None, : source.shape[1]]
        for layer in self.encoder_layers:
            normed = layer["norm1"](x)
            x = x + self.attend(layer["self_attn"], normed, normed, real)
            x = x + layer["linear2"](layer["linear1"](layer["norm2"](x)).relu())
        memory = self.encoder_norm(x)
        y = scale * self.target_embedding(target) + table[None, : target.shape[1]]
        for layer in self.decoder_layers:
            normed = layer["norm1"](y)
            y = y + self.attend(layer["self_attn"], normed, normed, past)
            y = y + self.attend(layer["multihead_attn"], layer["norm2"](y), memory, real)
            y = y + layer["linear2"](layer["linear1"](layer["norm3"](y)).relu())
        return torch.einsum("btd,vd->btv", self.decoder_norm(y), self.target_embedding.weight)


@variant("DecoderOnlyTransformer", "a stack of PyTorch's own layers with a mask")
class DecoderOnlyByTorch(nn.Module):
    def __init__(self, vocab_size, d_model, n_heads, d_hidden, n_layers, max_length):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.positions = nn.Embedding(max_length, d_model)
        one = nn.TransformerEncoderLayer(d_model, n_heads, d_hidden, dropout=0.0, batch_first=True, norm_first=True)
        stack = nn.TransformerEncoder(one, n_layers, enable_nested_tensor=False)
        self.layers = stack.layers
        self.norm = nn.LayerNorm(d_model)

    def forward(self, tokens):
        T = tokens.size(1)
        if self.positions.num_embeddings < T:
            raise ValueError(f"T = {T} is more than max_length = {self.positions.num_embeddings}")
        x = self.embedding(tokens) + self.positions(torch.arange(T, device=tokens.device))
        mask = nn.Transformer.generate_square_subsequent_mask(T, device=tokens.device, dtype=x.dtype)
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=True)
        return nn.functional.linear(self.norm(x), self.embedding.weight)


@variant("DecoderOnlyTransformer", "every layer once for each position")
class DecoderOnlyByPosition(nn.Module):
    def __init__(self, vocab_size, d_model, n_heads, d_hidden, n_layers, max_length):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocab_size, d_model), nn.Embedding(max_length, d_model)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "self_attn": nn.MultiheadAttention(d_model, n_heads, batch_first=True),
                    "linear1": nn.Linear(d_model, d_hidden),
                    "linear2": nn.Linear(d_hidden, d_model),
                    "norm1": nn.LayerNorm(d_model),
                    "norm2": nn.LayerNorm(d_model),
                }
            )
            for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.max_length = max_length

    def forward(self, tokens):
        if tokens.shape[1] > self.max_length:
            raise ValueError(f"at most {self.max_length} tokens, not {tokens.shape[1]}")
        x = self.embedding(tokens) + self.positions.weight[None, : tokens.shape[1]]
        for layer in self.layers:
            read, columns = layer["norm1"](x), []
            for t in range(tokens.shape[1]):
                past = read[:, : t + 1]
                columns.append(layer["self_attn"](past[:, t:], past, past, need_weights=False)[0])
            x = x + torch.cat(columns, dim=1)
            x = x + layer["linear2"](torch.relu(layer["linear1"](layer["norm2"](x))))
        return torch.einsum("btd,vd->btv", self.norm(x), self.embedding.weight)


@variant("warmup_rate", "two branches")
def rate_by_branches(step, d_model, warmup):
    if step <= 0:
        raise ValueError(f"step must be at least 1, not {step}")
    highest = 1 / math.sqrt(d_model * warmup)
    if step < warmup:
        return highest * step / warmup
    return highest * math.sqrt(warmup / step)


@variant("warmup_rate", "a tensor without axes")
def rate_as_tensor(step, d_model, warmup):
    if step < 1:
        raise ValueError("the first step is step 1")
    step, d_model, warmup = (torch.tensor(float(number)) for number in (step, d_model, warmup))
    return d_model.rsqrt() * torch.minimum(step.rsqrt(), step * warmup.pow(-1.5))


@variant("label_smoothed_cross_entropy", "PyTorch's own loss")
def smoothed_by_torch(logits, targets, smoothing, pad_id):
    if smoothing < 0 or smoothing > 1:
        raise ValueError(f"smoothing={smoothing}")
    if (targets == pad_id).all():
        return (logits * 0).sum()
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=pad_id, label_smoothing=smoothing
    )


@variant("label_smoothed_cross_entropy", "the smoothed targets written out")
def smoothed_by_targets(logits, targets, smoothing, pad_id):
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"{smoothing} is not between 0 and 1")
    real = (targets != pad_id).to(logits.dtype)
    V = logits.shape[-1]
    hot = torch.zeros_like(logits).scatter(-1, targets.clamp(0, V - 1).unsqueeze(-1), 1.0)
    mass = hot * (1 - smoothing) + smoothing / V
    per_token = -(mass * torch.log_softmax(logits, dim=-1)).sum(dim=-1)
    return (per_token * real).sum() / torch.maximum(real.sum(), torch.ones_like(real.sum()))


@variant("label_smoothed_cross_entropy", "two cross-entropies, sentence by sentence")
def smoothed_by_sentence(logits, targets, smoothing, pad_id):
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing must be from 0 to 1, not {smoothing}")
    total, count = logits.sum() * 0, 0
    for rows, wanted in zip(logits, targets, strict=True):
        for row, token in zip(rows, wanted.tolist(), strict=True):
            if token == pad_id:
                continue
            normaliser = row.logsumexp(0)
            total = total + normaliser - (1 - smoothing) * row[token] - smoothing * row.mean()
            count += 1
    return total / max(count, 1)


@variant("generate", "Gumbel noise and an argmax")
def generate_by_gumbel(model, prompt, max_new_tokens, temperature, top_k, generator):
    if not temperature > 0:
        raise ValueError(f"temperature={temperature}")
    if top_k is not None and top_k <= 0:
        raise ValueError(f"top_k={top_k}")
    tokens = prompt.clone()
    for _ in range(max_new_tokens):
        logits = model(tokens)[:, -1, :]
        order = logits.argsort(dim=-1, descending=True)
        kept = order if top_k is None else order[:, :top_k]
        among = logits.gather(-1, kept) / temperature
        uniform = torch.empty(among.shape, dtype=torch.float64).uniform_(generator=generator)
        noise = -torch.log(-torch.log(uniform.clamp_min(1e-300))).to(among.device)
        chosen = kept.gather(-1, (among + noise).argmax(dim=-1, keepdim=True))
        tokens = torch.hstack([tokens, chosen])
    return tokens


@variant("generate", "each prompt draws for itself")
def generate_row_by_row(model, prompt, max_new_tokens, temperature, top_k, generator):
    if temperature <= 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"temperature {temperature} and top_k {top_k} make no sense")
    B, P = prompt.shape
    tokens = torch.zeros(B, P + max_new_tokens, dtype=prompt.dtype, device=prompt.device)
    tokens[:, :P] = prompt
    for place in range(P, P + max_new_tokens):
        scaled = model(tokens[:, :place])[:, -1].div(temperature)
        values, ids = scaled.topk(scaled.shape[-1] if top_k is None else min(top_k, scaled.shape[-1]))
        drawn = torch.multinomial(torch.softmax(values, dim=-1), 1, replacement=True, generator=generator)
        tokens[:, place] = ids.gather(1, drawn).squeeze(1)
    return tokens
