"""Unit 09: the modern block, and a mixture of experts in it.

What an expert works on is graded by counting operations, never by a clock: see autograder/checks/counted.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autograder.checks import CheckFailed, Draw, Exercise, Subject, expect, expect_values
from autograder.checks.request import Supplied, Value
from autograder.checks.vectors import norm_and_vectors, takes_any_axes

# -------------------------------------------------------------------------------------------------------- RMSNorm

norm = Exercise("RMSNorm", points=3, paper="Zhang and Sennrich 2019, equation 4")

HALF_ROUNDING = 2.0**-7
"""How far float16 may be off, relative to the largest number: three roundings of 2^-11 each, with room for others."""


@norm.check(
    "weight, one number for every place of a vector, and nothing else",
    points=0.25,
    suspect="a bias, which RMSNorm does not have, or the shape of the weight",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def norm_parameters(student: Subject, draw: Draw) -> None:
    (d_model,) = draw.sizes(1)
    student.has_the_parameters(d_model=d_model, eps=0.5)


@norm.check(
    "a new layer only scales: weight 1",
    points=0.5,
    after="weight, one number for every place of a vector, and nothing else",
    suspect="the mean of the squares (over the last axis), its root, or how the weight begins",
    experiment="print the mean of output² over the last axis: m / (m + eps) for a vector whose mean square is m",
)
def new_layer(student: Subject, draw: Draw) -> None:
    _, (x,) = norm_and_vectors(student, draw)
    student.fresh(d_model=x.shape[-1], eps=draw.uniform(0.3, 0.9)).agrees(x, gradients=False)


@norm.check(
    "weight scales what was normalised",
    points=0.5,
    after="weight, one number for every place of a vector, and nothing else",
    suspect="the weight: a factor for each place, after the division",
    experiment="set weight to 2: the output is twice that of a new layer",
)
def weight_scales(student: Subject, draw: Draw) -> None:
    module, (x,) = norm_and_vectors(student, draw)
    module.agrees(x, gradients=False)


@norm.check(
    "a vector of zeros stays one",
    points=0.25,
    after="weight scales what was normalised",
    suspect="eps: added to the mean square, under the root",
    experiment="call it with torch.zeros(1, 2, d_model): do you see NaN?",
)
def zero_vector(student: Subject, draw: Draw) -> None:
    module, (x,) = norm_and_vectors(student, draw)
    module.agrees(torch.cat([x[:1] * 1e-2, torch.zeros_like(x[:1]), x[:1] * 1e2]))


takes_any_axes(norm, norm_and_vectors, points=0.25, after="weight scales what was normalised")


@norm.check(
    "numbers of 300 in half precision",
    points=0.25,
    after="weight scales what was normalised",
    suspect="the squares: float16 ends at 65,504; take them in float32, and return the type that came in",
    experiment="print(torch.tensor(300.0, dtype=torch.float16) ** 2)",
)
def half_precision(student: Subject, draw: Draw) -> None:
    module, (x,) = norm_and_vectors(student, draw)
    x = x.sign() * (300 + 40 * draw.normal(*x.shape).tanh())  # every square overflows
    expected = module.expected(x)
    assert isinstance(expected, Tensor)
    came = expect(module.in_half_precision(x)).tensor(tuple(x.shape))
    if came.dtype != torch.float16:
        raise CheckFailed("float16 out where float16 went in", str(came.dtype))
    worst = (came.double() - expected).abs().max().item()
    if not worst <= HALF_ROUNDING * expected.abs().max().item():
        raise CheckFailed("the numbers of float64, to the digits that float16 has", f"a difference of {worst:.3g}")


@norm.check(
    "gradients reach the input and the weight",
    points=0.25,
    after="weight scales what was normalised",
    suspect="a detach() or no_grad() around the mean square",
    experiment="compare x.grad with that of torch.nn.functional.rms_norm",
)
def norm_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = norm_and_vectors(student, draw)
    module.agrees(*arguments)


norm.good_manners(norm_and_vectors, after="weight scales what was normalised", points=0.25)

# --------------------------------------------------------------------------------------------------------- SwiGLU

network = Exercise("SwiGLU", points=3, paper="Shazeer 2020, equation 6")


def network_and_input(student: Subject, draw: Draw, zero: tuple[str, ...] = ()) -> tuple[Subject, tuple[Tensor]]:
    B, T, d_model, d_hidden = draw.sizes(4)
    return student.build(zero=zero, d_model=d_model, d_hidden=d_hidden), (draw.normal(B, T, d_model),)


@network.check(
    "three linear maps with the right names and shapes, without a bias",
    points=0.25,
    suspect="bias=False, or a width that is not d_hidden",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def network_parameters(student: Subject, draw: Draw) -> None:
    d_model, d_hidden = draw.sizes(2)
    student.has_the_parameters(d_model=d_model, d_hidden=d_hidden)


@network.check(
    "a gate of zero lets nothing through",
    points=0.5,
    after="three linear maps with the right names and shapes, without a bias",
    suspect="the activation, which is 0 at 0, or a sum where a product should be",
    experiment="set gate.weight to zero: the output is zero, whatever up and down are",
)
def closed_gate(student: Subject, draw: Draw) -> None:
    module, (x,) = network_and_input(student, draw, zero=("gate",))
    expect(module(x)).close(torch.zeros_like(x))


@network.check(
    "random vectors",
    points=1,
    after="three linear maps with the right names and shapes, without a bias",
    suspect="which of the two products goes through silu: gate(x), and that one alone",
    experiment="compare with module.down(F.silu(module.gate(x)) * module.up(x))",
)
def network_numbers(student: Subject, draw: Draw) -> None:
    module, (x,) = network_and_input(student, draw)
    module.agrees(x, gradients=False)


takes_any_axes(network, network_and_input, points=0.25, after="random vectors")


@network.check(
    "gradients reach the input and all three maps",
    points=0.25,
    after="random vectors",
    suspect="a detach() or no_grad() on the way",
    experiment="call .sum().backward() on the output and print the gradient of each parameter",
)
def network_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = network_and_input(student, draw)
    module.agrees(*arguments)


network.good_manners(network_and_input, after="random vectors", points=0.25)

# --------------------------------------------------------------------------------------------------- PreNormBlock

block = Exercise("PreNormBlock", points=4, paper="Touvron et al. 2023, section 2.2; Xiong et al. 2020, section 3")


def block_and_input(student: Subject, draw: Draw, loudness: float = 1.0) -> tuple[Subject, tuple[Tensor]]:
    """A block around a mixer that mixes tokens and features, and its input."""
    B, T, D = draw.sizes(3)
    features = draw.normal(D, D, scale=0.4) * loudness
    mixer = Supplied("mixing", {"tokens": draw.normal(T, T, scale=0.4), "features": features})
    return student.build(mixer=mixer, d_model=D), (draw.normal(B, T, D) + draw.normal(B, T, 1),)


@block.check(
    "the block's own parameter is norm.weight",
    points=0.25,
    suspect="the kind of norm: an RMSNorm has a weight and no bias",
    experiment="print the names in block.state_dict() of PreNormBlock(torch.tanh, 8)",
)
def block_parameters(student: Subject, draw: Draw) -> None:
    (D,) = draw.sizes(1)
    eye = torch.eye(D, dtype=torch.float64)
    student.has_the_parameters(mixer=Supplied("mixing", {"tokens": eye[:2, :2], "features": eye}), d_model=D)


@block.check(
    "with a silent mixer the block is the identity",
    points=0.75,
    after="the block's own parameter is norm.weight",
    suspect="a norm on the residual path, or a missing residual connection",
    experiment="give it a mixer that returns torch.zeros_like(x): the output is x",
)
def silent_mixer(student: Subject, draw: Draw) -> None:
    module, (x,) = block_and_input(student, draw, loudness=0.0)
    expect(module(x)).close(x)


@block.check(
    "x and what the mixer makes of the normalised x",
    points=1,
    after="the block's own parameter is norm.weight",
    suspect="what the mixer reads: norm(x); and what its output is added to: x as it came",
    experiment="give it a mixer that prints the mean square of its last axis: about 1 in a new block",
)
def block_numbers(student: Subject, draw: Draw) -> None:
    module, (x,) = block_and_input(student, draw)
    module.agrees(x, gradients=False)


@block.check(
    "vectors so small that eps counts",
    points=0.5,
    after="the block's own parameter is norm.weight",
    suspect="eps: 1e-6; without one, nn.RMSNorm takes that of the type",
    experiment="print block.norm.eps",
)
def small_vectors(student: Subject, draw: Draw) -> None:
    module, (x,) = block_and_input(student, draw)
    module.agrees(x * 1e-3, gradients=False)


@block.check(
    "the mixer is called once",
    points=0.25,
    after="x and what the mixer makes of the normalised x",
    suspect="a second call, or one for every sentence",
    experiment="give it a mixer that prints the shape of what it gets",
)
def one_call(student: Subject, draw: Draw) -> None:
    module, (x,) = block_and_input(student, draw)
    if (calls := module.calls(x)) != 1:
        raise CheckFailed("one call of the mixer", f"{calls} calls")


@block.check(
    "gradients go past the mixer and through it",
    points=0.5,
    after="x and what the mixer makes of the normalised x",
    suspect="a detach() or no_grad() on one of the two ways",
    experiment="with a silent mixer x.grad is what flows back into the output, unchanged",
)
def block_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = block_and_input(student, draw)
    module.agrees(*arguments)


block.good_manners(block_and_input, after="x and what the mixer makes of the normalised x", points=0.25)

# ---------------------------------------------------------------------------------------------------- top_k_gates

gating = Exercise("top_k_gates", points=5, paper="Shazeer et al. 2017, equations 3 and 5")


def scores(draw: Draw, *shape: int) -> Tensor:
    """Router logits without ties: those of a token lie at least 0.4 apart, most are negative, the lowest is largest
    in magnitude.
    """
    ranks = draw.normal(*shape).argsort(dim=-1).double()
    return 0.8 * (ranks - 0.7 * shape[-1]) + 0.4 * torch.sigmoid(draw.normal(*shape))


def tokens_and_k(draw: Draw) -> tuple[Tensor, int]:
    """Logits (N, E), and a k above 1 and below half of E."""
    N, E = draw.sizes(2, low=6)
    return scores(draw, N, E), 2 + int(draw.integers(0, E // 2 - 1))


def chosen_logits(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, int]]:
    return student, tokens_and_k(draw)


@gating.check(
    "k = E: a softmax over all, the best expert first",
    points=0.5,
    suspect="the order of what is returned, or the axis of the softmax",
    experiment="print gates and chosen for the logits [0, 2, 1] and k = 3: the experts are 1, 2, 0",
)
def all_chosen(student: Subject, draw: Draw) -> None:
    logits, _ = tokens_and_k(draw)
    student.agrees(logits, logits.shape[-1], gradients=False)


@gating.check(
    "k = 1: the best expert, with a gate of 1",
    points=0.5,
    suspect="gates that are not a softmax over the chosen logits alone",
    experiment="the softmax of a single number is 1, whatever the number",
)
def one_chosen(student: Subject, draw: Draw) -> None:
    logits, _ = tokens_and_k(draw)
    student.agrees(logits, 1, gradients=False)


@gating.check(
    "the k highest logits of every token choose the experts",
    points=0.75,
    suspect="largest, not smallest, for every token by itself",
    experiment="compare with logits.argsort(dim=-1, descending=True)[..., :k]",
)
def experts_chosen(student: Subject, draw: Draw) -> None:
    logits, k = tokens_and_k(draw)
    _, chosen = expect_values(student(logits, k), "gates", "chosen experts")
    chosen.close(logits.argsort(dim=-1, descending=True)[..., :k])


@gating.check(
    "the gates of a token sum to 1",
    points=0.25,
    suspect="a softmax over all E, of which k are taken: they must still be divided by their sum",
    experiment="print gates.sum(-1)",
)
def gates_sum_to_one(student: Subject, draw: Draw) -> None:
    logits, k = tokens_and_k(draw)
    gates, _ = expect_values(student(logits, k), "gates", "chosen experts")
    sums = gates.tensor((len(logits), k)).sum(dim=-1)
    expect(sums, "the sum of each token's gates").close(torch.ones(len(logits), dtype=torch.float64))


@gating.check(
    "random logits",
    points=1,
    after="the k highest logits of every token choose the experts",
    suspect="the gates: the softmax over the chosen logits, in the order of the chosen experts",
    experiment="two chosen logits that differ by log 3 give gates of 3/4 and 1/4",
)
def gate_numbers(student: Subject, draw: Draw) -> None:
    student.agrees(*tokens_and_k(draw), gradients=False)


@gating.check(
    "a lone token, and sentences of tokens",
    points=0.25,
    after="random logits",
    suspect="an axis that is counted from the front",
    experiment="call it with logits of shape (E,) and of shape (B, T, E)",
)
def gate_axes(student: Subject, draw: Draw) -> None:
    B, T, E = draw.sizes(3, low=5)
    student.agrees(scores(draw, E), 2, gradients=False)
    student.agrees(scores(draw, B, T, E), 3, gradients=False)


@gating.check(
    "logits in the thousands stay finite",
    points=0.25,
    after="random logits",
    suspect="an exponential without the maximum subtracted",
    experiment="call it with logits + 2000 and with logits - 2000: the gates must not change",
)
def gate_extremes(student: Subject, draw: Draw) -> None:
    logits, k = tokens_and_k(draw)
    for shift in (2000.0, -2000.0):
        student.agrees(logits + shift, k, gradients=False)


@gating.check(
    "gradients flow through the gates into the logits",
    points=0.5,
    after="random logits",
    suspect="a detach(), an item() or a one-hot vector instead of the gates: the router would never learn",
    experiment="print logits.grad after gates[..., 0].sum().backward(): zero except at the chosen experts",
)
def gate_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*tokens_and_k(draw))


@gating.check(
    "a k that cannot be chosen is refused, with both numbers",
    points=0.25,
    after="the k highest logits of every token choose the experts",
    suspect="a missing test: topk raises RuntimeError",
    experiment="call it with 5 experts and k = 6, then with k = 0: ValueError, with both numbers in the message",
)
def gate_refuses(student: Subject, draw: Draw) -> None:
    logits, _ = tokens_and_k(draw)
    E = logits.shape[-1]
    for k in (E + int(draw.integers(1, 9)), 0):
        student.refuses(logits, k, mentions=(k, E))


gating.good_manners(chosen_logits, after="random logits", points=0.25)

# ----------------------------------------------------------------------------------------------- MixtureOfExperts

mixture = Exercise(
    "MixtureOfExperts", points=9, paper="Shazeer et al. 2017, equation 1; Jiang et al. 2024, section 2.1"
)

GAP = 0.01
"""The least distance between two router logits of a token: far above what rounding moves, in float32 too."""

PRIMES = (5, 7, 11, 13)
NAMES = "the router and the experts have the right names and shapes, without a bias"


def sizes(draw: Draw) -> tuple[int, int, int, int, int]:
    """B, T, d_model, d_hidden and a prime number of experts, which then divides no number of choices."""
    while True:
        B, T, d_model, d_hidden, n_experts = draw.sizes(5, low=5)
        if n_experts in PRIMES:
            return B, T, d_model, d_hidden, n_experts


def parts(module: Subject, x: Tensor) -> tuple[Tensor, Tensor]:
    """The reference's output and logits."""
    expected = module.expected(x)
    assert isinstance(expected, tuple)
    output, logits = expected
    assert isinstance(output, Tensor)
    assert isinstance(logits, Tensor)
    return output, logits


