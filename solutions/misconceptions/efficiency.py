"""Wrong programs for unit 07, each one mistake that a person would make."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn

from solutions import efficiency
from solutions.programs import edited, misconception

cost = partial(edited, efficiency, "attention_cost")
attention_cost = [
    cost(
        "(2 * count",
        "(count",
        name="a multiplication and its addition counted as one",
        hint="Every term of a dot product is multiplied and added: two operations. Some papers count one; say which.",
    ),
    cost(
        "(length, 3 * d_model, d_model, 1)",
        "(length, d_model, d_model, 1)",
        name="one projection instead of three",
        hint="Queries, keys and values are three projections: the result of the first product is 3 D wide.",
    ),
    cost(
        '"scores": (length, length, d, n_heads)',
        '"scores": (length, length, d_model, 1)',
        name="one matrix of scores for all heads",
        hint="The heads share the work of one wide product, but each keeps a matrix of N × N scores of its own.",
    ),
    cost(
        '"scores": (length, length, d, n_heads)',
        '"scores": (length, length, d_model, n_heads)',
        name="every head multiplies the whole width",
        hint="A head sees D / H of the width: all heads together cost what one wide one would.",
    ),
    cost(
        '"scores": (length, length, d, n_heads)',
        '"scores": (length, d, d, n_heads)',
        name="scores that grow with the length only linearly",
        hint="Every query meets every key: N × N scores for each head.",
    ),
    cost(
        '"weighting": (length, d, length, n_heads)',
        '"weighting": (length, length, d, n_heads)',
        name="the weighting's result taken for another N × N",
        hint="Weights times V sums over the keys: what is left is a row of width d for each token and head.",
    ),
    cost(
        "4 * count",
        "count",
        name="numbers counted instead of bytes",
        hint="A float32 takes 4 bytes.",
    ),
    cost(
        "4 * count",
        "8 * count",
        name="the bytes of float64",
        hint="Layers compute in float32 unless told otherwise: 4 bytes for each number.",
    ),
    cost(
        "4 * count",
        "4",
        name="the bytes of one head",
        hint="The results of all heads exist at the same time.",
    ),
    cost(
        '"output": (length, d_model, d_model, 1)',
        '"output": (length, d_model, d, 1)',
        name="an output projection of one head",
        hint="The output projection reads the merged heads, all d_model numbers of a token.",
    ),
    cost(
        "if d_model % n_heads:",
        "if False:",
        name="heads that do not divide the width are accepted",
        hint="A head of width 7.14 does not exist: raise ValueError.",
    ),
]

online = partial(edited, efficiency, "online_softmax")
online_softmax = [
    online(
        "read * shrink[:, None] + weights",
        "read + weights",
        name="the sum is rescaled, what was read is not",
        hint="When the maximum rises, everything that was summed under the old one is due exp(old - new): what was "
        "read, too.",
    ),
    online(
        "total * shrink + weights",
        "total + weights",
        name="what was read is rescaled, the sum is not",
        hint="When the maximum rises, all that was summed under the old one is due exp(old - new): the sum, too.",
    ),
    online(
        "highest = torch.maximum(maximum, scores.amax(dim=-1))",
        "highest = scores.amax(dim=-1)",
        name="the maximum of the block, not of all so far",
        hint="If the maximum may fall, exp(old - new) is above 1 and overflows. Keep the highest score so far.",
    ),
    online(
        "scores.new_full(scores.shape[:1], -math.inf)",
        "scores.new_zeros(len(scores))",
        name="a maximum that starts at zero",
        hint="With all scores near -1,000 the exponentials underflow and the sum is 0. Start at -inf.",
    ),
    online(
        "highest.masked_fill(highest == -math.inf, 0.0)",
        "highest",
        name="NaN from a block that is forbidden whole",
        hint="-inf - (-inf) is NaN. While a query has read nothing yet, subtract any finite number.",
    ),
    online(
        "total.masked_fill(total == 0, 1.0)",
        "total",
        name="NaN from a query that may read nothing",
        hint="0/0 is NaN. A query that may read nothing gets an output of zero.",
    ),
    online(
        "read / divisor[:, None]",
        "read",
        name="never divided by the sum",
        hint="The weights of a softmax sum to 1: at the end, divide what was read by the sum.",
    ),
    online(
        "maximum + total.log()",
        "total.log()",
        name="a logsumexp without the maximum",
        hint="The sum is one of exp(score - maximum): its logarithm lacks the maximum.",
    ),
    online(
        "maximum + total.log()",
        "maximum + total",
        name="a logsumexp without the logarithm",
        hint="log(exp(maximum) · sum) is maximum + log(sum).",
    ),
    online(
        "maximum + total.log()",
        "maximum",
        name="the maximum instead of the logsumexp",
        hint="The maximum is only the largest score: add the logarithm of the sum.",
    ),
    online(
        "        raise ValueError(",
        "        return torch.zeros(0), torch.zeros(0)  # (",
        name="no block gives an empty answer",
        hint="Without a block not even the number of queries is known: raise ValueError.",
    ),
    online(
        "(scores - point[:, None]).exp()",
        "scores.sub_(point[:, None]).exp()",
        name="the maximum is subtracted in place",
        hint="scores.sub_() changes the caller's scores. Write scores - ….",
    ),
    online(
        "scores.new_zeros(len(scores), values.shape[-1])",
        "torch.zeros(len(scores), values.shape[-1])",
        name="memory on the default device",
        hint="torch.zeros without device= lives on the CPU, and fails where the scores are on a GPU.",
    ),
]


@misconception(
    "online_softmax",
    "no maximum is subtracted",
    hint="exp(1000) is infinite. Subtract the highest score so far, and rescale what was summed when it rises.",
)
def online_without_maximum(blocks):
    blocks = list(blocks)
    if not blocks:
        raise ValueError("there is no block to read")
    total = sum(scores.exp().sum(dim=-1) for scores, _ in blocks)
    read = sum(scores.exp() @ values for scores, values in blocks)
    return read / total.masked_fill(total == 0, 1.0)[:, None], total.log()


@misconception(
    "online_softmax",
    "the mean of the blocks' softmaxes",
    hint="A block with low scores deserves less weight than one with high scores: that is what the sums are for.",
)
def online_by_mean(blocks):
    blocks = list(blocks)
    if not blocks:
        raise ValueError("there is no block to read")
    reads = [scores.softmax(dim=-1).nan_to_num(0.0) @ values for scores, values in blocks]
    logs = torch.stack([scores.logsumexp(dim=-1) for scores, _ in blocks])
    return sum(reads) / len(reads), logs.logsumexp(dim=0)


@misconception(
    "online_softmax",
    "all blocks are joined first",
    hint="torch.cat makes the row of all scores that was to be avoided. Take one block at a time.",
)
def online_joined(blocks):
    blocks = list(blocks)
    if not blocks:
        raise ValueError("there is no block to read")
    scores = torch.cat([scores for scores, _ in blocks], dim=1)
    values = torch.cat([values for _, values in blocks])
    return scores.softmax(dim=-1).nan_to_num(0.0) @ values, scores.logsumexp(dim=-1)


flash = partial(edited, efficiency, "flash_attention")
flash_attention = [
    flash(
        " / math.sqrt(d)",
        " / 1.0",
        name="no scale",
        hint="Tiles change nothing about the scores: divide them by √d.",
    ),
    flash(
        "math.sqrt(d)",
        "d",
        name="divided by d, not by its square root",
        hint="The scale is 1/√d, with d the width of a key.",
    ),
    flash(
        "math.sqrt(d)",
        "math.sqrt(value.shape[-1])",
        name="scaled by the width of the values",
        hint="The scores are products of queries and keys: their width d counts.",
    ),
    flash(
        "math.sqrt(d)",
        "math.sqrt(block_size)",
        name="scaled by the size of a tile",
        hint="The scale is 1/√d; the answer must not depend on block_size.",
    ),
    flash(
        "read.mul_(shrink).baddbmm_",
        "read.baddbmm_",
        name="the sum is rescaled, the output is not",
        hint="When the maximum rises, everything summed under the old one is due exp(old - new): the output, too.",
    ),
    flash(
        "total * shrink + weights",
        "total + weights",
        name="the output is rescaled, the sum is not",
        hint="When the maximum rises, everything summed under the old one is due exp(old - new): the sum, too.",
    ),
    flash(
        "shrink = (maximum - highest).exp_()",
        "shrink = torch.ones_like(highest)",
        name="nothing is rescaled",
        hint="Weights of earlier tiles were taken under a lower maximum: multiply their sums by exp(old - new).",
    ),
    flash(
        "torch.maximum(maximum, scores.amax(dim=-1, keepdim=True))",
        "scores.amax(dim=-1, keepdim=True)",
        name="the maximum of the tile, not of all so far",
        hint="If the maximum may fall, exp(old - new) is above 1 and overflows; a row that is masked whole gives NaN.",
    ),
    flash(
        "torch.maximum(maximum, scores.amax(dim=-1, keepdim=True))",
        "torch.zeros_like(maximum)",
        name="no maximum is subtracted",
        hint="exp(1000) is infinite. Subtract the highest score so far.",
    ),
    flash(
        "rows.new_full((*rows.shape[:-1], 1), -math.inf)",
        "rows.new_zeros((*rows.shape[:-1], 1))",
        name="a maximum that starts at zero",
        hint="With all scores near -20,000 the exponentials underflow and the sum is 0. Start at -inf.",
    ),
    flash(
        "        read.div_(total)\n",
        "",
        name="never divided by the sum",
        hint="Divide what was read by the sum of the weights, once, at the end of a block of queries.",
    ),
    flash(
        "range(0, end, block_size)",
        "range(0, max(1, end - block_size + 1), block_size)",
        name="the last, smaller tile of keys is left out",
        hint="The last tile has S % block_size keys: let the range run to the end and cut the tile there.",
    ),
    flash(
        "maximum + total.log()",
        "total.log()",
        name="a logsumexp without the maximum",
        hint="The sum is one of exp(score - maximum): add the maximum to its logarithm.",
    ),
    flash(
        "maximum + total.log()",
        "maximum + total",
        name="a logsumexp without the logarithm",
        hint="log(exp(maximum) · sum) is maximum + log(sum).",
    ),
    flash(
        "= maximum + total.log()",
        "= (maximum + total.log()) * math.sqrt(d)",
        name="the logsumexp of scores without the scale",
        hint="The backward pass needs the logsumexp of the scores that the softmax saw: the scaled ones.",
    ),
    flash(
        "    T, S, d = ",
        "    causal = False\n    T, S, d = ",
        name="causal is ignored",
        hint="If causal, a query reads its own position and those before it.",
    ),
    flash(
        "if causal and right > first + 1:",
        "if False:",
        name="the tiles on the diagonal are not masked",
        hint="Leaving out whole tiles is not enough: in those on the diagonal some keys are later than some queries.",
    ),
    flash(
        "triu(first - left + 1)",
        "triu(first - left)",
        name="the diagonal is masked too",
        hint="A query reads its own key: mask what is strictly above the diagonal. The first query would read nothing.",
    ),
    flash(
        "triu(first - left + 1)",
        "triu(1)",
        name="every tile is masked like one on the diagonal",
        hint="Where the future begins depends on where the tile lies: shift the mask by first - left.",
    ),
    flash(
        "first = S - T + start",
        "first = start",
        name="the mask is aligned at the beginning",
        hint="With more keys than queries the queries are the last positions: query t is at S - T + t.",
    ),
    flash(
        "masked_fill_(future, -math.inf)",
        "masked_fill_(future, 0.0)",
        name="masked with 0 instead of -inf",
        hint="A score of 0 still gets the weight e⁰. What is forbidden needs -inf.",
    ),
    flash(
        "masked_fill_(future, -math.inf)",
        "masked_fill_(future, -1e4)",
        name="a finite fill, -1e4",
        hint="Allowed scores near -20,000 lose against a fill of -1e4, and the future is read. Fill with -inf.",
    ),
    flash(
        "end = S - T + stop if causal else S",
        "end = S",
        name="tiles in the future are computed and then masked",
        hint="They add nothing: stop behind the last key that the block may read, and save half of the work.",
    ),
    flash(
        "if causal and T > S:",
        "if False:",
        name="more queries than keys are accepted",
        hint="If the queries are the last T of S positions, T cannot be more than S: raise ValueError.",
    ),
    flash(
        "for x in (query, key, value)",
        "for x in (query, key[:1].expand_as(key), value)",
        name="every sentence looks at the keys of the first",
        hint="Each sentence of the batch has keys of its own: keep the batch axis.",
    ),
    flash(
        "queries[:, start:stop] / math.sqrt(d)",
        "queries[:, start:stop].div_(math.sqrt(d))",
        name="the query is scaled in place",
        hint="A slice is a view: div_ changes the caller's query. Write query[…] / ….",
    ),
    flash(
        "torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(first - left + 1)",
        "torch.ones(T, S, dtype=torch.bool, device=scores.device).triu(S - T + 1)[start:stop, left:right]",
        name="a whole mask, of which each tile takes its part",
        hint="The mask of all T × S is as large as the scores that were to be avoided: make one for the tile.",
    ),
    flash(
        "dtype=torch.bool, device=scores.device",
        "dtype=torch.bool",
        name="a mask on the default device",
        hint="torch.ones without device= lives on the CPU, and fails where the scores are on a GPU.",
    ),
    flash(
        "return output.view(*query.shape[:-1], -1)",
        "return output.view(*query.shape[:-1], -1).float()",
        name="an output in float32 whatever comes in",
        hint="torch.zeros and .float() make float32. value.new_zeros has the type and the device of value.",
    ),
    flash(
        "return output.view(*query.shape[:-1], -1), logsumexp.view(query.shape[:-1])",
        "return output.view(*query.shape[:-1], -1)",
        name="only the output is returned",
        hint="The backward pass needs the logsumexp: return both.",
    ),
]


@misconception(
    "flash_attention",
    "a full softmax, tiled in name only",
    hint="The whole matrix of scores exists before the first tile is cut from it, so the memory still grows with N².",
)
def flash_in_name_only(query, key, value, block_size, causal):
    T, S, d = query.shape[-2], key.shape[-2], query.shape[-1]
    if causal and T > S:
        raise ValueError(f"{T} queries cannot be the last of only {S} keys")
    scores = query @ key.mT / math.sqrt(d)
    if causal:
        future = torch.ones(T, S, dtype=torch.bool, device=query.device).triu(S - T + 1)
        scores = scores.masked_fill(future, -math.inf)
    weights, logsumexp = scores.softmax(dim=-1), scores.logsumexp(dim=-1)
    output = value.new_zeros(*query.shape[:-1], value.shape[-1])
    for start in range(0, T, block_size):
        rows = weights[..., start : start + block_size, :]
        for left in range(0, S, block_size):
            tile = rows[..., left : left + block_size]
            output[..., start : start + block_size, :] += tile @ value[..., left : left + block_size, :]
    return output, logsumexp


@misconception(
    "flash_attention",
    "every tile is kept until the end",
    hint="The tiles in a list take as much memory together as the whole matrix. Add each to the sums, and let it go.",
)
def flash_by_kept_tiles(query, key, value, block_size, causal):
    T, S, d = query.shape[-2], key.shape[-2], query.shape[-1]
    if causal and T > S:
        raise ValueError(f"{T} queries cannot be the last of only {S} keys")
    rows = []
    for start in range(0, T, block_size):
        stop = min(start + block_size, T)
        own = torch.arange(S - T + start, S - T + stop, device=query.device)[:, None]
        tiles = []
        for left in range(0, S - T + stop if causal else S, block_size):
            scores = query[..., start:stop, :] @ key[..., left : left + block_size, :].mT / math.sqrt(d)
            if causal:
                places = torch.arange(left, left + scores.shape[-1], device=query.device)
                scores = scores.masked_fill(places > own, -math.inf)
            tiles.append(scores)
        rows.append(tiles)
    rows = [torch.cat(tiles, dim=-1) for tiles in rows]
    output = torch.cat([row.softmax(dim=-1) @ value[..., : row.shape[-1], :] for row in rows], dim=-2)
    return output, torch.cat([row.logsumexp(dim=-1) for row in rows], dim=-1)


@misconception(
    "flash_attention",
    "a softmax for each tile, then their mean",
    hint="A tile with low scores deserves less weight than one with high scores. Keep sums, and divide at the end.",
)
def flash_by_mean(query, key, value, block_size, causal):
    T, S, d = query.shape[-2], key.shape[-2], query.shape[-1]
    if causal and T > S:
        raise ValueError(f"{T} queries cannot be the last of only {S} keys")
    output = value.new_zeros(*query.shape[:-1], value.shape[-1])
    tiles = query.new_zeros(query.shape[:-1])
    logsumexp = query.new_full(query.shape[:-1], -math.inf)
    own = torch.arange(S - T, S, device=query.device)[:, None]
    for left in range(0, S, block_size):
        scores = query @ key[..., left : left + block_size, :].mT / math.sqrt(d)
        if causal:
            scores = scores.masked_fill(
                torch.arange(left, left + scores.shape[-1], device=query.device) > own, -math.inf
            )
        output = output + scores.softmax(dim=-1).nan_to_num(0.0) @ value[..., left : left + block_size, :]
        tiles = tiles + scores.amax(dim=-1).isfinite()
        logsumexp = torch.logaddexp(logsumexp, scores.logsumexp(dim=-1))
    return output / tiles[..., None], logsumexp


back = partial(edited, efficiency, "flash_attention_backward")
flash_attention_backward = [
    back(
        "grad_weights.sub_(mean[:, start:stop]).mul_(weights)",
        "grad_weights.mul_(weights)",
        name="the mean of the gradient is not subtracted",
        hint="Raising one weight lowers the others: the gradient of softmax is weights · (grad_weights - mean).",
    ),
    back(
        "mean[:, start:stop]",
        "(weights * grad_weights).sum(dim=-1, keepdim=True)",
        name="the mean is taken over one tile only",
        hint="The mean runs over all keys. (output · grad_output).sum(-1) gives it before the first tile.",
    ),
    back(
        "mean = (output * grad_output).sum(dim=-1, keepdim=True)",
        "mean = grad_output.mean(dim=-1, keepdim=True)",
        name="the mean of grad_output instead",
        hint="What is subtracted is the mean of grad_weights under the weights: (output · grad_output).sum(-1).",
    ),
    back(
        ", alpha=1 / math.sqrt(d)",
        "",
        name="no scale in the gradient of the query",
        hint="The scores are query · key / √d: their gradient passes the 1/√d on the way to the query.",
    ),
    back(
        "(grad_scores.mT, rows)",
        "(grad_scores.mT, queries[:, start:stop])",
        name="no scale in the gradient of the key",
        hint="The scores are query · key / √d: the key's gradient is that of the scores times the scaled query.",
    ),
    back(
        "(grad_scores.mT, rows)",
        "(grad_scores.mT, rows, alpha=1 / math.sqrt(d))",
        name="the scale twice in the gradient of the key",
        hint="rows is scaled already: the 1/√d counts once.",
    ),
    back(
        "scores.sub_(logs[:, start:stop]).exp_()",
        "scores.softmax(dim=-1)",
        name="a new softmax for every tile",
        hint="The weights of a tile are part of a row that sums to 1: exp(score - logsumexp of the whole row).",
    ),
    back(
        "scores.sub_(logs[:, start:stop]).exp_()",
        "scores.exp_() / logs[:, start:stop].exp()",
        name="the exponential before the logsumexp is subtracted",
        hint="exp(1000) / exp(1000) is inf/inf. Subtract first: exp(score - logsumexp).",
    ),
    back(
        "scores.sub_(logs[:, start:stop]).exp_()",
        "scores.exp_() / logs[:, start:stop]",
        name="divided by the logsumexp",
        hint="The logsumexp is a logarithm: the weights are exp(score - logsumexp).",
    ),
    back(
        "(weights.mT, upstream)",
        "(weights.mT, upstream, beta=0)",
        name="the values keep only the last block's gradient",
        hint="Every block of queries adds to the gradient of a value: +=.",
    ),
    back(
        "(grad_scores.mT, rows)",
        "(grad_scores.mT, rows, beta=0)",
        name="the keys keep only the last block's gradient",
        hint="Every block of queries adds to the gradient of a key: +=.",
    ),
    back(
        "alpha=1 / math.sqrt(d)",
        "beta=0, alpha=1 / math.sqrt(d)",
        name="the queries keep only the last tile's gradient",
        hint="Every tile of keys adds to the gradient of a query: +=.",
    ),
    back(
        "(weights.mT, upstream)",
        "(grad_weights.mT, upstream)",
        name="the gradient of the values from that of the scores",
        hint="The output is weights · value, so the value's gradient is weightsᵀ · grad_output.",
    ),
    back(
        "    T, S, d = ",
        "    causal = False\n    T, S, d = ",
        name="causal is ignored",
        hint="What a query may not read gets no gradient from it: mask the tiles as in the forward pass.",
    ),
    back(
        "if causal and right > first + 1:",
        "if False:",
        name="the tiles on the diagonal are not masked",
        hint="In the tiles on the diagonal some keys are later than some queries: mask them as in the forward pass.",
    ),
    back(
        "triu(first - left + 1)",
        "triu(first - left)",
        name="the diagonal is masked too",
        hint="A query reads its own key, so that key gets a gradient from it.",
    ),
    back(
        "first = S - T + start",
        "first = start",
        name="the mask is aligned at the beginning",
        hint="With more keys than queries the queries are the last positions: query t is at S - T + t.",
    ),
    back(
        "end = S - T + stop if causal else S",
        "end = S",
        name="tiles in the future are computed and then masked",
        hint="They add nothing: stop behind the last key that the block may read, and save half of the work.",
    ),
    back(
        "return grad_query.view_as(query), grad_key.view_as(key), grad_value",
        "return grad_key.view_as(key), grad_query.view_as(query), grad_value",
        name="keys first, queries second",
        hint="The gradients come in the order of the arguments: query, key, value.",
    ),
    back(
        "mean = (output * grad_output)",
        "mean = output.mul_(grad_output)",
        name="the output is multiplied in place",
        hint="mul_ changes the caller's output. Write output * grad_output.",
    ),
    back(
        "torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(first - left + 1)",
        "torch.ones(T, S, dtype=torch.bool, device=scores.device).triu(S - T + 1)[start:stop, left:right]",
        name="a whole mask, of which each tile takes its part",
        hint="The mask of all T × S is as large as the scores that were to be avoided: make one for the tile.",
    ),
    back(
        "dtype=torch.bool, device=scores.device",
        "dtype=torch.bool",
        name="a mask on the default device",
        hint="torch.ones without device= lives on the CPU, and fails where the scores are on a GPU.",
    ),
    back(
        "return grad_query.view_as(query), grad_key.view_as(key), grad_value.view_as(value)",
        "return grad_query.view_as(query).float(), grad_key.view_as(key).float(), grad_value.view_as(value).float()",
        name="gradients in float32 whatever comes in",
        hint="torch.zeros and .float() make float32. zeros_like has the type of its argument.",
    ),
]


@misconception(
    "flash_attention_backward",
    "the whole matrix of weights, made again",
    hint="Right, but the memory grows with N², which the forward pass avoided. Make the weights again tile by tile.",
)
def backward_by_whole_matrix(query, key, value, output, logsumexp, grad_output, block_size, causal):
    T, S, d = query.shape[-2], key.shape[-2], query.shape[-1]
    scores = query @ key.mT / math.sqrt(d)
    if causal:
        future = torch.ones(T, S, dtype=torch.bool, device=query.device).triu(S - T + 1)
        scores = scores.masked_fill(future, -math.inf)
    weights = (scores - logsumexp[..., None]).exp()
    mean = (output * grad_output).sum(dim=-1, keepdim=True)
    grad_scores = weights * (grad_output @ value.mT - mean) / math.sqrt(d)
    return grad_scores @ key, grad_scores.mT @ query, weights.mT @ grad_output


linformer = partial(edited, efficiency, "LinformerAttention")
LinformerAttention = [
    linformer(
        "self.shorten_values.weight[:, :T] @ value",
        "self.shorten_keys.weight[:, :T] @ value",
        name="keys and values shortened by the same matrix",
        hint="Here keys and values have a matrix each: the values go through shorten_values.",
    ),
    linformer(
        "        key = self.shorten_keys.weight[:, :T] @ key  # (B, H, k, d)\n"
        "        value = self.shorten_values.weight[:, :T] @ value  # (B, H, k, d)\n",
        "        key = self.shorten_keys.weight[:, -T:] @ key\n"
        "        value = self.shorten_values.weight[:, -T:] @ value\n",
        name="a shorter sequence uses the last columns",
        hint="Token t belongs to column t, whatever comes after it: cut the matrices to [:, :T].",
    ),
    linformer(
        "        key = self.shorten_keys.weight[:, :T] @ key  # (B, H, k, d)\n"
        "        value = self.shorten_values.weight[:, :T] @ value  # (B, H, k, d)\n",
        "        key = self.shorten_keys(key.mT).mT\n        value = self.shorten_values(value.mT).mT\n",
        name="only sequences of the full length work",
        hint="The matrices are tied to the length: for a shorter sequence cut them to their first T columns.",
    ),
    linformer(
        "        key = self.shorten_keys.weight[:, :T] @ key  # (B, H, k, d)\n"
        "        value = self.shorten_values.weight[:, :T] @ value  # (B, H, k, d)\n",
        "        key = self.shorten_keys.weight[:, :T] @ key * length / T\n"
        "        value = self.shorten_values.weight[:, :T] @ value * length / T\n",
        name="a shorter sequence is scaled up",
        hint="The sums over fewer tokens are used as they are: no factor length / T.",
    ),
    linformer(
        "        key = self.shorten_keys.weight[:, :T] @ key  # (B, H, k, d)\n",
        "",
        name="the keys are not shortened",
        hint="Scores of T × T are what Linformer avoids, and k values cannot be weighed with T weights.",
    ),
    linformer(
        "/ math.sqrt(d)",
        "/ math.sqrt(D)",
        name="scaled by the whole width",
        hint="The scale is 1/√d with d the width of one head, D / H.",
    ),
    linformer(
        "/ math.sqrt(d)",
        "/ math.sqrt(key.shape[-2])",
        name="scaled by the projected length",
        hint="The scale comes from the width of a key, not from how many keys there are.",
    ),
    linformer(
        " / math.sqrt(d)",
        "",
        name="no scale",
        hint="Shortening changes nothing about the scale: 1/√d.",
    ),
    linformer(
        "scores.softmax(dim=-1)",
        "scores.softmax(dim=-2)",
        name="softmax over the queries",
        hint="Each query shares out its attention over the k shortened keys: the last axis.",
    ),
    linformer(
        "read.transpose(1, 2).reshape(B, T, D)",
        "read.reshape(B, T, D)",
        name="heads merged without transposing back",
        hint="Bring the tokens before the heads first: (B, H, T, d) → (B, T, H, d) → (B, T, D).",
    ),
    linformer(
        "self.output(read.transpose(1, 2).reshape(B, T, D))",
        "read.transpose(1, 2).reshape(B, T, D)",
        name="no output projection",
        hint="The merged heads go through self.output, which mixes them.",
    ),
    linformer(
        "query, key, value = self.qkv",
        "key, query, value = self.qkv",
        name="keys first, queries second",
        hint="The first d_model rows of qkv make the queries, the next the keys, the last the values.",
    ),
    linformer(
        'raise ValueError(f"{T} tokens, but keys and values are shortened from at most {length}")',
        "x, T = x[:, :length], length",
        name="a longer sequence is cut silently",
        hint="What does not fit must be refused with ValueError: cutting drops tokens that nobody looks for.",
    ),
    linformer(
        "if d_model % n_heads:",
        "if False:",
        name="heads that do not divide the width are accepted",
        hint="Test it in the constructor: ValueError, with both numbers.",
    ),
    linformer(
        "nn.Linear(d_model, 3 * d_model, bias=False)",
        "nn.Linear(d_model, 3 * d_model)",
        name="a bias in qkv",
        hint="None of the four matrices has a bias: pass bias=False.",
    ),
    linformer(
        "        key = self.shorten_keys.weight[:, :T] @ key  # (B, H, k, d)\n"
        "        value = self.shorten_values.weight[:, :T] @ value  # (B, H, k, d)\n"
        "        scores = query @ key.mT / math.sqrt(d)  # (B, H, T, k)\n",
        "        value = self.shorten_values.weight[:, :T] @ value\n"
        "        scores = query @ key.mT @ self.shorten_keys.weight[:, :T].mT / math.sqrt(d)\n",
        name="all scores first, shortened afterwards",
        hint="(Q Kᵀ) Eᵀ is Q (E K)ᵀ, but it makes the T × T scores that were to be avoided. Shorten the keys first.",
    ),
    linformer(
        "self.shorten_keys.weight[:, :T] @ key",
        "self.shorten_keys.weight[:, :T].detach() @ key",
        name="the shortening of the keys is cut from the graph",
        hint="With detach() shorten_keys never learns what to keep.",
    ),
]


@misconception(
    "LinformerAttention",
    "the features are shortened, not the tokens",
    hint="Narrower keys still make T × T scores. The projection acts on the axis of the tokens: from length to k rows.",
)
class LinformerOverFeatures(nn.Module):
    def __init__(self, length, d_projected, d_model, n_heads):
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"{n_heads} heads do not divide d_model = {d_model}")
        self.n_heads, self.length = n_heads, length
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.shorten_keys = nn.Linear(d_model // n_heads, d_projected, bias=False)
        self.shorten_values = nn.Linear(d_model // n_heads, d_projected, bias=False)
        self.output = nn.Linear(n_heads * d_projected, d_model, bias=False)

    def forward(self, x):
        B, T = x.shape[:2]
        if self.length < T:
            raise ValueError(f"{T} tokens, but keys and values are shortened from at most {self.length}")
        query, key, value = self.qkv(x).view(B, T, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = self.shorten_keys(query), self.shorten_keys(key), self.shorten_values(value)
        weights = (query @ key.mT / math.sqrt(query.shape[-1])).softmax(dim=-1)
        return self.output((weights @ value).transpose(1, 2).reshape(B, T, -1)), weights


cache = partial(edited, efficiency, "KeyValueCache")
KeyValueCache = [
    cache(
        "        self.length = stop\n",
        "",
        name="every token is written to the first place",
        hint="The next tokens belong behind those that are there: move self.length on.",
    ),
    cache(
        "self.length = stop",
        "self.length += 1",
        name="the length grows by one, however many tokens come",
        hint="A prompt adds T tokens at once: the length grows by T.",
    ),
    cache(
        "return self.keys[:, :, :stop], self.values[:, :, :stop]",
        "return self.values[:, :, :stop], self.keys[:, :, :stop]",
        name="values first, keys second",
        hint="The keys come first, the values second, as in the arguments.",
    ),
    cache(
        "return self.keys[:, :, :stop], self.values[:, :, :stop]",
        "return self.keys, self.values",
        name="the empty places come back too",
        hint="A key of zeros has a score of 0 and takes weight. Return the first S places only.",
    ),
    cache(
        "return self.keys[:, :, :stop], self.values[:, :, :stop]",
        "return key, value",
        name="only the new tokens come back",
        hint="The new tokens must be able to read the old ones: return all keys and values so far.",
    ),
    cache(
        "return self.keys[:, :, :stop], self.values[:, :, :stop]",
        "return self.keys[:, :, : stop - key.shape[2]], self.values[:, :, : stop - key.shape[2]]",
        name="only the old tokens come back",
        hint="A token reads itself, too: the new keys and values belong to what is returned.",
    ),
    cache(
        "= value.detach()",
        "= key.detach()",
        name="the keys are remembered twice",
        hint="keys and values are two memories: the second one gets value.",
    ),
    cache(
        "= key.detach()",
        "= key",
        name="the keys are kept with their history",
        hint="A cache that remembers how its keys were made holds the graph of all tokens. Write key.detach().",
    ),
    cache(
        "= key.detach()",
        "= key[:1].detach()",
        name="every sentence gets the keys of the first",
        hint="Each sentence of the batch has keys of its own: keep the batch axis.",
    ),
    cache(
        'raise ValueError(f"{stop} tokens do not fit into a cache for {self.keys.shape[2]}")',
        "self.length, stop = 0, key.shape[2]",
        name="a full cache begins again at the first place",
        hint="That forgets the beginning without a word: raise ValueError where the tokens do not fit.",
    ),
    cache(
        "if stop > self.keys.shape[2]:",
        "if stop >= self.keys.shape[2]:",
        name="the last place is never used",
        hint="A cache for 5 tokens holds 5: only more than max_length are too many.",
    ),
    cache(
        '        self.register_buffer("keys", torch.zeros(shape), persistent=False)\n'
        '        self.register_buffer("values", torch.zeros(shape), persistent=False)\n',
        "        self.keys, self.values = torch.zeros(shape), torch.zeros(shape)\n",
        name="memory that is no buffer",
        hint="A plain tensor stays behind when the module moves to another type or device: use register_buffer.",
    ),
]


@misconception(
    "KeyValueCache",
    "the whole past is copied for every token",
    hint="torch.cat makes a new, larger tensor each time: n tokens copy n²/2. Take the memory once and write into it.",
)
class CacheByCat(nn.Module):
    def __init__(self, batch_size, n_heads, max_length, d_head):
        super().__init__()
        self.max_length, self.keys, self.values = max_length, None, None

    def forward(self, key, value):
        key, value = key.detach().clone(), value.detach().clone()
        if self.keys is not None:
            key, value = torch.cat([self.keys, key], dim=2), torch.cat([self.values, value], dim=2)
        if key.shape[2] > self.max_length:
            raise ValueError(f"{key.shape[2]} tokens do not fit into a cache for {self.max_length}")
        self.keys, self.values = key, value
        return key, value


@misconception(
    "KeyValueCache",
    "the newest tokens come first",
    hint="The order is that of the sentence: new tokens are put behind the old ones.",
)
class CacheNewestFirst(nn.Module):
    def __init__(self, batch_size, n_heads, max_length, d_head):
        super().__init__()
        self.max_length, self.keys, self.values = max_length, None, None

    def forward(self, key, value):
        key, value = key.detach().clone(), value.detach().clone()
        if self.keys is not None:
            key, value = torch.cat([key, self.keys], dim=2), torch.cat([value, self.values], dim=2)
        if key.shape[2] > self.max_length:
            raise ValueError(f"{key.shape[2]} tokens do not fit into a cache for {self.max_length}")
        self.keys, self.values = key, value
        return key, value


@misconception(
    "KeyValueCache",
    "tokens are added along the batch",
    hint="(B, H, T, d): the tokens are the third axis, dim=2.",
)
class CacheAlongTheBatch(nn.Module):
    def __init__(self, batch_size, n_heads, max_length, d_head):
        super().__init__()
        self.max_length, self.keys, self.values = max_length, None, None

    def forward(self, key, value):
        key, value = key.detach().clone(), value.detach().clone()
        if self.keys is not None:
            key, value = torch.cat([self.keys, key]), torch.cat([self.values, value])
        if key.shape[2] > self.max_length:
            raise ValueError(f"{key.shape[2]} tokens do not fit into a cache for {self.max_length}")
        self.keys, self.values = key, value
        return key, value


step = partial(edited, efficiency, "cached_step")
cached_step = [
    step(
        "keys, values = cache(key, value)",
        "_, _ = cache(key, value)\n    keys, values = key, value",
        name="only the new tokens are read",
        hint="The past is what cache returns: read those keys and values, not only the new ones.",
    ),
    step(
        "keys, values = cache(key, value)",
        "(keys, _), (_, values) = cache(key, value), cache(key, value)",
        name="the cache is called twice",
        hint="Each call adds the tokens again. Call it once and keep both results.",
    ),
    step(
        "keys, values = cache(key, value)",
        "values, keys = cache(key, value)",
        name="keys and values of the cache exchanged",
        hint="cache returns the keys first, then the values.",
    ),
    step(
        "keys, values = cache(key, value)",
        "keys, values = cache(query, value)",
        name="queries are put into the cache",
        hint="A query is asked once and never again: the cache keeps keys and values.",
    ),
    step(
        "scores.masked_fill(future, -math.inf)",
        "scores",
        name="new tokens read each other's future",
        hint="Several new tokens at once, a prompt for instance, are causal among themselves.",
    ),
    step(
        "triu(S - T + 1)",
        "triu(1)",
        name="the mask is aligned at the beginning",
        hint="The new tokens are the last of S: token t is at position S - T + t, and reads the past.",
    ),
    step(
        "triu(S - T + 1)",
        "triu(S - T)",
        name="a token does not read itself",
        hint="Mask what is strictly later: the diagonal S - T belongs to the token itself.",
    ),
    step(
        " / math.sqrt(d)",
        "",
        name="no scale",
        hint="A cache changes nothing about the scores: divide them by √d.",
    ),
    step(
        "math.sqrt(d)",
        "math.sqrt(D)",
        name="scaled by the whole width",
        hint="The scale is 1/√d with d the width of one head, D / H.",
    ),
    step(
        "softmax(dim=-1)",
        "softmax(dim=-2).nan_to_num(0.0)",
        name="softmax over the queries",
        hint="Each new token shares out its attention over the S keys: the last axis.",
    ),
    step(
        "read.transpose(1, 2).reshape(B, T, D)",
        "read.reshape(B, T, D)",
        name="heads merged without transposing back",
        hint="With one new token it makes no difference, with several it scrambles: bring the tokens before the heads.",
    ),
    step(
        " @ weight_output.T",
        "",
        name="no output projection",
        hint="The merged heads go through weight_output, as in the full forward.",
    ),
    step(
        "@ weight_output.T",
        "@ weight_output",
        name="the output projection transposed",
        hint="A row of weight_output makes one number of the output, as in nn.Linear: x @ weight_output.T.",
    ),
    step(
        "query, key, value = (x",
        "key, query, value = (x",
        name="keys first, queries second",
        hint="The first D rows of weight_qkv make the queries, the next the keys, the last the values.",
    ),
    step(
        ".view(B, T, 3, n_heads, d).permute(2, 0, 3, 1, 4)",
        ".view(B, T, 3, d, n_heads).permute(2, 0, 4, 1, 3)",
        name="heads that take every H-th number",
        hint="Head h has d rows in a block, h · d to (h + 1) · d, as in unit 05.",
    ),
    step(
        "torch.ones(T, S, dtype=torch.bool, device=x.device).triu(S - T + 1)",
        "torch.ones(S, S, dtype=torch.bool, device=x.device).triu(1)[S - T :]",
        name="a mask of S × S, of which the last rows are cut",
        hint="One new token needs one row: make the mask T × S, with its diagonal at S - T + 1.",
    ),
    step(
        "dtype=torch.bool, device=x.device",
        "dtype=torch.bool",
        name="a mask on the default device",
        hint="torch.ones without device= lives on the CPU, and fails where the tokens are on a GPU.",
    ),
    step(
        "if D % n_heads:",
        "if False:",
        name="heads that do not divide the width are accepted",
        hint="The error that follows says nothing about heads: raise ValueError, with both numbers.",
    ),
    step(
        "query @ keys.mT",
        "query @ keys.detach().mT",
        name="the keys are cut from the graph",
        hint="With detach() the part of weight_qkv that makes keys never learns.",
    ),
]

path = partial(edited, efficiency, "path_length")
path_length = [
    path(
        "return n - 1\n",
        "return n\n",
        name="tokens counted instead of steps",
        hint="From the first of n tokens to the last there are n - 1 steps.",
    ),
    path(
        "min(n - 1, 1)",
        "1",
        name="a lone token needs a layer",
        hint="Where the first token is the last, nothing has to travel: 0.",
    ),
    path(
        "min(n - 1, 1)",
        "n - 1",
        name="attention walks from token to token",
        hint="Attention reads every token directly: one layer, however long the sequence.",
    ),
    path(
        "-(-(n - 1) // (kernel_size - 1))",
        "-(-n // kernel_size)",
        name="n / kernel_size layers",
        hint="That is its order of growth. Exactly, a layer reaches kernel_size - 1 tokens back, and n - 1 are to go.",
    ),
    path(
        "-(-(n - 1) // (kernel_size - 1))",
        "-(-(n - 1) // kernel_size)",
        name="every layer reaches kernel_size tokens back",
        hint="One of the kernel_size tokens is the token itself: a layer reaches kernel_size - 1 back.",
    ),
    path(
        "-(-(n - 1) // (kernel_size - 1))",
        "(n - 1) // (kernel_size - 1)",
        name="layers rounded down",
        hint="A part of a layer does not exist: round up.",
    ),
    path(
        "-(-(n - 1) // (kernel_size - 1))",
        "-(-(n - 1) // (kernel_size // 2))",
        name="a kernel that looks to both sides",
        hint="Here a token reads itself and the kernel_size - 1 before it, all on one side.",
    ),
    path(
        "reach * kernel_size",
        "reach + kernel_size - 1",
        name="dilation that reaches no further",
        hint="Layer i reads every kernel_size**i-th token: the reach is multiplied by kernel_size, not added to.",
    ),
    path(
        "reach * kernel_size",
        "reach * 2",
        name="a logarithm to base 2",
        hint="Every layer multiplies the reach by kernel_size.",
    ),
    path(
        "layers, reach = 0, 1",
        "layers, reach = 1, kernel_size + 1",
        name="a reach of one token too many",
        hint="After one layer a token depends on kernel_size tokens, itself included.",
    ),
    path(
        "while reach < n:",
        "while reach <= n:",
        name="a layer too many where the reach is exact",
        hint="kernel_size**layers tokens are reached, the first one included: stop when that is n.",
    ),
    path(
        "        layers, reach = 0, 1  # after so many layers a token depends on the last `reach` tokens\n"
        "        while reach < n:\n"
        "            layers, reach = layers + 1, reach * kernel_size\n"
        "        return layers\n",
        "        return math.ceil(math.log(n, kernel_size))\n",
        name="a logarithm in floating point",
        hint="math.log(125, 5) is 3.0000000000000004, and its ceiling 4. Multiply integers instead.",
    ),
    path(
        '    raise ValueError(f"{kind!r} is neither recurrent, convolution, dilated nor attention")\n',
        "    return n - 1\n",
        name="an unknown kind is taken for a recurrence",
        hint="A misspelt kind must not give a number: raise ValueError, with its name.",
    ),
    path(
        "and kernel_size < 2",
        "and kernel_size < 1",
        name="a kernel of one is accepted",
        hint="A kernel of one reads only its own token, and never gets anywhere: raise ValueError.",
    ),
]
