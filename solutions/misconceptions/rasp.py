"""Wrong programs for unit 10, each one mistake that a person would make."""

from __future__ import annotations

from functools import partial

import torch

from solutions import rasp
from solutions.programs import edited, misconception

# --------------------------------------------------------------------------------------------------------- select

PAIRS = "predicate(keys[:, None, :], queries[:, :, None])"

selecting = partial(edited, rasp, "select")
select = [
    selecting(
        PAIRS,
        "predicate(queries[:, :, None], keys[:, None, :])",
        name="the query is the first argument",
        hint="predicate(key, query): select(keys, queries, torch.lt) selects keys that are less than the query.",
    ),
    selecting(
        PAIRS,
        "keys[:, None, :] == queries[:, :, None]",
        name="the predicate is not asked",
        hint="Equality is one predicate of many: call the one that is given.",
    ),
    selecting(
        PAIRS,
        "predicate(keys[:1, None, :], queries[:, :, None])",
        name="the first sequence's keys for all",
        hint="Each sequence of the batch has keys of its own.",
    ),
    selecting(
        PAIRS,
        "predicate(keys[:, None, :], queries[:1, :, None])",
        name="the first sequence's queries for all",
        hint="Each sequence of the batch has queries of its own.",
    ),
    selecting(
        "return selector.expand(B, T, keys.shape[1])",
        "return selector",
        name="not expanded to all queries",
        hint="A predicate that looks at the key alone returns (B, 1, S): the selector has a row for each query.",
    ),
    selecting(
        "return selector.expand(B, T, keys.shape[1])",
        "return selector.expand(B, T, keys.shape[1]).float()",
        name="ones and zeros",
        hint="A selector is boolean: True where the key is selected.",
    ),
    selecting(
        "return selector.expand(B, T, keys.shape[1])",
        "return ~selector.expand(B, T, keys.shape[1])",
        name="True for what is masked out",
        hint="As everywhere in this course, True means that the query may read the key.",
    ),
    selecting(
        "return selector.expand(B, T, keys.shape[1])",
        "return selector.expand(B, T, keys.shape[1]).tril()",
        name="a causal mask on top",
        hint="Nothing says that a query may not read what comes later; where you want that, the predicate says so.",
    ),
    selecting(
        "return selector.expand(B, T, keys.shape[1])",
        "selector = selector.expand(B, T, keys.shape[1])\n    return selector & (selector.cumsum(dim=-1) == 1)",
        name="only the first key that fits",
        hint="A query selects every key for which the predicate holds; the mean comes later.",
    ),
]


@misconception("select", "a row for each key", hint="The selector is (B, T, S): queries are rows, keys are columns.")
def select_transposed(keys, queries, predicate):
    B, T = queries.shape
    return predicate(keys[:, :, None], queries[:, None, :]).expand(B, keys.shape[1], T)


@misconception("select", "the keys are the queries", hint="Keys and queries are two sequences: use both arguments.")
def select_among_keys(keys, queries, predicate):
    B, S = keys.shape
    return predicate(keys[:, None, :], keys[:, :, None]).expand(B, S, S)


@misconception(
    "select",
    "place by place",
    hint="Every query meets every key: the result is a matrix for each sequence, not a row.",
)
def select_place_by_place(keys, queries, predicate):
    shared = min(keys.shape[1], queries.shape[1])
    return predicate(keys[:, :shared], queries[:, :shared])


# ------------------------------------------------------------------------------------------------------ aggregate

MEAN = "(total / width.clamp(min=1)).masked_fill(width == 0, default)"
MASKED = "values[:, None, :].masked_fill(~selector, 0.0)"

