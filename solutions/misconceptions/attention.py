"""Wrong programs for unit 04, each one mistake that a person would make."""

from __future__ import annotations

import math
from functools import partial

import torch

from solutions import attention
from solutions.programs import edited, misconception

lookup = partial(edited, attention, "soft_lookup")
soft_lookup = [
    lookup(
        "keys @ query / temperature",
        "keys @ query * temperature",
        name="multiplied by the temperature",
        hint="A low temperature must sharpen the choice: divide the scores by it.",
    ),
    lookup(
        "keys @ query / temperature",
        "keys @ query",
        name="the temperature is ignored",
        hint="Only the division by the temperature lets the same table be read hard or soft.",
    ),
    lookup(
        "(keys @ query / temperature).softmax(dim=0)",
        "torch.nn.functional.one_hot((keys @ query).argmax(), len(keys)).to(values.dtype)",
        name="a hard lookup by argmax",
        hint="An argmax is the limit of temperature 0, has no gradient, and gives every key but one no say.",
    ),
    lookup(
        "(keys @ query / temperature).softmax(dim=0)",
        "(keys @ query / temperature)\n    weights = weights / weights.sum()",
        name="normalised without the exponential",
        hint="Scores can be negative; softmax takes the exponential before it divides by the sum.",
    ),
    lookup(
        "(keys @ query / temperature).softmax(dim=0)",
        "(keys @ query / temperature).exp()\n    weights = weights / weights.sum()",
        name="exponential without subtracting the maximum",
        hint="exp(1000) is infinite. Subtract the largest score first (or use softmax): the weights stay the same.",
    ),
    lookup(
        "weights @ values",
        "weights @ keys",
        name="the keys are read instead of the values",
        hint="Keys say where to look; values are what is read there.",
    ),
    lookup(
        "keys @ query / temperature",
        "torch.cosine_similarity(keys, query, dim=-1) / temperature",
        name="cosine similarity instead of the dot product",
        hint="The dot product is not normalised: a longer query chooses more sharply.",
    ),
    lookup(
        "keys @ query / temperature",
        "keys @ query / math.sqrt(len(query)) / temperature",
        name="scaled by √d as well",
        hint="Here the temperature is the only scale; 1/√d comes with scaled dot-product attention.",
    ),
    lookup(
        "if temperature <= 0:",
        "if False:",
        name="a temperature of zero is accepted",
        hint="At temperature 0 the division gives inf or NaN; below 0 it prefers the worst key. Say so with "
        "ValueError.",
    ),
]

