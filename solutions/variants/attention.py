"""Right programs for unit 04, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from solutions.programs import variant


@variant("soft_lookup", "a loop over the rows")
def lookup_by_rows(query, keys, values, temperature):
    if not temperature > 0:
        raise ValueError(f"temperature {temperature} is not positive")
    scores = torch.stack([torch.dot(key, query) for key in keys]) / temperature
    unnormalised = torch.exp(scores - scores.max())
    read = sum(weight * row for weight, row in zip(unnormalised, values, strict=True))
    return read / unnormalised.sum()


@variant("soft_lookup", "log-softmax and einsum")
def lookup_by_einsum(query, keys, values, temperature):
    if temperature <= 0:
        raise ValueError(f"temperature={temperature} must be > 0")
    scores = torch.einsum("d,md->m", query, keys).div(temperature)
    return torch.einsum("m,mn->n", torch.log_softmax(scores, 0).exp(), values)


@variant("scaled_dot_product_attention", "a loop over queries")
def attention_by_loop(query, key, value, allowed=None):
    B, T, d = query.shape
    weights = torch.zeros(B, T, key.shape[1], dtype=query.dtype, device=query.device)
    for b in range(B):
        for t in range(T):
            scores = key[b] @ query[b, t] / d**0.5
            if allowed is None:
                weights[b, t] = scores.softmax(0)
            elif allowed[b, t].any():
                seen = allowed[b, t]
                weights[b, t, seen] = scores[seen].softmax(0)
    return torch.bmm(weights, value), weights


@variant("scaled_dot_product_attention", "PyTorch's own operator")
def attention_by_torch(query, key, value, allowed=None):
    S = key.shape[1]
    identity = torch.eye(S, dtype=value.dtype, device=value.device).expand(len(value), S, S)
    both = torch.cat([value, identity], dim=-1)
    mask = None if allowed is None else allowed | ~allowed.any(-1, keepdim=True)
    answer = torch.nn.functional.scaled_dot_product_attention(query, key, both, attn_mask=mask)
    if allowed is not None:
        answer = answer * allowed.any(-1, keepdim=True)
    return answer.split([value.shape[-1], S], dim=-1)


@variant("scaled_dot_product_attention", "the exponential by hand, the scale on the query")
def attention_by_exponential(query, key, value, allowed=None):
    scores = torch.einsum("btd,bsd->bts", query * query.shape[-1] ** -0.5, key)
    if allowed is not None:
        scores = torch.where(allowed, scores, torch.full_like(scores, -float("inf")))
    highest = scores.detach().amax(-1, keepdim=True)
    highest = torch.where(highest.isfinite(), highest, torch.zeros_like(highest))
    unnormalised = (scores - highest).exp()
    total = unnormalised.sum(-1, keepdim=True)
    weights = unnormalised / torch.where(total == 0, torch.ones_like(total), total)
    return weights @ value, weights


@variant("saturation", "one query at a time, the Jacobian by autograd")
def saturation_by_autograd(d, n_keys, scaled, generator):
    from torch.func import jacrev, vmap

    keys = torch.randn(256, n_keys, d, generator=generator)
    queries = torch.randn(256, d, generator=generator)
    logits = torch.einsum("qd,qnd->qn", queries, keys)
    if scaled:
        logits = logits * d**-0.5
    entropy = torch.distributions.Categorical(logits=logits).entropy() / math.log(n_keys)
    jacobian = vmap(jacrev(lambda row: row.softmax(0)))(logits)
    return float(entropy.mean()), float(jacobian.flatten(1).norm(dim=1).mean())


@variant("saturation", "sums of powers instead of a Jacobian")
def saturation_by_powers(d, n_keys, scaled, generator):
    keys = torch.randn(d, n_keys, generator=generator, dtype=torch.float64)
    queries = torch.randn(256, d, generator=generator, dtype=torch.float64)
    log_weights = torch.log_softmax(queries @ keys / (d**0.5 if scaled else 1), dim=1)
    weights = log_weights.exp()
    entropy = -(weights * log_weights).sum(1).mean() / torch.tensor(float(n_keys)).log()
    second, third = weights.square().sum(1), weights.pow(3).sum(1)
    return entropy, (second - 2 * third + second.square()).clamp_min(0).sqrt().mean()


@variant("CrossAttention", "einsum on the weight matrices, keys folded into the query")
class CrossAttentionByEinsum(nn.Module):
    def __init__(self, d_query, d_data, d_model):
        super().__init__()
        self.query = nn.Linear(d_query, d_model, bias=False)
        self.key = nn.Linear(d_data, d_model, bias=False)
        self.value = nn.Linear(d_data, d_model, bias=False)

    def forward(self, x, data, real=None):
        bilinear = self.query.weight.T @ self.key.weight / len(self.key.weight) ** 0.5
        scores = torch.einsum("btq,qe,bse->bts", x, bilinear, data)
        if real is not None:
            scores = scores.masked_fill(~real.unsqueeze(1), float("-inf"))
            scores = scores.masked_fill(~real.any(1)[:, None, None], 0.0)
        weights = torch.softmax(scores, -1)
        if real is not None:
            weights = weights * real.any(1)[:, None, None]
        return torch.einsum("bts,bse,me->btm", weights, data, self.value.weight), weights


@variant("CrossAttention", "matrices for each sentence of the batch")
class CrossAttentionBySentence(nn.Module):
    def __init__(self, d_query, d_data, d_model):
        super().__init__()
        self.key, self.value = (nn.Linear(d_data, d_model, bias=False) for _ in range(2))
        self.query = nn.Linear(d_query, d_model, bias=False)

    def forward(self, x, data, real=None):
        outputs, weights = [], []
        for b in range(len(x)):
            scores = self.query(x[b]) @ self.key(data[b]).T / math.sqrt(self.query.out_features)
            if real is not None:
                scores = scores.masked_fill(~real[b], -math.inf)
            rows = torch.softmax(scores, 1)
            if real is not None:
                rows = torch.where(real[b].any(), rows, torch.zeros_like(scores))
            weights.append(rows)
            outputs.append(rows @ self.value(data[b]))
        return torch.stack(outputs), torch.stack(weights)


@variant("memory_hop", "batched matrix products")
def hop_by_products(query, input_memory, output_memory):
    weights = torch.bmm(input_memory, query.unsqueeze(2)).squeeze(2).softmax(1)
    return query + torch.bmm(weights.unsqueeze(1), output_memory).squeeze(1), weights


@variant("memory_hop", "sums over products")
def hop_by_sums(query, input_memory, output_memory):
    scores = (query[:, None] * input_memory).sum(-1)
    weights = torch.exp(scores - scores.logsumexp(dim=1, keepdim=True))
    return (weights[..., None] * output_memory).sum(1).add(query), weights


@variant("key_value_read", "batched matrix products")
def read_by_products(query, keys, values, update):
    weights = torch.softmax((keys @ query[..., None])[..., 0], dim=1)
    read = (weights[:, None] @ values)[:, 0]
    return torch.nn.functional.linear(query + read, update), weights


@variant("key_value_read", "a loop over the batch")
def read_by_loop(query, keys, values, update):
    weights = [torch.softmax(keys[b] @ query[b], 0) for b in range(len(query))]
    queries = [update @ (query[b] + weights[b] @ values[b]) for b in range(len(query))]
    return torch.stack(queries), torch.stack(weights)


@variant("MemoryNetwork", "each hop embeds the story for itself, padding masked by hand")
class MemoryNetworkByHops(nn.Module):
    def __init__(self, vocab_size, d_model, n_hops, max_facts):
        super().__init__()
        self.words = nn.ModuleList([nn.Embedding(vocab_size, d_model) for _ in range(n_hops + 1)])
        self.ages = nn.ModuleList([nn.Embedding(max_facts, d_model) for _ in range(n_hops + 1)])
        for words in self.words:
            nn.init.zeros_(words.weight[0].detach())

    def remember(self, k, facts):
        M = facts.size(1)
        if self.ages[k].num_embeddings < M:
            raise ValueError(f"{M} facts do not fit into a memory of {self.ages[k].num_embeddings}")
        sentences = (self.words[k](facts) * (facts != 0).unsqueeze(-1)).sum(-2)
        return sentences + self.ages[k].weight[:M].flip(0)

    def forward(self, facts, question):
        u = (self.words[0](question) * (question != 0).unsqueeze(-1)).sum(-2)
        hops = []
        for k in range(len(self.words) - 1):
            p = torch.softmax(torch.einsum("bmd,bd->bm", self.remember(k, facts), u), -1)
            u = u + torch.einsum("bm,bmd->bd", p, self.remember(k + 1, facts))
            hops.append(p)
        return torch.nn.functional.linear(u, self.words[-1].weight), torch.stack(hops, 1)


@variant("MemoryNetwork", "sentences as counts of words")
class MemoryNetworkByCounts(nn.Module):
    def __init__(self, vocab_size, d_model, n_hops, max_facts):
        super().__init__()
        self.vocab_size, self.n_hops, self.max_facts = vocab_size, n_hops, max_facts
        self.words, self.ages = nn.ModuleList(), nn.ModuleList()
        for _ in range(n_hops + 1):
            self.words.append(nn.Embedding(vocab_size, d_model, padding_idx=0))
            self.ages.append(nn.Embedding(max_facts, d_model))

    def forward(self, facts, question):
        if facts.shape[1] > self.max_facts:
            raise ValueError(f"at most {self.max_facts} facts, not {facts.shape[1]}")
        matrices = [words.weight for words in self.words]
        count = lambda ids: torch.nn.functional.one_hot(ids, self.vocab_size).sum(-2).to(matrices[0].dtype)  # noqa: E731
        story, u, hops = count(facts), count(question) @ matrices[0], []
        order = list(range(facts.shape[1]))[::-1]
        for k in range(self.n_hops):
            keys = story @ matrices[k] + self.ages[k].weight[order]
            values = story @ matrices[k + 1] + self.ages[k + 1].weight[order]
            hops.append((keys @ u.unsqueeze(-1)).squeeze(-1).softmax(-1))
            u = u + (hops[-1].unsqueeze(1) @ values).squeeze(1)
        return u @ matrices[-1].T, torch.stack(hops, dim=1)