averaging = partial(edited, rasp, "aggregate")
aggregate = [
    averaging(
        MEAN,
        "total.masked_fill(width == 0, default)",
        name="the sum",
        hint="Attention's weights sum to one: what is read is the mean of what is selected.",
    ),
    averaging(
        MEAN,
        "(total / selector.shape[-1]).masked_fill(width == 0, default)",
        name="divided by the number of keys",
        hint="Divide by how many this query selects, not by how many there are.",
    ),
    averaging(
        MEAN,
        "(total / width.clamp(min=1))",
        name="zero instead of the default",
        hint="Where a query selects nothing the answer is `default`.",
    ),
    averaging(
        MEAN,
        "(total / width.clamp(min=1)).masked_fill(total == 0, default)",
        name="the default for a mean of zero",
        hint="A mean may well be zero: look at how many are selected, not at what came out.",
    ),
    averaging(
        MEAN,
        "total / width",
        name="nothing divided by nothing",
        hint="0 / 0 is not a number: an empty selection has the answer `default`.",
    ),
    averaging(
        MEAN,
        "(total / width).nan_to_num(default)",
        name="whatever is not a number is replaced",
        hint="nan_to_num also replaces values that are infinite: look at the width instead.",
    ),
    averaging(
        MEAN,
        "(total + default) / (width + 1)",
        name="the default is one of the values",
        hint="The default stands alone, and only where nothing is selected.",
    ),
    averaging(
        MEAN,
        "(total / width.clamp(min=1)).masked_fill(~selector.all(dim=-1), default)",
        name="the default wherever something is left out",
        hint="The default is for queries that select nothing at all.",
    ),
    averaging(
        MEAN,
        "torch.where(width == 0, values.mean(dim=1, keepdim=True), total / width.clamp(min=1))",
        name="an empty selection reads everything",
        hint="That is what a softmax over equal scores does, and why a compiler needs a way round it. Here: `default`.",
    ),
    averaging(
        MASKED,
        "(values[:, None, :] * selector)",
        name="multiplied by the selector",
        hint="0 · ∞ is not a number: mask what is not selected instead of multiplying it by zero.",
    ),
    averaging(
        MASKED,
        "values.detach()[:, None, :].masked_fill(~selector, 0.0)",
        name="the values cut from the graph",
        hint="detach() keeps gradients from the values.",
    ),
    averaging(
        "if not values.is_floating_point():",
        "if True:",
        name="computed in float32 whatever comes in",
        hint="Only integers are converted; other values keep their type.",
    ),
    averaging(
        "selector.sum(dim=-1)  # (B, T)",
        "selector.sum(dim=-1).clamp(max=2)",
        name="divided by two at most",
        hint="Divide by the number of selected keys, however many.",
    ),
]


@misconception(
    "aggregate",
    "0 / 0 replaced only afterwards",
    hint="The output may be right, but the gradient is NaN: make the divisor at least 1 before you divide.",
)
def aggregate_repairs(selector, values, default):
    if not values.is_floating_point():
        values = values.float()
    width = selector.sum(dim=-1)
    total = (selector * values.nan_to_num(posinf=0.0)[:, None, :]).sum(dim=-1)
    total = total.masked_fill((selector & values.isposinf()[:, None, :]).any(dim=-1), torch.inf)
    return (total / width).masked_fill(width == 0, default)


@misconception(
    "aggregate",
    "means of integers are rounded",
    hint="The mean of 1 and 2 is 1.5: integers in, float32 out.",
)
def aggregate_rounds(selector, values, default):
    width = selector.sum(dim=-1)
    mean = values[:, None, :].masked_fill(~selector, 0).sum(dim=-1) / width.clamp(min=1)
    return mean.masked_fill(width == 0, default).to(values.dtype)


@misconception(
    "aggregate",
    "a softmax over ones and zeros",
    hint="e^1 and e^0 are both positive: what is not selected would still be read. Weights are 1 / width or 0.",
)
def aggregate_by_softmax(selector, values, default):
    if not values.is_floating_point():
        values = values.float()
    weights = selector.to(values.dtype).softmax(dim=-1)
    mean = (weights * values[:, None, :]).sum(dim=-1)
    return mean.masked_fill(~selector.any(dim=-1), default)


@misconception("aggregate", "the first one selected", hint="Where several are selected, the answer is their mean.")
def aggregate_first(selector, values, default):
    if not values.is_floating_point():
        values = values.float()
    first = values.gather(1, selector.int().argmax(dim=-1))
    return first.masked_fill(~selector.any(dim=-1), default)


@misconception("aggregate", "the largest one selected", hint="Aggregation is a mean, not a maximum.")
def aggregate_largest(selector, values, default):
    if not values.is_floating_point():
        values = values.float()
    largest = values[:, None, :].masked_fill(~selector, -torch.inf).amax(dim=-1)
    return largest.masked_fill(~selector.any(dim=-1), default)