product = partial(edited, attention, "scaled_dot_product_attention")
scaled_dot_product_attention = [
    product(
        "math.sqrt(query.shape[-1])",
        "query.shape[-1]",
        name="divided by d, not by its square root",
        hint="The dot product of d independent unit-variance numbers has standard deviation √d. Divided by d the "
        "scores all but vanish, and attention cannot choose.",
    ),
    product(
        " / math.sqrt(query.shape[-1])",
        "",
        name="no scale",
        hint="Without 1/√d the scores grow with the width of the keys, and softmax saturates.",
    ),
    product(
        " / math.sqrt(query.shape[-1])",
        " * math.sqrt(query.shape[-1])",
        name="multiplied by √d",
        hint="The scores already grow as √d; dividing by it takes that growth away.",
    ),
    product(
        "math.sqrt(query.shape[-1])",
        "math.sqrt(key.shape[1])",
        name="scaled by the number of keys",
        hint="The scale comes from the width of a key (its last axis), not from how many keys there are.",
    ),
    product(
        "math.sqrt(query.shape[-1])",
        "math.sqrt(value.shape[-1])",
        name="scaled by the width of the values",
        hint="The scores are products of queries and keys: their width d counts, and that of the values does not.",
    ),
    product(
        "scores.softmax(dim=-1)",
        "scores.softmax(dim=-2).nan_to_num(0.0)",
        name="softmax over the queries",
        hint="Each query shares out its attention over the keys: the softmax runs over the last axis, and rows sum to "
        "1.",
    ),
    product(
        "scores.softmax(dim=-1)",
        "scores.softmax(dim=0).nan_to_num(0.0)",
        name="softmax over the batch",
        hint="Sentences of a batch know nothing of each other: the softmax runs over the keys, the last axis.",
    ),
    product(
        "scores.softmax(dim=-1)",
        "(scores.exp() / scores.exp().sum(dim=-1, keepdim=True))",
        name="exponential without subtracting the maximum",
        hint="exp(1000) is infinite. Subtract each row's maximum first (softmax does): the weights stay the same.",
    ),
    product(
        "query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])",
        "torch.cosine_similarity(query[:, :, None], key[:, None], dim=-1)",
        name="cosine similarity instead of the scaled dot product",
        hint="Cosines stay between -1 and 1, so attention can never become sharp; the dot product keeps the lengths.",
    ),
    product(
        "-math.inf",
        "-1e9",
        name="a finite fill, -1e9",
        hint="A model can learn scores below any finite fill, and then reads what is forbidden. Fill with -inf.",
    ),
    product(
        "-math.inf",
        "-1e4",
        name="a finite fill, -1e4",
        hint="Allowed scores near -20,000 lose against a fill of -1e4, and what is forbidden is read. Fill with -inf.",
    ),
    product(
        "scores.masked_fill(~allowed, -math.inf)",
        "scores * allowed",
        name="scores multiplied by the mask",
        hint="A score of 0 still gets the weight e⁰. What is forbidden needs the score -inf.",
    ),
    product(
        "scores.masked_fill(~allowed, -math.inf)",
        "scores + allowed",
        name="the boolean mask added to the scores",
        hint="An added mask holds 0 and -inf; this one is True and False, and adding it only adds 1.",
    ),
    product(
        "scores.masked_fill(~allowed,",
        "scores.masked_fill(allowed,",
        name="the mask upside down",
        hint="allowed is True where looking is allowed: fill where it is False.",
    ),
    product(
        "    scores = scores.masked_fill(~allowed, -math.inf)\n",
        "",
        name="the mask is used for nothing but blind queries",
        hint="Forbidden scores must become -inf before the softmax.",
    ),
    product(
        ".masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)",
        ".nan_to_num(1 / key.shape[1])",
        name="blind queries read the whole sentence",
        hint="A query that may look nowhere has nothing to read: its weights and its output are zero.",
    ),
    product(
        ".masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)",
        "",
        name="NaN from a query that may look nowhere",
        hint="softmax over a row of -inf is 0/0. Set the weights of such a query to zero after the softmax.",
    ),
    product(
        "    return weights @ value, weights",
        "    weights = torch.nn.functional.dropout(weights, 0.1)\n    return weights @ value, weights",
        name="dropout that is never switched off",
        hint="F.dropout(x, p) drops in evaluation too, unless training=self.training is passed. This function has "
        "none.",
    ),
    product(
        "weights @ value, weights",
        "weights.detach() @ value, weights.detach()",
        name="the weights are cut from the graph",
        hint="Without a gradient through the weights, queries and keys never learn where to look.",
    ),
    product(
        "query @ key",
        "query @ key[:1]",
        name="every sentence looks at the keys of the first",
        hint="Each sentence of the batch has its own keys; keep the batch axis in the product.",
    ),
    product(
        "weights @ value, weights",
        "weights @ value[:1], weights",
        name="every sentence reads the values of the first",
        hint="Each sentence of the batch has its own values; keep the batch axis in the product.",
    ),
    product(
        "query @ key.transpose(-2, -1)",
        "key @ query.transpose(-2, -1)",
        name="keys times queries, transposed",
        hint="The scores have a row for each query and a column for each key: query @ keyᵀ.",
    ),
    product(
        "weights @ value, weights",
        "weights, weights @ value",
        name="weights first, output second",
        hint="The function returns the output first and the weights second.",
    ),
]