def apart(module: Subject, draw: Draw, B: int, T: int, d_model: int) -> Tensor:
    """Tokens (B, T, d_model), of which none is near to choosing otherwise: their router logits are apart."""
    kept: list[Tensor] = []
    while len(kept) < B * T:
        tokens = draw.normal(1, 4 * B * T, d_model)
        gaps = parts(module, tokens)[1][0].sort(dim=-1).values.diff(dim=-1)
        kept += tokens[0][(gaps > GAP).all(dim=-1)].unbind()
    return torch.stack(kept[: B * T]).view(B, T, d_model)


def experts_and_tokens(student: Subject, draw: Draw, n_active: int = 2) -> tuple[Subject, tuple[Tensor]]:
    B, T, d_model, d_hidden, n_experts = sizes(draw)
    module = student.build(d_model=d_model, d_hidden=d_hidden, n_experts=n_experts, n_active=n_active)
    return module, (apart(module, draw, B, T, d_model),)


def part_agrees(module: Subject, x: Tensor, place: int) -> None:
    """One of the two things that are returned is the reference's."""
    expect_values(module(x), "output", "logits")[place].close(parts(module, x)[place])


@mixture.check(
    NAMES,
    points=0.5,
    suspect="the names router and experts.0.gate, experts.0.up, experts.0.down, or a bias",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def mixture_parameters(student: Subject, draw: Draw) -> None:
    _, _, d_model, d_hidden, n_experts = sizes(draw)
    student.has_the_parameters(d_model=d_model, d_hidden=d_hidden, n_experts=n_experts, n_active=2)


@mixture.check(
    "the second output: the router's logits over all experts",
    points=0.5,
    after=NAMES,
    suspect="what is returned: router(x), before the choice and before any softmax",
    experiment="compare with module.router(x)",
)
def router_logits(student: Subject, draw: Draw) -> None:
    module, (x,) = experts_and_tokens(student, draw)
    part_agrees(module, x, 1)


@mixture.check(
    "one expert, always active: it is a SwiGLU",
    points=0.75,
    after=NAMES,
    suspect="the expert: down(silu(gate(x)) · up(x)); its gate is 1",
    experiment="with n_experts = 1 compare with F.silu(x @ gate.T) * (x @ up.T) @ down.T",
)
def one_expert(student: Subject, draw: Draw) -> None:
    B, T, d_model, d_hidden, _ = sizes(draw)
    module = student.build(d_model=d_model, d_hidden=d_hidden, n_experts=1, n_active=1)
    part_agrees(module, draw.normal(B, T, d_model), 0)


@mixture.check(
    "all experts active: the sum of what they make, each times its gate",
    points=1,
    after="one expert, always active: it is a SwiGLU",
    suspect="the gates: the softmax over the logits, one factor for the output of each expert",
    experiment="with n_active = n_experts add up gates[..., i, None] * expert_i(x) in a loop",
)
def all_experts(student: Subject, draw: Draw) -> None:
    B, T, d_model, d_hidden, n_experts = sizes(draw)
    module = student.build(d_model=d_model, d_hidden=d_hidden, n_experts=n_experts, n_active=n_experts)
    part_agrees(module, apart(module, draw, B, T, d_model), 0)


@mixture.check(
    "a lone token: only its best experts work for it",
    points=1,
    after="one expert, always active: it is a SwiGLU",
    suspect="the choice: the n_active highest logits; and the gates: a softmax over these alone",
    experiment="print chosen and gates of one token beside its logits",
)
def lone_token(student: Subject, draw: Draw) -> None:
    _, _, d_model, d_hidden, n_experts = sizes(draw)
    module = student.build(d_model=d_model, d_hidden=d_hidden, n_experts=n_experts, n_active=2)
    found = torch.tensor(False)
    while not found.any():  # a token whose best expert has a higher number than its second, which is not expert 0
        tokens = apart(module, draw, 1, 60, d_model)
        best, second = parts(module, tokens)[1].topk(2, dim=-1).indices[0].unbind(dim=-1)
        found = (best > second) & (second > 0)
    part_agrees(module, tokens[:, found][:, :1], 0)


@mixture.check(
    "one active expert of several",
    points=0.5,
    after="one expert, always active: it is a SwiGLU",
    suspect="a gate that is not 1, or a fixed number of active experts",
    experiment="with n_active = 1 the output is that of the best expert, unchanged",
)
def one_active(student: Subject, draw: Draw) -> None:
    module, (x,) = experts_and_tokens(student, draw, n_active=1)
    part_agrees(module, x, 0)


@mixture.check(
    "many tokens: each chooses for itself, and gets what it chose",
    points=1.5,
    after="one expert, always active: it is a SwiGLU",
    suspect="the way back: what the experts made must be added to the tokens that it was made for",
    experiment="compare the output of a sentence with the outputs of its tokens alone",
)
def many_tokens(student: Subject, draw: Draw) -> None:
    module, (x,) = experts_and_tokens(student, draw)
    part_agrees(module, x, 0)


@mixture.check(
    "gradients reach the input, the experts and, through the gates, the router",
    points=0.75,
    after="many tokens: each chooses for itself, and gets what it chose",
    suspect="a detach() or no_grad(), or gates that were made from the numbers of the chosen experts",
    experiment="print module.router.weight.grad after output.sum().backward(): is it None or zero?",
)
def mixture_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = experts_and_tokens(student, draw)
    module.agrees(*arguments)


@mixture.check(
    "an expert works on its own tokens only, as operations show",
    points=1.5,
    after="many tokens: each chooses for itself, and gets what it chose",
    suspect="experts that work on all tokens, whose output is then multiplied by 0",
    experiment="print the number of tokens that each expert gets: together they are n_active for each token",
)
def work(student: Subject, draw: Draw) -> None:
    B, T, D, h, E, K = 2, int(draw.integers(9, 13)), int(draw.integers(20, 30)), int(draw.integers(20, 30)), 23, 2
    module = student.build(d_model=D, d_hidden=h, n_experts=E, n_active=K)
    _, operations = module.cost(apart(module, draw, B, T, D))
    routing, working = 2 * B * T * D * E, 6 * B * T * K * D * h
    if operations > (most := 3 * (routing + working)):  # room for moving tokens, or weights; all experts take 11 times
        raise CheckFailed(f"at most {most:,} operations with {K} of {E} experts active", f"{operations:,}")
    if operations < routing:
        raise CheckFailed(f"at least {routing:,} operations in PyTorch, which the router takes", f"{operations:,}")


@mixture.check(
    "more active experts than there are, and none, are refused with both numbers",
    points=0.25,
    after=NAMES,
    suspect="a missing test in the constructor",
    experiment="call MixtureOfExperts(8, 16, n_experts=4, n_active=5): ValueError, with 5 and 4 in the message",
)
def mixture_refuses(student: Subject, draw: Draw) -> None:
    _, _, d_model, d_hidden, n_experts = sizes(draw)
    for n_active in (n_experts + int(draw.integers(1, 9)), 0):
        student.refuses_to_build(
            d_model=d_model, d_hidden=d_hidden, n_experts=n_experts, n_active=n_active, mentions=(n_active, n_experts)
        )


mixture.good_manners(
    experts_and_tokens, after="many tokens: each chooses for itself, and gets what it chose", points=0.25
)

# -------------------------------------------------------------------------------------------- load_balancing_loss

balance = Exercise("load_balancing_loss", points=5, paper="Fedus et al. 2022, equations 4 to 6")

K = 3
"""Choices of a token where the balance is judged."""


def routed(draw: Draw, *axes: int) -> tuple[Tensor, Tensor]:
    """Probabilities (*axes, E) whose likeliest expert is always the last, and choices (*axes, K) that never fall on it.

    E is a prime that divides no number of choices, so the experts are never used alike.
    """
    E = PRIMES[int(draw.integers(1, len(PRIMES)))]
    while any(size % E == 0 for size in axes):
        E = PRIMES[int(draw.integers(1, len(PRIMES)))]
    logits = draw.normal(*axes, E)
    logits[..., -1] = logits.amax(dim=-1) + 0.5
    return logits.softmax(dim=-1), draw.normal(*axes, E - 1).argsort(dim=-1)[..., :K]


def routed_tokens(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor]]:
    N, T = draw.sizes(2, low=5)
    return student, routed(draw, N * T)