@misconception(
    "aggregate",
    "rows taken for keys",
    hint="The selector is (B, T, S), queries by keys: sum over its last axis.",
)
def aggregate_over_queries(selector, values, default):
    if not values.is_floating_point():
        values = values.float()
    selector = selector.mT
    width = selector.sum(dim=-1)
    total = values[:, None, :].masked_fill(~selector, 0.0).sum(dim=-1)
    return (total / width.clamp(min=1)).masked_fill(width == 0, default)


# ------------------------------------------------------------------------------------------------- selector_width

COUNT = "selector.sum(dim=-1)"

counting = partial(edited, rasp, "selector_width")
selector_width = [
    counting(
        COUNT, "selector.sum(dim=1)", name="counted for each key", hint="The keys are the last axis: sum over it."
    ),
    counting(
        COUNT,
        "selector.sum(dim=-1) - 1",
        name="one less",
        hint="A query that selects itself counts itself as well: nothing is subtracted.",
    ),
    counting(
        COUNT,
        "selector.any(dim=-1).long()",
        name="whether, not how many",
        hint="any() says only whether something is selected; sum() counts.",
    ),
    counting(
        COUNT,
        "selector.float().sum(dim=-1)",
        name="counted in float32",
        hint="A count is an integer: the sum of booleans is int64 by itself.",
    ),
    counting(
        COUNT,
        "selector.float().mean(dim=-1)",
        name="a share",
        hint="The width is a number of keys, not the share of them.",
    ),
    counting(
        COUNT,
        "selector.sum(dim=-1, dtype=torch.int32)",
        name="int32",
        hint="Counts are int64, as the sum of booleans is by itself.",
    ),
    counting(
        COUNT,
        "selector.sum(dim=-1).clamp(max=10)",
        name="no more than ten",
        hint="A count that stops at some number is wrong for long sequences.",
    ),
    counting(
        COUNT,
        "selector.sum(dim=-1).clamp(min=1)",
        name="never zero",
        hint="A query may select nothing, and then the width is 0.",
    ),
    counting(
        COUNT,
        "selector.to(torch.uint8).sum(dim=-1, dtype=torch.uint8).long()",
        name="counted in a byte",
        hint="A byte holds at most 255: 300 keys are counted as 44.",
    ),
    counting(
        COUNT,
        "selector.sum(dim=(0, 2)).expand(len(selector), -1)",
        name="counted over the batch",
        hint="Sequences of a batch do not know of each other.",
    ),
]

# ---------------------------------------------------------------------------------------------------------- shift

SOURCE = "place == place[:, None] - by  # (T, S): query t selects key t - by, if there is one"
READ = "return (selector * tokens[:, None, :]).sum(dim=-1)"

shifting = partial(edited, rasp, "shift")
shift = [
    shifting(
        SOURCE,
        "place == place[:, None] + by",
        name="the other direction",
        hint="Moved to the right, place t holds what stood at t - by.",
    ),
    shifting(
        SOURCE,
        "place == (place[:, None] - by) % len(place)",
        name="round the end",
        hint="What leaves at one end does not come back at the other: there stand zeros (roll is another function).",
    ),
    shifting(
        SOURCE,
        "place == (place[:, None] - by).clamp(0, len(place) - 1)",
        name="the edge repeated",
        hint="Places into which nothing moves hold 0, not a copy of the first token.",
    ),
    shifting(
        SOURCE,
        "place == place[:, None] - abs(by)",
        name="always to the right",
        hint="A negative number moves to the left.",
    ),
    shifting(
        SOURCE,
        "place == place[:, None] - by - 1",
        name="one place too far",
        hint="Place t holds what stood at t - by: with by = 0 nothing moves.",
    ),
    shifting(
        SOURCE,
        "place == place[:, None] - max(-1, min(by, 1))",
        name="one place only",
        hint="`by` says how many places, not only in which direction.",
    ),
    shifting(
        SOURCE,
        "place == place[:, None] - by % len(place)",
        name="by modulo the length",
        hint="Shifted by more than its length a sequence is all zeros; and a negative shift is one to the left.",
    ),
    shifting(
        READ,
        "return (selector * tokens[:, None, :]).sum(dim=-1).masked_fill(~selector.any(dim=-1), -1)",
        name="filled with -1",
        hint="Places into which nothing moves hold 0.",
    ),
    shifting(
        READ,
        "return (selector * tokens[:, None, :]).sum(dim=-1).float()",
        name="floats",
        hint="Tokens are integers, and stay int64.",
    ),
]