@misconception(
    "scaled_dot_product_attention",
    "masked after the softmax, not renormalised",
    hint="Weights taken away after the softmax leave rows that sum to less than 1. Mask the scores, before the "
    "softmax.",
)
def attention_masked_after(query, key, value, allowed=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = scores.softmax(dim=-1)
    if allowed is not None:
        weights = weights * allowed
    return weights @ value, weights


@misconception(
    "scaled_dot_product_attention",
    "masked after the softmax, then renormalised",
    hint="In exact arithmetic that is right. But where a forbidden score is far above the allowed ones, their weights "
    "underflow to 0 and the division is 0/0. Mask the scores, before the softmax.",
)
def attention_renormalised(query, key, value, allowed=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = scores.softmax(dim=-1)
    if allowed is not None:
        weights = weights * allowed
        total = weights.sum(dim=-1, keepdim=True)
        weights = weights / total.where(allowed.any(dim=-1, keepdim=True), torch.ones_like(total))
    return weights @ value, weights


@misconception(
    "scaled_dot_product_attention",
    "the weights returned are those without the mask",
    hint="The output is right, but the weights that you return (and plot) show attention that never happened.",
)
def attention_with_other_weights(query, key, value, allowed=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = scores.softmax(dim=-1)
    if allowed is None:
        return weights @ value, weights
    masked = scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)
    return masked.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0) @ value, weights


@misconception(
    "scaled_dot_product_attention",
    "the query is scaled in place",
    hint="query /= … changes the caller's tensor: the second call sees another query. Write query = query / ….",
)
def attention_in_place(query, key, value, allowed=None):
    query /= math.sqrt(query.shape[-1])
    scores = query @ key.transpose(-2, -1)
    if allowed is None:
        allowed = torch.ones_like(scores, dtype=torch.bool)
    scores = scores.masked_fill(~allowed, -math.inf)
    weights = scores.softmax(dim=-1).masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)
    return weights @ value, weights


@misconception(
    "scaled_dot_product_attention",
    "a mask made on the default device",
    hint="torch.ones(…) without device= lives on the CPU, and on a GPU the call fails. torch.ones_like(scores) "
    "does not.",
)
def attention_on_default_device(query, key, value, allowed=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    full = torch.ones(scores.shape, dtype=torch.bool)
    allowed = full if allowed is None else allowed & full
    scores = scores.masked_fill(~allowed, -math.inf)
    weights = scores.softmax(dim=-1).masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)
    return weights @ value, weights


@misconception(
    "scaled_dot_product_attention",
    "computed in float32 whatever comes in",
    hint="The output has the type of the inputs. .float() inside loses the digits of float64, and .half() those of "
    "float32.",
)
def attention_in_single(query, key, value, allowed=None):
    scores = (query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])).float()
    if allowed is None:
        allowed = torch.ones_like(scores, dtype=torch.bool)
    scores = scores.masked_fill(~allowed, -math.inf)
    weights = scores.softmax(dim=-1).masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0).to(value.dtype)
    return weights @ value, weights