@balance.check(
    "balanced choices, or equal probabilities: the loss is 1",
    points=0.75,
    suspect="the factor E, or the shares of the choices: over all K ranks they sum to 1",
    experiment="print f and P, and their sums: 1 and 1",
)
def balanced(student: Subject, draw: Draw) -> None:
    _, (probabilities, chosen) = routed_tokens(student, draw)
    E = probabilities.shape[-1]
    one = torch.tensor(1.0, dtype=torch.float64)
    in_turn = (torch.arange(2 * E)[:, None] + torch.arange(K)) % E  # every expert is chosen 2 K times
    expect(student(probabilities[: 2 * E], in_turn), "the loss of balanced choices").close(one)
    equal = torch.full_like(probabilities, 1 / E)
    expect(student(equal, chosen), "the loss of equal probabilities").close(one)


@balance.check(
    "one expert gets everything: the loss is E",
    points=0.5,
    suspect="the factor E, or a sum over the experts that is a mean",
    experiment="with f = P = (1, 0, 0, …) it is E · 1 · 1",
)
def collapsed(student: Subject, draw: Draw) -> None:
    N, E = draw.sizes(2, low=5)
    expert = int(draw.integers(0, E))
    certain = torch.zeros(N, E, dtype=torch.float64)
    certain[:, expert] = 1.0
    expected = torch.tensor(float(E), dtype=torch.float64)
    expect(student(certain, torch.full((N, 1), expert)), "the loss").close(expected)