@misconception(
    "shift",
    "slices that know only one direction",
    hint="tokens[:, :-by] is something else for by = 0 and for a negative by: these need a case of their own.",
)
def shift_by_one_slice(tokens, by):
    front = tokens.new_zeros(len(tokens), max(by, 0))
    return torch.cat([front, tokens[:, :-by]], dim=1)


@misconception(
    "shift",
    "rolled, then the wrong end emptied",
    hint="After a roll to the left it is the last places that have to be emptied, and more than T of them cannot be.",
)
def shift_by_roll(tokens, by):
    moved = tokens.roll(by, dims=1)
    moved[:, : abs(by)] = 0
    return moved


@misconception("shift", "sequences moved, not tokens", hint="The places are axis 1; axis 0 is the batch.")
def shift_the_batch(tokens, by):
    return torch.zeros_like(tokens) if abs(by) >= len(tokens) else tokens.roll(by, dims=0)


@misconception(
    "shift",
    "moved in place",
    hint="The caller's tokens change under their feet: make a new tensor.",
)
def shift_in_place(tokens, by):
    T = tokens.shape[1]
    moved = tokens.clone().zero_()
    if 0 <= by < T:
        moved[:, by:] = tokens[:, : T - by]
    if -T < by < 0:
        moved[:, :by] = tokens[:, -by:]
    return tokens.copy_(moved)


# -------------------------------------------------------------------------------------------------------- reverse

MIRROR = "place == T - 1 - place[:, None]"

reversing = partial(edited, rasp, "reverse")
reverse = [
    reversing(
        MIRROR,
        "place == T - place[:, None]",
        name="T - t instead of T - 1 - t",
        hint="Places begin with 0, so the last is T - 1: place 0 looked for place T, and there is none.",
    ),
    reversing(
        MIRROR,
        "place == T - 2 - place[:, None]",
        name="one place short",
        hint="The first place reads the last, T - 1.",
    ),
    reversing(
        MIRROR,
        "place == 19 - place[:, None]",
        name="as if every sequence had twenty tokens",
        hint="The length is that of these tokens: tokens.shape[1].",
    ),
    reversing(
        MIRROR,
        "(place == T - 1 - place[:, None]) & (place >= T // 2)",
        name="one half only",
        hint="Both halves change places, not only the first.",
    ),
    reversing(
        READ,
        "return (selector * tokens[:, None, :]).sum(dim=-1).float()",
        name="floats",
        hint="Tokens are integers, and stay int64.",
    ),
]


@misconception("reverse", "sequences reversed, not tokens", hint="The places are axis 1; axis 0 is the batch.")
def reverse_the_batch(tokens):
    return tokens.flip(0)


@misconception("reverse", "both axes reversed", hint="The sequences of a batch stay where they are: flip axis 1 only.")
def reverse_everything(tokens):
    return tokens.flip(0, 1)


@misconception("reverse", "sorted downwards", hint="The order of places is turned round, not that of the numbers.")
def reverse_by_sorting(tokens):
    return tokens.sort(dim=1, descending=True).values