spread = partial(edited, attention, "saturation")
saturation = [
    spread(
        "math.sqrt(d) if scaled else 1.0",
        "math.sqrt(d)",
        name="scaled always",
        hint="The point is the comparison: leave the logits as they are when scaled is False.",
    ),
    spread(
        "math.sqrt(d) if scaled else 1.0",
        "d if scaled else 1.0",
        name="scaled by d, not by its square root",
        hint="Divided by d the logits have standard deviation 1/√d, and the entropy comes out nearly at its maximum.",
    ),
    spread(
        "math.sqrt(d) if scaled else 1.0",
        "math.sqrt(n_keys) if scaled else 1.0",
        name="scaled by the number of keys",
        hint="The spread of the logits comes from the width d over which the dot product sums.",
    ),
    spread(
        " / math.log(n_keys)",
        "",
        name="entropy in nats",
        hint="Divide by log(n_keys), the entropy of uniform weights, so that widths and lengths can be compared.",
    ),
    spread(
        "math.log(n_keys)",
        "math.log(d)",
        name="entropy relative to log d",
        hint="There are n_keys weights: the largest entropy is log(n_keys).",
    ),
    spread(
        "torch.diag_embed(weights) - weights[:, :, None] * weights[:, None, :]",
        "weights[:, :, None] * weights[:, None, :]",
        name="the Jacobian without its diagonal part",
        hint="The entries are ∂wᵢ/∂zⱼ = wᵢ(δᵢⱼ - wⱼ): the outer product is subtracted from diag(weights).",
    ),
    spread(
        "torch.diag_embed(weights) - weights[:, :, None] * weights[:, None, :]",
        "torch.diag_embed(weights - weights**2)",
        name="only the diagonal of the Jacobian",
        hint="Softmax couples the logits: raising one lowers the others, off the diagonal.",
    ),
    spread(
        "jacobian.norm(dim=(-2, -1)).mean()",
        "jacobian.norm()",
        name="one norm of all Jacobians",
        hint="Take the norm for each query over the last two axes, then the mean over the queries.",
    ),
    spread(
        "queries = torch.randn(256, d, generator=generator)",
        "queries = torch.rand(256, d, generator=generator)",
        name="uniform queries instead of normal ones",
        hint="torch.rand is uniform on [0, 1): its numbers have mean 1/2 and variance 1/12. Use torch.randn.",
    ),
    spread(
        "queries = torch.randn(256, d, generator=generator)\n    keys = torch.randn(n_keys, d, generator=generator)",
        "queries = torch.randn(256, d)\n    keys = torch.randn(n_keys, d)",
        name="the generator is not used",
        hint="Pass generator=generator to every draw: results must depend on it, and not on the global random stream.",
    ),
]

cross = partial(edited, attention, "CrossAttention")
CrossAttention = [
    cross(
        "self.key(data), self.value(data)",
        "self.key(data), self.key(data)",
        name="keys and values from one projection",
        hint="What a vector is found by and what it gives are two roles: the values have a projection of their own.",
    ),
    cross(
        "self.value(data)",
        "data",
        name="values are not projected",
        hint="The values are self.value(data); the raw data may not even have the width d_model.",
    ),
    cross(
        "self.value = nn.Linear(d_data, d_model, bias=False)",
        "self.value = nn.Linear(d_query, d_model, bias=False)",
        name="values projected from the queries' width",
        hint="The values come from the data: their projection goes from d_data to d_model.",
    ),
    cross(
        "self.key(data), self.value(data)",
        "self.query(data), self.value(data)",
        name="the query's projection used for the keys",
        hint="The keys have a projection of their own, self.key, from d_data.",
    ),
    cross(
        "self.query(x), self.key(data), self.value(data)",
        "self.query(data), self.key(x), self.value(x)",
        name="queries and data exchanged",
        hint="The output has one row for each query: queries come from x, keys and values from data.",
    ),
    cross(
        "math.sqrt(query.shape[-1])",
        "query.shape[-1]",
        name="divided by d_model, not by its square root",
        hint="The scale is 1/√d_model. Dividing twice by the root flattens the weights.",
    ),
    cross(
        "math.sqrt(query.shape[-1])",
        "math.sqrt(x.shape[-1])",
        name="scaled by the width of the input",
        hint="The scale is √d_model, the width of the projected queries and keys, not the width of x.",
    ),
    cross(
        "scores.softmax(dim=-1)",
        "scores.softmax(dim=-2)",
        name="softmax over the queries",
        hint="Each query shares out its attention over the data: the softmax runs over the last axis.",
    ),
    cross(
        "        scores = scores.masked_fill(~real[:, None, :], -math.inf)\n",
        "",
        name="padding is not masked",
        hint="Padding gets weight unless its scores are -inf before the softmax.",
    ),
    cross(
        "scores.masked_fill(~real[:, None, :], -math.inf)",
        "scores * real[:, None, :]",
        name="scores multiplied by the mask",
        hint="A score of 0 still gets the weight e⁰. Padding needs the score -inf.",
    ),
    cross(
        "~real[:, None, :]",
        "real[:, None, :]",
        name="the mask upside down",
        hint="real is True on real data, which is where looking is allowed: fill where it is False.",
    ),
    cross(
        "~real[:, None, :]",
        "~real[:1, None, :]",
        name="every sentence gets the mask of the first",
        hint="Each sentence of the batch has padding of its own: keep the batch axis of real.",
    ),
    cross(
        "~real[:, None, :]",
        "~real[:, :, None]",
        name="the mask on the axis of the queries",
        hint="real belongs to the data, the last axis of the scores: real[:, None, :].",
    ),
    cross(
        "scores = scores.masked_fill(~real[:, None, :], -math.inf)",
        "value = value * real[:, :, None]",
        name="padding values set to zero instead of masked",
        hint="The padding then adds nothing, but it still takes weight from the real data. Mask the scores.",
    ),
    cross(
        ".masked_fill(~real.any(dim=-1)[:, None, None], 0.0)",
        "",
        name="NaN from a sentence of padding only",
        hint="softmax over a row of -inf is 0/0. Set the weights of such a sentence to zero after the softmax.",
    ),
    cross(
        "self.key(data), self.value(data)",
        "self.key(data).detach(), self.value(data)",
        name="the keys are cut from the graph",
        hint="With detach() on the keys, self.key never learns.",
    ),
    cross(
        "self.query = nn.Linear(d_query, d_model, bias=False)",
        "self.query = nn.Linear(d_query, d_model)",
        name="a bias in the query's projection",
        hint="The three projections have no bias: pass bias=False.",
    ),
    cross(
        "return weights @ value, weights",
        "return weights @ value",
        name="only the output is returned",
        hint="Return the output and the weights.",
    ),
    cross(
        "query, key, value = self.query(x), self.key(data), self.value(data)",
        "query, key, value = self.query(x).tanh(), self.key(data).tanh(), self.value(data)",
        name="an activation on queries and keys",
        hint="The projections are linear and nothing more; the only non-linearity of attention is the softmax.",
    ),
]