@balance.check(
    "random routing",
    points=1,
    suspect="f: the share of the choices that fell on each expert; P: the mean probability, over all tokens",
    experiment="work out f and P of three tokens and two experts by hand",
)
def balance_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = routed_tokens(student, draw)
    student.agrees(*arguments, gradients=False)


@balance.check(
    "sentences: the mean is over all their tokens",
    points=0.5,
    after="random routing",
    suspect="f and P of each sentence, of which a mean is taken",
    experiment="compare (B, T, E) with the same numbers as (B · T, E)",
)
def balance_of_sentences(student: Subject, draw: Draw) -> None:
    B, T = draw.sizes(2, low=5)
    student.agrees(*routed(draw, B, T), gradients=False)


@balance.check(
    "padding counts nowhere",
    points=0.75,
    after="random routing",
    suspect="tokens whose choices are -1: they belong neither to f nor to P, nor to the number of tokens",
    experiment="append five tokens with choices of -1 and any probabilities: the loss must stay as it is",
)
def balance_without_padding(student: Subject, draw: Draw) -> None:
    B, T = draw.sizes(2, low=6)
    probabilities, chosen = routed(draw, B, T)
    lengths = torch.arange(B) % (T - 2) + 2  # from 2 real tokens on, and never all alike
    student.agrees(probabilities, chosen.masked_fill((torch.arange(T) >= lengths[:, None])[..., None], -1))


