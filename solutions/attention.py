"""References for unit 04: attention as an operator on queries, keys and values.

Axes: B batch, T queries, S keys, M facts in memory, W words of a sentence, V vocabulary, D model width, d width of
queries and keys, v width of values, m rows of a table and n its width.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


def soft_lookup(
    query: Float[Tensor, "d"], keys: Float[Tensor, "m d"], values: Float[Tensor, "m n"], temperature: float
) -> Float[Tensor, "n"]:
    """Read a table softly: α = softmax(keys · query / temperature), and the answer is αᵀ · values.

    As the temperature falls to 0, α becomes δ and this is a hash table; as it grows, every row counts alike.
    Raises ValueError unless the temperature is positive.
    """
    if temperature <= 0:
        raise ValueError(f"the temperature must be positive, not {temperature}")
    weights = (keys @ query / temperature).softmax(dim=0)
    return weights @ values


def scaled_dot_product_attention(
    query: Float[Tensor, "B T d"],
    key: Float[Tensor, "B S d"],
    value: Float[Tensor, "B S v"],
    allowed: Bool[Tensor, "B T S"] | None = None,
) -> tuple[Float[Tensor, "B T v"], Float[Tensor, "B T S"]]:
    """The output and the weights of attention, softmax(query · keyᵀ / √d) over the keys.

    allowed is True where a query may look. A query that may look nowhere gets weights and an output of zero.
    Vaswani et al. 2017, section 3.2.1.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if allowed is None:
        allowed = torch.ones_like(scores, dtype=torch.bool)
    scores = scores.masked_fill(~allowed, -math.inf)
    weights = scores.softmax(dim=-1).masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)
    return weights @ value, weights


def saturation(d: int, n_keys: int, scaled: bool, generator: torch.Generator) -> tuple[float, float]:
    """How far softmax is from saturated, for queries and keys of independent standard normal numbers.

    Two means over 256 random queries of width d, each against n_keys keys, with logits query · key, divided by √d
    if scaled: the entropy of the weights relative to its maximum log(n_keys), and the Frobenius norm of the
    softmax's Jacobian ∂weights/∂logits = diag(weights) - weights · weightsᵀ. Everything is drawn from generator.
    """
    queries = torch.randn(256, d, generator=generator)
    keys = torch.randn(n_keys, d, generator=generator)
    logits = queries @ keys.T / (math.sqrt(d) if scaled else 1.0)
    weights = logits.softmax(dim=-1)
    entropy = torch.special.entr(weights).sum(dim=-1) / math.log(n_keys)
    jacobian = torch.diag_embed(weights) - weights[:, :, None] * weights[:, None, :]
    return entropy.mean().item(), jacobian.norm(dim=(-2, -1)).mean().item()


class CrossAttention(nn.Module):
    """Queries from one sequence look at another: its vectors are projected to keys and to values.

    Parameters, none with a bias: query (d_query → d_model), key (d_data → d_model), value (d_data → d_model).
    """

    def __init__(self, d_query: int, d_data: int, d_model: int) -> None:
        super().__init__()
        self.query = nn.Linear(d_query, d_model, bias=False)
        self.key = nn.Linear(d_data, d_model, bias=False)
        self.value = nn.Linear(d_data, d_model, bias=False)

    def forward(
        self,
        x: Float[Tensor, "B T d_query"],
        data: Float[Tensor, "B S d_data"],
        real: Bool[Tensor, "B S"] | None = None,
    ) -> tuple[Float[Tensor, "B T d_model"], Float[Tensor, "B T S"]]:
        """Output and weights of every query. real is True on real data, False on padding, which no query reads."""
        query, key, value = self.query(x), self.key(data), self.value(data)
        if real is None:
            real = torch.ones_like(data[:, :, 0], dtype=torch.bool)
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(~real[:, None, :], -math.inf)
        weights = scores.softmax(dim=-1).masked_fill(~real.any(dim=-1)[:, None, None], 0.0)
        return weights @ value, weights


def memory_hop(
    query: Float[Tensor, "B D"], input_memory: Float[Tensor, "B M D"], output_memory: Float[Tensor, "B M D"]
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B M"]]:
    """One hop over a memory: the next query and the weights of the facts.

    The weights are softmax(query · input_memory) over the facts, without a scale; what they read from output_memory
    is added to the query. Sukhbaatar et al. 2015, section 2.1.
    """
    weights = torch.einsum("bd,bmd->bm", query, input_memory).softmax(dim=-1)
    read = torch.einsum("bm,bmd->bd", weights, output_memory)
    return query + read, weights


def key_value_read(
    query: Float[Tensor, "B D"],
    keys: Float[Tensor, "B M D"],
    values: Float[Tensor, "B M D"],
    update: Float[Tensor, "D D"],
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B M"]]:
    """Address a memory by its keys, read its values: the next query and the weights of the facts.

    The weights are softmax(query · keys); the next query is update · (query + read), with the matrix update on the
    left of the column. Miller et al. 2016, section 3.1.
    """
    weights = torch.einsum("bd,bmd->bm", query, keys).softmax(dim=-1)
    read = torch.einsum("bm,bmd->bd", weights, values)
    return (query + read) @ update.T, weights


class MemoryNetwork(nn.Module):
    """End-to-end memory network with adjacent weight tying. Sukhbaatar et al. 2015, sections 2.2 and 4.1.

    Hop k looks for the query in input memory k and reads output memory k + 1; memory k of a fact is the sum of
    words[k] over its words plus ages[k] of its age, which is 0 for the last fact, 1 for the one before it, and so on.
    The first query is the sum of words[0] over the question. The logits are the last query times the vectors of
    words[n_hops]. Word 0 is padding, and its vectors are zero.

    Parameters: words (n_hops + 1 embeddings of vocab_size) and ages (n_hops + 1 embeddings of max_facts).
    """

    def __init__(self, vocab_size: int, d_model: int, n_hops: int, max_facts: int) -> None:
        super().__init__()
        self.words = nn.ModuleList(nn.Embedding(vocab_size, d_model, padding_idx=0) for _ in range(n_hops + 1))
        self.ages = nn.ModuleList(nn.Embedding(max_facts, d_model) for _ in range(n_hops + 1))
        self.max_facts = max_facts

    def forward(
        self, facts: Int[Tensor, "B M W"], question: Int[Tensor, "B Q"]
    ) -> tuple[Float[Tensor, "B V"], Float[Tensor, "B hops M"]]:
        """Logits over the vocabulary, and the weights of the facts in each hop.

        Raises ValueError if there are more facts than ages.
        """
        n_facts = facts.shape[1]
        if n_facts > self.max_facts:
            raise ValueError(f"{n_facts} facts, but the table of ages ends at {self.max_facts}")
        age = torch.arange(n_facts - 1, -1, -1, device=facts.device)
        memories = [words(facts).sum(dim=2) + ages(age) for words, ages in zip(self.words, self.ages, strict=True)]
        query = self.words[0](question).sum(dim=1)
        hops = []
        for k in range(len(memories) - 1):
            hops.append(torch.einsum("bd,bmd->bm", query, memories[k]).softmax(dim=-1))
            query = query + torch.einsum("bm,bmd->bd", hops[-1], memories[k + 1])
        return query @ self.words[-1].weight.T, torch.stack(hops, dim=1)