@misconception("reverse", "halves exchanged", hint="Each token goes to the opposite place; here whole halves moved.")
def reverse_by_rolling(tokens):
    return tokens.roll(tokens.shape[1] // 2, dims=1)


@misconception("reverse", "only the ends exchanged", hint="Every token moves, not only the first and the last.")
def reverse_the_ends(tokens):
    turned = tokens.clone()
    turned[:, 0], turned[:, -1] = tokens[:, -1], tokens[:, 0]
    return turned


@misconception("reverse", "reversed in place", hint="The caller's tokens change under their feet: make a new tensor.")
def reverse_in_place(tokens):
    return tokens.copy_(tokens.flip(1))


# ------------------------------------------------------------------------------------------------------ histogram

SAME = "selector = tokens[:, None, :] == tokens[:, :, None]"

occurring = partial(edited, rasp, "histogram")
histogram = [
    occurring(
        "return selector.sum(dim=-1)",
        "return selector.tril().sum(dim=-1)",
        name="counted up to here",
        hint="A token counts all its likes, those that come later too.",
    ),
    occurring(
        "return selector.sum(dim=-1)",
        "return selector.sum(dim=-1) - 1",
        name="itself not counted",
        hint="A token that stands alone occurs once.",
    ),
    occurring(
        "return selector.sum(dim=-1)",
        "return selector.float().mean(dim=-1)",
        name="a share",
        hint="Counts are wanted, not frequencies.",
    ),
    occurring(
        "return selector.sum(dim=-1)",
        "return selector.float().sum(dim=-1)",
        name="counted in float32",
        hint="A count is an integer, int64.",
    ),
    occurring(
        "return selector.sum(dim=-1)",
        "return selector.sum(dim=-1).clamp(max=10)",
        name="no more than ten",
        hint="A count that stops at some number is wrong for long sequences.",
    ),
    occurring(
        SAME,
        "selector = tokens[:, None, :] <= tokens[:, :, None]",
        name="those that are not more",
        hint="Select what is equal; how many are less or equal is a step of sorting.",
    ),
    occurring(
        SAME,
        "selector = tokens[:, None, :] != tokens[:, :, None]",
        name="those that differ",
        hint="Select what is equal.",
    ),
    occurring(
        SAME,
        "selector = tokens.flatten() == tokens[:, :, None]",
        name="counted over the batch",
        hint="Sequences of a batch do not know of each other.",
    ),
]


@misconception(
    "histogram", "neighbours only", hint="Equal tokens count wherever they stand, not only where they stand together."
)
def histogram_of_runs(tokens):
    rows = []
    for row in tokens:
        _, where, counts = row.unique_consecutive(return_inverse=True, return_counts=True)
        rows.append(counts[where])
    return torch.stack(rows)


@misconception(
    "histogram",
    "how many different tokens",
    hint="Each token asks for its own count; the answers differ from place to place.",
)
def histogram_of_kinds(tokens):
    return torch.stack([row.new_full(row.shape, len(row.unique())) for row in tokens])


@misconception(
    "histogram",
    "a row for the vocabulary",
    hint="The answer stands at each token's place, (B, T), and not once for each word of the vocabulary.",
)
def histogram_of_the_vocabulary(tokens):
    return torch.stack([row.bincount(minlength=int(tokens.max()) + 1) for row in tokens])


# ---------------------------------------------------------------------------------------------------- sort_tokens

BEFORE = "(key < query) | ((key == query) & (place < place[:, None]))"

sorting = partial(edited, rasp, "sort_tokens")
sort_tokens = [
    sorting(
        BEFORE,
        "key < query",
        name="equal tokens get one rank",
        hint="They go to one place, and others stay empty: among equals those that stand earlier come first.",
    ),
    sorting(
        BEFORE,
        "(key < query) | (key == query)",
        name="all equal tokens come before",
        hint="A token is not before itself, nor are all of its likes: only those that stand earlier.",
    ),
    sorting(
        BEFORE,
        "(key < query) | ((key == query) & (place <= place[:, None]))",
        name="a token comes before itself",
        hint="Ranks begin with 0: a token does not count itself.",
    ),
    sorting(
        BEFORE,
        "(key > query) | ((key == query) & (place < place[:, None]))",
        name="the largest first",
        hint="A token's rank is how many are less than it.",
    ),
    sorting(
        BEFORE,
        "(key < query) & (place < place[:, None])",
        name="only what stands earlier",
        hint="Whatever is less counts, wherever it stands; the place decides among equals only.",
    ),
    sorting(
        "selector = rank[:, None, :] == place[:, None]",
        "selector = rank[:, :, None] == place",
        name="read from the place of the own rank",
        hint="That permutes the wrong way round: place r reads the key of rank r.",
    ),
    sorting(READ, "return rank", name="the ranks", hint="The ranks say where the tokens go; bring them there."),
    sorting(
        READ,
        "return rank.argsort(dim=-1)",
        name="the places of the sorted tokens",
        hint="An argsort holds places; read the tokens there.",
    ),
    sorting(
        READ,
        "return (selector * tokens[:, None, :]).sum(dim=-1).float()",
        name="floats",
        hint="Tokens are integers, and stay int64.",
    ),
]


@misconception("sort_tokens", "each token once", hint="Equal tokens all stay: sorting loses nothing.")
def sort_unique(tokens):
    rows = []
    for row in tokens:
        kept = row.unique()
        rows.append(torch.cat([kept, row.new_zeros(len(row) - len(kept))]))
    return torch.stack(rows)


@misconception("sort_tokens", "sequences sorted, not tokens", hint="The places are axis 1; axis 0 is the batch.")
def sort_the_batch(tokens):
    return tokens.sort(dim=0).values


@misconception("sort_tokens", "sorted as text", hint="“10” comes before “9” in a dictionary, not among numbers.")
def sort_as_text(tokens):
    return tokens.new_tensor([[int(word) for word in sorted(map(str, row))] for row in tokens.tolist()])


@misconception(
    "sort_tokens",
    "0 taken for padding",
    hint="Here 0 is a token like any other, and the least.",
)
def sort_zero_last(tokens):
    most = torch.iinfo(tokens.dtype).max
    last = tokens.masked_fill(tokens == 0, most).sort(dim=1).values
    return last.masked_fill(last == most, 0)


@misconception("sort_tokens", "sorted in place", hint="The caller's tokens change under their feet: make a new tensor.")
def sort_in_place(tokens):
    return tokens.copy_(tokens.sort(dim=1).values)


# ----------------------------------------------------------------------------------------------- compile_selector

SCORE = "math.sqrt(d) * sharpness * predicate_table.float()"
SIDES = "(score.T, one_hot) if K <= Q else (one_hot, score)"

compiling = partial(edited, rasp, "compile_selector")
compile_selector = [
    compiling(
        SCORE,
        "sharpness * predicate_table.float()",
        name="√d forgotten",
        hint="Unit 05 divides every score by √d: multiply by it first.",
    ),
    compiling(
        SCORE,
        "d * sharpness * predicate_table.float()",
        name="d instead of √d",
        hint="Unit 05 divides by √d, not by d.",
    ),
    compiling(
        SCORE,
        "sharpness / math.sqrt(d) * predicate_table.float()",
        name="divided by √d once more",
        hint="The attention divides by itself; the weights have to undo it.",
    ),
    compiling(
        SCORE,
        "math.sqrt(d) * predicate_table.float()",
        name="the sharpness is not used",
        hint="Scores of 1 and 0 are hardly apart after a softmax: multiply by the sharpness.",
    ),
    compiling(
        SCORE,
        "math.sqrt(d) / sharpness * predicate_table.float()",
        name="the sharpness is a temperature",
        hint="A larger sharpness means scores that are farther apart: multiply by it.",
    ),
    compiling(
        SCORE,
        "math.sqrt(d) * sharpness * sharpness * predicate_table.float()",
        name="the sharpness is in both matrices",
        hint="The score is a product of the two, so it holds the square of the sharpness.",
    ),
    compiling(
        SCORE,
        "math.sqrt(d) * sharpness * (~predicate_table).float()",
        name="what is not selected scores high",
        hint="True in the table means selected.",
    ),
    compiling(
        SCORE,
        "math.sqrt(d) * sharpness * (2 * predicate_table.float() - 1)",
        name="apart by twice the sharpness",
        hint="From -sharpness to +sharpness it is 2 · sharpness.",
    ),
    compiling(
        SCORE,
        "math.sqrt(d) * sharpness * predicate_table / predicate_table.sum(dim=1, keepdim=True).clamp(min=1)",
        name="divided by the width",
        hint="The softmax divides by itself: every selected key has the same score, whatever their number.",
    ),
    compiling(
        SCORE,
        "math.sqrt(d) * sharpness * (predicate_table & (predicate_table.cumsum(dim=1) == 1)).float()",
        name="only the first key of a row",
        hint="A query may select several keys: all of them score alike.",
    ),
    compiling(
        SCORE,
        "math.sqrt(d) * sharpness * predicate_table.double()",
        name="float64",
        hint="The weights have to be float32.",
    ),
    compiling(
        SIDES,
        "(score.reshape(K, Q), one_hot) if K <= Q else (one_hot, score)",
        name="reshaped where it should be transposed",
        hint="A reshape to (K, Q) has the shape, but other numbers: score.T.",
    ),
    compiling(
        SIDES,
        "(one_hot, score.T) if K <= Q else (score, one_hot)",
        name="queries and keys exchanged",
        hint="W_q has a column for each query, a row of the table; W_k one for each key.",
    ),
    compiling(
        "device=predicate_table.device",
        "device=None",
        name="one-hot vectors on the default device",
        hint="torch.eye(d, device=predicate_table.device): on a GPU the two matrices could not be multiplied.",
    ),
    compiling(
        "if sharpness <= 0:",
        "if sharpness < 0:",
        name="zero is sharp enough",
        hint="With a sharpness of 0 all keys score alike: refuse it.",
    ),
    compiling(
        "if sharpness <= 0:",
        "if False:",
        name="any sharpness will do",
        hint="A negative sharpness prefers what is not selected: raise ValueError with the number.",
    ),
]


@misconception(
    "compile_selector",
    "one-hot keys, however many",
    hint="Where there are more keys than queries, let the queries be one-hot: the head is narrower.",
)
def selector_by_keys(predicate_table, sharpness):
    if sharpness <= 0:
        raise ValueError(f"sharpness = {sharpness}")
    K = predicate_table.shape[1]
    return K**0.5 * sharpness * predicate_table.T.float(), torch.eye(K, device=predicate_table.device)


@misconception(
    "compile_selector",
    "one-hot queries, however many",
    hint="Where there are more queries than keys, let the keys be one-hot: the head is narrower.",
)
def selector_by_queries(predicate_table, sharpness):
    if sharpness <= 0:
        raise ValueError(f"sharpness = {sharpness}")
    Q = predicate_table.shape[0]
    return torch.eye(Q, device=predicate_table.device), Q**0.5 * sharpness * predicate_table.float()


@misconception(
    "compile_selector",
    "scores without end",
    hint="-inf in the weights makes NaN with the zeros of a one-hot vector: the weights have to be finite.",
)
def selector_of_infinities(predicate_table, sharpness):
    if sharpness <= 0:
        raise ValueError(f"sharpness = {sharpness}")
    Q, K = predicate_table.shape
    d = min(Q, K)
    score = torch.zeros_like(predicate_table, dtype=torch.float32).masked_fill(~predicate_table, -torch.inf)
    one_hot = torch.eye(d, device=predicate_table.device)
    return (score.T, one_hot) if K <= Q else (one_hot, score)


# ------------------------------------------------------------------------------------------------ compile_program

building = partial(edited, rasp, "compile_program")
compile_program = [
    building(
        "math.sqrt(d) * sharpness * table.T.float()",
        "sharpness * table.T.float()",
        name="√d forgotten",
        hint="Unit 05 divides every score by √d: without it in the weights, wide heads are blunt, and the longer the "
        "sequences the wider the heads.",
    ),
    building(
        "sharpness = 10 + math.log(L)",
        "sharpness = 3.0",
        name="sharp enough for short sequences only",
        hint="Each unselected key weighs e^-3 of a selected one: twenty of them outweigh it. The sharpness has to grow "
        "as log(max_length).",
    ),
    building(
        "head((ids == ids[:, None]) | first, token",
        "head(ids == ids[:, None], token",
        name="the histogram does not look at the token in front",
        hint="A mean does not know how many it averages; the weight of the token in front, 1 / (1 + w), does.",
    ),
    building(
        "w_low, w_high = -1 / (count + 1 / 3), -1 / (count + 2 / 3)",
        "w_low, w_high = -1 / (count - 2 / 3), -1 / (count - 1 / 3)",
        name="the token in front is counted",
        hint="Beside w others the token in front weighs 1 / (1 + w), not 1 / w: all counts are one too many.",
    ),
    building(
        "torch.cat([writes, -writes])",
        "torch.cat([writes, 0 * writes])",
        name="steps that never level off",
        hint="One ReLU is a ramp without end; a second one, subtracted, makes it a step.",
    ),
    building(
        "one_hot = mark[1:] - mark[:-1]",
        "one_hot = mark[1:]",
        name="lower counts stay lit",
        hint="The steps up to n are all 1: each has to put out the mark of the one before.",
    ),
    building(
        "read[0] - number, count - 5 / 3, count - 4 / 3",
        "read[0] - number, count - 2 / 3, count - 1 / 3",
        name="reverse reads place T - t",
        hint="The token in front stands at place 0, so place t reads T + 1 - t.",
    ),
    building(
        "read[0] - number, count - 5 / 3, count - 4 / 3",
        "-number, count - 5 / 3 - L, count - 4 / 3 - L",
        name="reverse takes the length for max_length",
        hint="Shorter sequences have other mirrors: the length has to be read, in a layer of its own.",
    ),
    building(
        "2 * read[:1]",
        "read[:1]",
        name="the mean place taken for the length",
        hint="The mean of the places 0 to T is T / 2: read it out twice.",
    ),
    building(
        "head(places == places[:, None] - 1,",
        "head(places == places[:, None] + 1,",
        name="shift reads to its right",
        hint="Moved to the right, place t holds what stood at t - 1.",
    ),
    building(
        "head(places == places[:, None] - 1,",
        "head(places == places[:, None],",
        name="shift reads its own place",
        hint="Moved by one, place t holds what stood at t - 1.",
    ),
    building(
        "token[:1] + token[V:]",
        "token[:1]",
        name="the token in front reads as nothing",
        hint="All its logits are equal, so whatever leaks through the softmax decides: it has to read as token 0.",
    ),
    building(
        "token[:1] + token[V:], token[1:V]",
        "token[:1], token[1 : V - 1], token[V - 1 : V] + token[V:]",
        name="the token in front reads as the last token",
        hint="The first place of a shifted sequence holds 0.",
    ),
    building(
        "head((ids <= ids[:, None]) | first",
        "head((ids < ids[:, None]) | first",
        name="sort does not count equal tokens",
        hint="A token fills the places from the number of those below it to the number of those not above it: equal "
        "ones, and itself, count among the second.",
    ),
    building(
        "steps(read[1], w_low, w_high, mark[1:])",
        "steps(read[0], -1 / (count - 2 / 3), -1 / (count - 1 / 3), mark[1:])",
        name="equal tokens go to one place",
        hint="A token with c below it goes to place c + 1, and so do its likes: then nobody fills the places after.",
    ),
    building(
        "steps(read[0], w_low, w_high, -mark[1:]), steps",
        "steps",
        name="sort marks places from the first on",
        hint="A token fills no place that belongs to those below it: subtract the steps of that count.",
    ),
    building(
        "head(same, place, mark, *words)",
        "head(same, mark, place, *words)",
        name="sort reads from its rank's place",
        hint="That permutes the wrong way round: the query is the place, the key is the token whose block covers it.",
    ),
    building(
        "torch.cat([query, key, value]),",
        "torch.cat([key, query, value]),",
        name="keys before queries",
        hint="The rows of qkv are queries, keys, values, in this order.",
    ),
    building(
        'output.weight": output.T',
        'output.weight": output',
        name="the output matrix is not transposed",
        hint="nn.Linear multiplies by the transposed weight: its rows are outputs.",
    ),
    building(
        'linear2.weight": back.T',
        'linear2.weight": back',
        name="the second linear map is not transposed",
        hint="linear2.weight is (D, F): a row for each direction of the stream.",
    ),
    building(
        '"embedding": token,',
        '"embedding": token[:-1],',
        name="no row for the token in front",
        hint="The embedding has vocabulary + 1 rows: the last one is the token in front.",
    ),
    building(
        '"positions": place,',
        '"positions": place[1:],',
        name="no place for the token in front",
        hint="With the token in front, max_length tokens take max_length + 1 places.",
    ),
    building(
        "mark if name",
        "mark.roll(-1, 0) if name",
        name="answers counted from one",
        hint="Row n of the histogram's unembedding is the answer n; there is a row 0.",
    ),
    building(
        'layers.{i}.attention.qkv.weight"',
        'layers.{i}.qkv.weight"',
        name="another name for the projections",
        hint="Names are part of the contract: layers.0.attention.qkv.weight.",
    ),
    building(
        "return weights",
        "return {key: tensor.double() for key, tensor in weights.items()}",
        name="float64",
        hint="The weights have to be float32.",
    ),
    building(
        'raise ValueError(f"there is no program {name!r}")',
        "layers = [([torch.zeros(4, d, D)], [])]",
        name="any name makes a program",
        hint="Raise ValueError with the name where there is no such program.",
    ),
    building(
        'raise ValueError(f"there is no program {name!r}")',
        "raise KeyError(name)",
        name="a KeyError",
        hint="A wrong argument is a ValueError, with the name in its message.",
    ),
]