hop = partial(edited, attention, "memory_hop")
memory_hop = [
    hop(
        "return query + read",
        "return read",
        name="the hop forgets the query",
        hint="u ← u + o: without the sum the second hop no longer knows what was asked.",
    ),
    hop(
        'bmd->bm", query, input_memory).softmax(dim=-1)',
        'bmd->bm", query, input_memory).div(math.sqrt(query.shape[-1])).softmax(dim=-1)',
        name="scaled by √D",
        hint="End-to-end memory networks came before the scale: the weights are softmax(query · memory).",
    ),
    hop(
        "weights, output_memory)",
        "weights, input_memory)",
        name="reads from the input memory",
        hint="The input memory says where to look; what is read comes from the output memory.",
    ),
    hop(
        "query, input_memory)",
        "query, output_memory)",
        name="addresses the output memory",
        hint="The query is compared with the input memory; the output memory is only read.",
    ),
    hop(
        ".softmax(dim=-1)",
        ".softmax(dim=0)",
        name="softmax over the batch",
        hint="Each story shares out its weight over its own facts: the softmax runs over the last axis.",
    ),
    hop(
        ".softmax(dim=-1)",
        ".sigmoid()",
        name="a sigmoid for each fact",
        hint="Sigmoids do not compete: the weights of a story must sum to 1.",
    ),
    hop(
        'torch.einsum("bm,bmd->bd", weights, output_memory)',
        "output_memory[torch.arange(len(query), device=query.device), weights.argmax(dim=-1)]",
        name="a hard read by argmax",
        hint="A hard choice has no gradient, so nothing teaches the memory where to look.",
    ),
]

