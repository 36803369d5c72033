"""Right programs for unit 10, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import math

import torch

from solutions.programs import variant


@variant("select", "one pair after the other")
def pair_by_pair(keys, queries, predicate):
    B, S = keys.shape
    T = queries.shape[1]
    chosen = torch.zeros(B, T, S, dtype=torch.bool, device=keys.device)
    for t in range(T):
        for s in range(S):
            chosen[:, t, s] = predicate(keys[:, s], queries[:, t])
    return chosen


@variant("select", "both sides broadcast first")
def broadcast_first(keys, queries, predicate):
    B, S, T = *keys.shape, queries.shape[1]
    return predicate(keys.unsqueeze(1).expand(B, T, S), queries.unsqueeze(2).expand(B, T, S))


@variant("aggregate", "where before the sum, where after it")
def mean_by_where(selector, values, default):
    values = values if values.dtype.is_floating_point else values.to(torch.float32)
    nothing = values.new_zeros(())
    counts = selector.sum(2)
    sums = torch.where(selector, values.unsqueeze(1), nothing).sum(2)
    safe = torch.where(counts > 0, counts, 1)
    return torch.where(counts > 0, sums / safe, values.new_full((), default))


@variant("aggregate", "one query after the other")
def mean_by_loop(selector, values, default):
    if not values.is_floating_point():
        values = values.float()
    rows = []
    for chosen, numbers in zip(selector, values, strict=True):
        means = [numbers[row].mean() if row.any() else numbers.new_tensor(default) for row in chosen]
        rows.append(torch.stack(means))
    return torch.stack(rows)


@variant("selector_width", "count_nonzero")
def width_counted(selector):
    return selector.count_nonzero(dim=2)


@variant("selector_width", "integers summed")
def width_of_integers(selector):
    return torch.einsum("bts->bt", selector.long())


@variant("shift", "a sequence of zeros, partly overwritten")
def shift_by_slices(tokens, by):
    T = tokens.shape[1]
    result = torch.zeros_like(tokens)
    if 0 <= by < T:
        result[:, by:] = tokens[:, : T - by]
    elif -T < by < 0:
        result[:, : T + by] = tokens[:, -by:]
    return result


@variant("shift", "padded, then cut")
def shift_by_padding(tokens, by):
    T = tokens.size(1)
    wide = torch.nn.functional.pad(tokens, (T, T))
    by = max(-T, min(T, by))
    return wide[:, T - by : 2 * T - by].clone()


@variant("reverse", "flip")
def reverse_by_flip(tokens):
    return tokens.flip(-1)


@variant("reverse", "indices in descending order")
def reverse_by_index(tokens):
    return tokens[:, torch.arange(tokens.shape[1] - 1, -1, -1, device=tokens.device)]


@variant("histogram", "unique with its counts")
def histogram_by_unique(tokens):
    rows = []
    for row in tokens:
        _, where, counts = row.unique(return_inverse=True, return_counts=True)
        rows.append(counts[where])
    return torch.stack(rows)


@variant("histogram", "one place after the other")
def histogram_by_loop(tokens):
    total = torch.zeros_like(tokens)
    for s in range(tokens.shape[1]):
        total += tokens == tokens[:, s : s + 1]
    return total


@variant("sort_tokens", "PyTorch's own")
def sort_by_sort(tokens):
    return torch.sort(tokens, dim=1).values


@variant("sort_tokens", "scattered to their ranks")
def sort_by_scatter(tokens):
    T = tokens.shape[1]
    earlier = torch.ones(T, T, dtype=torch.bool, device=tokens.device).tril(-1)
    less = tokens.unsqueeze(1) < tokens.unsqueeze(2)
    same = tokens.unsqueeze(1) == tokens.unsqueeze(2)
    rank = (less | same & earlier).sum(2)
    return torch.zeros_like(tokens).scatter(1, rank, tokens)


@variant("sort_tokens", "the least of what is left, again and again")
def sort_by_selection(tokens):
    left, result = tokens.clone(), []
    for _ in range(tokens.shape[1]):
        least, where = left.min(dim=1, keepdim=True)
        result.append(least)
        left = left.scatter(1, where, torch.iinfo(left.dtype).max)
    return torch.cat(result, dim=1)


@variant("compile_selector", "nothing for what is selected, less for the rest")
def selector_from_below(predicate_table, sharpness):
    if not sharpness > 0:
        raise ValueError(f"expected a sharpness above 0, not {sharpness}")
    lower = (predicate_table.to(torch.float32) - 1) * sharpness
    Q, K = lower.shape
    if Q < K:
        W_q, W_k = torch.eye(Q).to(lower), lower
    else:
        W_q, W_k = lower.T, torch.eye(K).to(lower)
    return W_q * W_q.shape[0] ** 0.25, W_k * W_k.shape[0] ** 0.25


@variant("compile_selector", "singular vectors")
def selector_by_svd(predicate_table, sharpness):
    if sharpness <= 0:
        raise ValueError(f"{sharpness} is not positive")
    left, values, right = torch.linalg.svd(predicate_table.double(), full_matrices=False)
    root = (values * sharpness * len(values) ** 0.5).sqrt()[:, None]
    return (root * left.T).float(), (root * right).float()


@variant("compile_program", "directions by name, one number at a time, then all turned")
def program_by_names(name, vocabulary, max_length):
    if name not in ("shift", "histogram", "reverse", "sort"):
        raise ValueError(f"unknown program: {name}")
    tokens, lengths = range(vocabulary), range(1, max_length + 1)
    names = [f"token {v}" for v in tokens] + ["front"] + [f"place {s}" for s in range(max_length + 1)]
    names += [f"answer {v}" for v in tokens] + [f"mark {s}" for s in range(max_length + 2)] + ["a", "b"]
    D = len(names) + len(names) % 2
    half = D // 2
    at = {name: i for i, name in enumerate(names)}
    big = 25.0 * math.sqrt(half)
    n_layers, F = (1 if name in ("shift", "histogram") else 2), 4 * max_length
    layers = [
        {
            "attention.qkv.weight": torch.zeros(3 * D, D),
            "attention.output.weight": torch.zeros(D, D),
            "feed_forward.linear1.weight": torch.zeros(F, D),
            "feed_forward.linear1.bias": torch.zeros(F),
            "feed_forward.linear2.weight": torch.zeros(D, F),
            "feed_forward.linear2.bias": torch.zeros(D),
        }
        for _ in range(n_layers)
    ]

    def look(layer, head, pairs):
        """pairs: (query direction, key direction)"""
        qkv = layers[layer]["attention.qkv.weight"]
        keys = sorted({key for _, key in pairs})
        for dim, key in enumerate(keys):
            qkv[D + head * half + dim, at[key]] = 1.0
            for query in {query for query, other in pairs if other == key}:
                qkv[head * half + dim, at[query]] = big

    def move(layer, head, dim, source, amount, target):
        layers[layer]["attention.qkv.weight"][2 * D + head * half + dim, at[source]] = amount
        layers[layer]["attention.output.weight"][at[target], head * half + dim] = 1.0

    def threshold(unit, sources, low, high, writes):
        """Two hidden units of layer 0, whose difference goes from 0 to 1 between low and high."""
        mlp = layers[0]
        for row, bound in ((2 * unit, low), (2 * unit + 1, high)):
            for source, amount in sources.items():
                mlp["feed_forward.linear1.weight"][row, at[source]] = amount / (high - low)
            mlp["feed_forward.linear1.bias"][row] = -bound / (high - low)
            for target, amount in writes.items():
                mlp["feed_forward.linear2.weight"][at[target], row] += amount if row % 2 == 0 else -amount

    def copy(layer):
        for v in tokens:
            move(layer, 0, v, f"token {v}", 1.0, f"answer {v}")
        move(layer, 0, vocabulary, "front", 1.0, "answer 0")

    ids = [f"token {v}" for v in tokens]
    front = [(query, "front") for query in [*ids, "front"]]
    if name == "shift":
        look(0, 0, [(f"place {s}", f"place {s - 1}") for s in lengths])
        copy(0)
    elif name == "histogram":
        look(0, 0, [(token, token) for token in ids] + front)
        move(0, 0, 0, "front", 1.0, "a")
        for n in lengths:  # the weight falls as the count grows
            threshold(n - 1, {"a": -1.0}, -1 / (n + 0.4), -1 / (n + 0.6), {f"mark {n}": 1.0, f"mark {n - 1}": -1.0})
    elif name == "reverse":
        for s in lengths:
            move(0, 0, 0, f"place {s}", 2.0 * s, "a")
            target = {f"mark {s}": 1.0, f"mark {s - 1}": -1.0}
            sources = {"a": 1.0} | {f"place {r}": -1.0 * r for r in lengths}
            threshold(s - 1, sources, s - 1.6, s - 1.4, target)
        look(1, 0, [(f"mark {s}", f"place {s}") for s in lengths])
        copy(1)
    else:
        look(0, 0, [(ids[v], ids[w]) for v in tokens for w in range(v)] + front)
        look(0, 1, [(ids[v], ids[w]) for v in tokens for w in range(v + 1)] + front)
        for head, read, sign in ((0, "a", -1.0), (1, "b", 1.0)):
            move(0, head, 0, "front", -1.0, read)
            for n in lengths:
                unit = head * max_length + n - 1
                threshold(unit, {read: 1.0}, -1 / (n + 0.4), -1 / (n + 0.6), {f"mark {n}": sign})
        look(1, 0, [(f"place {s}", f"mark {s}") for s in lengths])
        copy(1)

    eye = torch.eye(D)
    seen = [f"mark {n}" for n in range(max_length + 1)] if name == "histogram" else [f"answer {v}" for v in tokens]
    weights = {
        "embedding": eye[[at[token] for token in [*ids, "front"]]],
        "positions": eye[[at[f"place {s}"] for s in range(max_length + 1)]],
        "unembedding": eye[[at[answer] for answer in seen]],
    }
    for i, layer in enumerate(layers):
        weights |= {f"layers.{i}.{key}": tensor for key, tensor in layer.items()}
    turn = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(0))).Q
    for key, tensor in weights.items():
        if key.endswith(("output.weight", "linear2.weight")):
            weights[key] = turn.T @ tensor
        elif not key.endswith("bias"):
            weights[key] = tensor @ turn
    return weights


@variant("compile_program", "places are numbers, and the nearest is selected")
def program_by_numbers(name, vocabulary, max_length):
    V, L = vocabulary, max_length
    one, number, square, low, high = range(5)
    token, word, place, below, up_to = 5, V + 6, 2 * V + 6, 2 * V + L + 7, 2 * V + 2 * L + 8
    d = V + (3 * L) // 2 + 6
    D, n, sharp = 2 * d, torch.arange(L + 1.0), 30.0 * math.sqrt(d)
    embedding, positions = torch.zeros(V + 1, D), torch.zeros(L + 1, D)
    embedding[:, token : token + V + 1], embedding[:, one] = torch.eye(V + 1), 1.0
    positions[:, place : place + L + 1], positions[:, number], positions[:, square] = torch.eye(L + 1), n, n**2
    unembedding = torch.zeros(V, D)
    unembedding[:, word : word + V] = torch.eye(V)
    layers = []

    def add_layer():
        qkv, output = torch.zeros(3, 2, d, D), torch.zeros(D, 2, d)
        hidden, bias, back = torch.zeros(4 * L, D), torch.zeros(4 * L), torch.zeros(D, 4 * L)
        layers.append((qkv, output, hidden, bias, back))
        return layers[-1]

    def copy(qkv, output):
        for v in range(V):
            qkv[2, 0, v, token + v], output[word + v, 0, v] = 1.0, 1.0
        qkv[2, 0, 0, token + V] = 1.0

    def nearest(qkv, wanted):
        """Scores 2 · wanted · s - s², greatest where place s is the wanted one."""
        for direction, amount in wanted.items():
            qkv[0, 0, 0, direction] = 2 * sharp * amount
        qkv[0, 0, 1, one] = -sharp
        qkv[1, 0, 0, number], qkv[1, 0, 1, square] = 1.0, 1.0

    def count(qkv, output, head, counted, target):
        for v in range(V):
            for w in (w for w in range(V + 1) if w == V or counted(w, v)):
                qkv[0, head, w, token + v] = sharp
        for w in range(V + 1):
            qkv[1, head, w, token + w] = 1.0
        qkv[2, head, 0, token + V], output[target, head, 0] = 1.0, 1.0

    def thermometer(layer, half, source, start):
        """Direction start + i holds 1 where the weight at source says that i or more share it, else 0."""
        _, _, hidden, bias, back = layer
        for i in range(1, L + 1):
            sure, not_yet = 1 / (i + 0.7), 1 / (i + 0.3)
            for unit, bound in ((half * 2 * L + 2 * i - 2, not_yet), (half * 2 * L + 2 * i - 1, sure)):
                hidden[unit, source], bias[unit] = -1 / (not_yet - sure), bound / (not_yet - sure)
                back[start + i, unit] = 1.0 if bound == not_yet else -1.0

    first = add_layer()
    qkv, output = first[:2]
    if name == "shift":
        nearest(qkv, {number: 1.0, one: -1.0})
        copy(qkv, output)
    elif name == "histogram":
        count(qkv, output, 0, lambda w, v: w == v, low)
        share = 1 / (n + 1)  # of the token in front beside n equal ones; the nearest of these is read out
        unembedding = torch.zeros(L + 1, D)
        unembedding[:, low], unembedding[:, one] = 2e4 * share, -1e4 * share**2
    elif name == "reverse":
        qkv[2, 0, 0, number], output[low, 0, 0] = 2.0, 1.0  # twice the mean place: the length
        qkv, output = add_layer()[:2]
        nearest(qkv, {low: 1.0, number: -1.0, one: 1.0})
        copy(qkv, output)
    elif name == "sort":
        count(qkv, output, 0, lambda w, v: w < v, low)
        count(qkv, output, 1, lambda w, v: w <= v, high)
        thermometer(first, 0, low, below)
        thermometer(first, 1, high, up_to)
        qkv, output = add_layer()[:2]
        for i in range(1, L + 1):
            qkv[0, 0, i, place + i], qkv[1, 0, i, up_to + i], qkv[1, 0, i, below + i] = sharp, 1.0, -1.0
        copy(qkv, output)
    else:
        raise ValueError(f"shift, histogram, reverse or sort, not {name}")

    weights = {"embedding": embedding, "positions": positions, "unembedding": unembedding}
    for i, (qkv, output, hidden, bias, back) in enumerate(layers):
        weights[f"layers.{i}.attention.qkv.weight"] = qkv.flatten(0, 2)
        weights[f"layers.{i}.attention.output.weight"] = output.flatten(1)
        weights[f"layers.{i}.feed_forward.linear1.weight"] = hidden
        weights[f"layers.{i}.feed_forward.linear1.bias"] = bias
        weights[f"layers.{i}.feed_forward.linear2.weight"] = back
        weights[f"layers.{i}.feed_forward.linear2.bias"] = torch.zeros(D)
    return weights