@balance.check(
    "the gradient flows through the probabilities: E · f over the number of tokens",
    points=0.75,
    after="random routing",
    suspect="a detach() on P, or a share f that was made from probabilities",
    experiment="print probabilities.grad for one token: it is the same for every token",
)
def balance_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = routed_tokens(student, draw)
    student.agrees(*arguments)


balance.good_manners(routed_tokens, after="random routing", points=0.25)

# ----------------------------------------------------------------------------------------- dispatch_with_capacity

dispatch = Exercise("dispatch_with_capacity", points=5, paper="Lepikhin et al. 2020, algorithm 1")


def queue(draw: Draw, ranks: int = 1) -> tuple[Tensor, int, int]:
    """Choices (N, ranks), E and a capacity: as first choice every expert is asked for twice more often than it can
    serve, in a random order; token 1 prefers what token 0 takes second.
    """
    E, capacity = sorted(draw.sizes(2, low=5), reverse=True)
    first = torch.arange(E).repeat(2 * capacity)[draw.normal(2 * capacity * E).argsort()]
    step = draw.integers(1, E // ranks + 1, len(first))
    chosen = (first[:, None] + step[:, None] * torch.arange(ranks)) % E
    if ranks > 1:
        chosen[1] = chosen[0].flip(0)
    return chosen, E, capacity


def one_rank_served(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, queue(draw)


@dispatch.check(
    "one expert with room for all: 0, 1, 2, …",
    points=0.5,
    suspect="where counting begins, or the shape and type of what is returned: (N, K), int64",
    experiment="call it with torch.zeros(4, 1, dtype=torch.int64), n_experts=2 and capacity=9",
)
def roomy(student: Subject, draw: Draw) -> None:
    N, expert = draw.sizes(2)
    places = expect(student(torch.full((N, 1), expert), expert + 2, N + 3), "the places")
    places.close(torch.arange(N)[:, None])


@dispatch.check(
    "a full buffer takes no more: -1",
    points=0.75,
    after="one expert with room for all: 0, 1, 2, …",
    suspect="the last place, which is capacity - 1, or what becomes of those who come later",
    experiment="four tokens ask for one expert with a capacity of 2: 0, 1, -1, -1",
)
def full_buffer(student: Subject, draw: Draw) -> None:
    N, expert = draw.sizes(2, low=5)
    capacity = N - 3
    expected = torch.arange(N).masked_fill(torch.arange(N) >= capacity, -1)[:, None]
    expect(student(torch.full((N, 1), expert), expert + 2, capacity), "the places").close(expected)


@dispatch.check(
    "every expert has a buffer of its own",
    points=0.75,
    after="one expert with room for all: 0, 1, 2, …",
    suspect="a count that all experts share",
    experiment="for the choices 0, 1, 0, 1 the places are 0, 0, 1, 1",
)
def own_buffers(student: Subject, draw: Draw) -> None:
    student.agrees(*queue(draw), gradients=False)


@dispatch.check(
    "all first choices are served before any second one, and no place is given twice",
    points=1.25,
    after="every expert has a buffer of its own",
    suspect="the order: chosen.T.flatten(), not chosen.flatten(); one count for all ranks",
    experiment="for the choices (0, 1) and (1, 0) the places are (0, 1) and (0, 1)",
)
def first_choices_first(student: Subject, draw: Draw) -> None:
    for ranks in (2, 3):
        chosen, E, capacity = queue(draw, ranks)
        student.agrees(chosen, E, 4 * capacity, gradients=False)
        student.agrees(chosen, E, 2 * capacity + 2, gradients=False)


@dispatch.check(
    "padding takes no place",
    points=0.5,
    after="every expert has a buffer of its own",
    suspect="a choice of -1, which is no expert: neither the first nor the last",
    experiment="put a token with the choices -1 in front: no other place may change",
)
def dispatch_padding(student: Subject, draw: Draw) -> None:
    chosen, E, capacity = queue(draw, ranks=2)
    for after in (0, 3, len(chosen)):
        padded = torch.cat([chosen[:after], torch.full_like(chosen[:2], -1), chosen[after:]])
        student.agrees(padded, E, capacity, gradients=False)
        chosen = padded


@dispatch.check(
    "without room nothing is served",
    points=0.25,
    after="every expert has a buffer of its own",
    suspect="a comparison that lets the first one in",
    experiment="call it with capacity=0: all places are -1",
)
def no_room(student: Subject, draw: Draw) -> None:
    chosen, E, _ = queue(draw, ranks=2)
    expect(student(chosen, E, 0), "the places").close(torch.full_like(chosen, -1))


@dispatch.check(
    "an expert that there is not is refused, with both numbers",
    points=0.5,
    after="one expert with room for all: 0, 1, 2, …",
    suspect="a missing test of the largest number in chosen",
    experiment="call it with an expert 7 and n_experts=5, then with an expert 5: ValueError",
)
def dispatch_refuses(student: Subject, draw: Draw) -> None:
    chosen, E, capacity = queue(draw)
    for beyond in (int(draw.integers(1, 9)), 0):
        wrong = chosen.clone()
        wrong[len(chosen) // 2] = E + beyond
        student.refuses(wrong, E, capacity, mentions=(E + beyond, E))


dispatch.good_manners(one_rank_served, after="every expert has a buffer of its own", points=0.25, floating=False)

# ----------------------------------------------------------------------------------------------- parameter_counts

counting = Exercise("parameter_counts", points=4, paper="Jiang et al. 2024, section 2.1")

Outline = dict[str, Tensor]


def dense_part(draw: Draw, name: str) -> Outline:
    """A linear map with a bias."""
    rows, columns = draw.sizes(2)
    return {f"{name}.weight": draw.normal(rows, columns), f"{name}.bias": draw.normal(rows)}


def mixed_part(draw: Draw, name: str, n_experts: int, n_active: int) -> Outline:
    """A layer of experts with a router; `name` ends in a dot, or is empty."""
    d_model, d_hidden = draw.sizes(2)
    outline = {f"{name}n_active": torch.tensor(n_active), f"{name}router.weight": draw.normal(n_experts, d_model)}
    for i in range(n_experts):
        outline[f"{name}experts.{i}.up.weight"] = draw.normal(d_hidden, d_model)
        outline[f"{name}experts.{i}.up.bias"] = draw.normal(d_hidden)
        outline[f"{name}experts.{i}.down.weight"] = draw.normal(d_model, d_hidden)
    return outline


def deep(draw: Draw) -> Outline:
    """Several layers of experts, no two alike, with dense parts before, between and behind."""
    outline = dense_part(draw, "embedding")
    for layer, (n_experts, n_active) in enumerate(((7, 2), (5, 3), (4, 1), (3, 3))):
        outline |= dense_part(draw, f"layers.{layer}.attention")
        outline |= mixed_part(draw, f"layers.{layer}.network.", n_experts, n_active)
    return outline | dense_part(draw, "head")


def counts_agree(student: Subject, outline: Outline) -> None:
    student.agrees(Supplied("outline", outline), gradients=False)


@counting.check(
    "a model without experts: all is active",
    points=0.75,
    suspect="what is counted: the numbers in every parameter, vectors too",
    experiment="print(sum(p.numel() for p in nn.Linear(3, 5).parameters())): 20",
)
def dense_counts(student: Subject, draw: Draw) -> None:
    counts_agree(student, dense_part(draw, "layers.0.first") | dense_part(draw, "layers.1.second"))


@counting.check(
    "the total of a layer of experts",
    points=0.25,
    suspect="the total: every expert belongs to it",
    experiment="print model.named_parameters() with their sizes and add up by hand",
)
def total_count(student: Subject, draw: Draw) -> None:
    model = Supplied("outline", mixed_part(draw, "", 5, 2))
    expected = student.expected(model)
    assert isinstance(expected, tuple)
    expect_values(student(model), "total", "active number")[0].close(expected[0])


@counting.check(
    "what is active in a layer of experts",
    points=1.25,
    suspect="n_active experts and the whole router; or a model that is itself the layer",
    experiment="for 5 experts of 100 numbers, 2 active, and a router of 50: 550 in total, 250 active",
)
def active_count(student: Subject, draw: Draw) -> None:
    for name, n_experts, n_active in (("network.", 5, 2), ("", 5, 2), ("", 7, 1), ("", 3, 3)):
        counts_agree(student, mixed_part(draw, name, n_experts, n_active))


@counting.check(
    "several layers of experts, no two alike, deep in a model",
    points=1,
    after="a model without experts: all is active",
    suspect="numbers that are taken from the first layer for all, or parts of parts that are not looked at",
    experiment="print type(part) for part in model.modules(): every part is there, however deep",
)
def deep_counts(student: Subject, draw: Draw) -> None:
    counts_agree(student, deep(draw))


@counting.check(
    "a parameter with two owners counts once",
    points=0.5,
    after="a model without experts: all is active",
    suspect="sums over parts or over state_dict(), where a shared parameter appears twice",
    experiment="model.parameters() names a shared parameter once; state_dict() names it twice",
)
def shared_parameter(student: Subject, draw: Draw) -> None:
    outline = dense_part(draw, "embedding") | dense_part(draw, "middle")
    counts_agree(student, outline | {"head.weight": outline["embedding.weight"]})


@counting.check(
    "buffers are no parameters",
    points=0.25,
    after="a model without experts: all is active",
    suspect="state_dict(), which has the buffers too",
    experiment="register a buffer of 1,000 numbers: neither count may change",
)
def buffers(student: Subject, draw: Draw) -> None:
    counts_agree(student, dense_part(draw, "layers.0") | {"layers.0.used": draw.integers(0, 99, 7)})