read = partial(edited, attention, "key_value_read")
key_value_read = [
    read(
        "query, keys)",
        "query, values)",
        name="addressed by the values",
        hint="Keys say where to look: the query is compared with the keys.",
    ),
    read(
        "weights, values)",
        "weights, keys)",
        name="reads the keys",
        hint="Values are what is read: the weights sum over the values.",
    ),
    read(
        "(query + read) @ update.T",
        "read @ update.T",
        name="the query is forgotten",
        hint="The next query is update · (query + read): without the query, the next hop no longer knows what was "
        "asked.",
    ),
    read(
        "(query + read) @ update.T",
        "(query + read) @ update",
        name="the update transposed",
        hint="The update stands to the left of a column. For rows in a batch that is (query + read) @ update.T.",
    ),
    read(
        "(query + read) @ update.T",
        "query + read @ update.T",
        name="only what was read is updated",
        hint="The update applies to the sum: update · (query + read).",
    ),
    read(
        "(query + read) @ update.T",
        "query @ update.T + read",
        name="only the query is updated",
        hint="The update applies to the sum: update · (query + read).",
    ),
    read(
        "(query + read) @ update.T",
        "query + read",
        name="no update",
        hint="Between hops the query passes through the matrix update.",
    ),
    read(
        ".softmax(dim=-1)",
        ".softmax(dim=0)",
        name="softmax over the batch",
        hint="Each story shares out its weight over its own facts: the softmax runs over the last axis.",
    ),
]

network = partial(edited, attention, "MemoryNetwork")
MemoryNetwork = [
    network(
        "torch.arange(n_facts - 1, -1, -1, device=facts.device)",
        "torch.arange(n_facts, device=facts.device)",
        name="ages counted from the first fact",
        hint="The last fact has age 0. Counted from the front, the age of “the latest” differs from story to story.",
    ),
    network(
        " + ages(age)",
        "",
        name="no ages",
        hint="Without ages a memory is a bag of facts: it cannot tell the latest move of a person from an earlier one.",
    ),
    network(
        "torch.arange(n_facts - 1, -1, -1, device=facts.device)",
        "torch.arange(n_facts - 1, -1, -1)",
        name="ages on the default device",
        hint="torch.arange without device= lives on the CPU, and fails where the facts are on a GPU.",
    ),
    network(
        "words(facts).sum(dim=2)",
        "words(facts).mean(dim=2)",
        name="the mean of a fact's words",
        hint="A fact is the sum of its words. The mean also divides by padding, so it depends on the batch.",
    ),
    network(
        "query = self.words[0](question).sum(dim=1)",
        "query = self.words[-1](question).sum(dim=1)",
        name="the question in the last embedding",
        hint="With adjacent tying the question shares words[0] with the first input memory.",
    ),
    network(
        "return query @ self.words[-1].weight.T",
        "return query @ self.words[0].weight.T",
        name="the answer in the first embedding",
        hint="With adjacent tying the answer shares words[n_hops] with the last output memory.",
    ),
    network(
        "hops[-1], memories[k + 1]",
        "hops[-1], memories[k]",
        name="each hop reads the memory it looked in",
        hint="Hop k looks in memory k and reads memory k + 1.",
    ),
    network(
        "hops[-1], memories[k + 1]",
        "hops[-1], memories[-1]",
        name="every hop reads the last memory",
        hint="With adjacent tying the memories move on: hop k looks in memory k and reads memory k + 1.",
    ),
    network(
        "query = query + torch",
        "query = torch",
        name="the hops forget the query",
        hint="u ← u + o: without the sum the second hop no longer knows what was asked.",
    ),
    network(
        "        if n_facts > self.max_facts:\n"
        '            raise ValueError(f"{n_facts} facts, but the table of ages ends at {self.max_facts}")\n',
        "        facts = facts[:, : self.max_facts]\n        n_facts = facts.shape[1]\n",
        name="too many facts are cut off silently",
        hint="A story that does not fit must be refused with ValueError: cutting it may cut the fact that is needed.",
    ),
    network(
        "torch.stack(hops, dim=1)",
        "torch.stack(hops, dim=0)",
        name="the hops before the batch",
        hint="Batch first: the weights have the axes B, hops, M.",
    ),
]
