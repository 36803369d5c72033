"""Right programs for unit 09, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import torch
from torch import nn

from solutions.programs import variant


@variant("RMSNorm", "PyTorch's own function")
class RMSNormByTorch(nn.Module):
    def __init__(self, d_model, eps):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(d_model)), eps

    def forward(self, x):
        return nn.functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


@variant("RMSNorm", "the norm of the vector over √D, in double precision")
class RMSNormByLength(nn.Module):
    def __init__(self, d_model, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.d_model, self.eps = d_model, eps

    def forward(self, x):
        length = torch.linalg.vector_norm(x.double(), dim=-1, keepdim=True)
        wide = x.double() * self.weight.double() * torch.rsqrt(length**2 / self.d_model + self.eps)
        return wide.type_as(x)


@variant("RMSNorm", "the mean square as a product")
class RMSNormByEinsum(nn.Module):
    def __init__(self, d_model, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.eps = eps

    def forward(self, x):
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        mean_square = torch.einsum("...d,...d->...", wide, wide) / x.shape[-1]
        return (self.weight * wide * (mean_square + self.eps).pow(-0.5).unsqueeze(-1)).to(x.dtype)


@variant("SwiGLU", "silu written out, in matrix products")
class SwiGLUByProducts(nn.Module):
    def __init__(self, d_model, d_hidden):
        super().__init__()
        self.gate, self.up = (nn.Linear(d_model, d_hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(d_hidden, d_model, bias=False)

    def forward(self, x):
        z = x @ self.gate.weight.T
        hidden = z * torch.sigmoid(z) * (x @ self.up.weight.T)
        return torch.einsum("...h,dh->...d", hidden, self.down.weight)


@variant("SwiGLU", "gate and up in one product")
class SwiGLUFused(nn.Module):
    def __init__(self, d_model, d_hidden):
        super().__init__()
        self.down = nn.Linear(d_hidden, d_model, bias=False)
        self.up = nn.Linear(d_model, d_hidden, bias=False)
        self.gate = nn.Linear(d_model, d_hidden, bias=False)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, x):
        both = nn.functional.linear(x, torch.cat([self.up.weight, self.gate.weight]))
        up, gate = both.chunk(2, dim=-1)
        return self.down(up * self.activation(gate.clone()))


@variant("PreNormBlock", "in steps")
class PreNormInSteps(nn.Module):
    def __init__(self, mixer, d_model):
        super().__init__()
        self.norm = nn.RMSNorm(normalized_shape=(d_model,), eps=1e-6)
        self.inside = mixer

    def forward(self, x):
        residual = x
        x = self.norm(x)
        x = self.inside(x)
        return x.add(residual)


@variant("PreNormBlock", "a norm of one's own")
class PreNormByFormula(nn.Module):
    def __init__(self, mixer, d_model):
        super().__init__()
        self.mixer = mixer
        self.norm = nn.Module()
        self.norm.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x):
        size = torch.sqrt(x.pow(2).sum(-1, keepdim=True) / x.size(-1) + 1e-6)
        return self.mixer(x / size * self.norm.weight) + x


@variant("top_k_gates", "a softmax over all, of which the chosen ones are divided by their sum")
def gates_renormalised(logits, k):
    E = logits.shape[-1]
    if k < 1 or k > E:
        raise ValueError(f"k = {k}, but there are {E} experts")
    chosen = logits.topk(k, dim=-1).indices
    probabilities = logits.softmax(dim=-1).gather(-1, chosen)
    return probabilities / probabilities.sum(dim=-1, keepdim=True), chosen


@variant("top_k_gates", "all logits sorted, the others at -inf")
def gates_masked(logits, k):
    if not 0 < k <= logits.size(-1):
        raise ValueError(f"cannot choose {k} out of {logits.size(-1)}")
    chosen = torch.argsort(logits, dim=-1, descending=True)[..., :k]
    mask = torch.full_like(logits, -torch.inf).scatter(-1, chosen, 0.0)
    return torch.softmax(logits + mask, dim=-1).gather(-1, chosen), chosen


@variant("top_k_gates", "the best one, k times over")
def gates_one_by_one(logits, k):
    if k not in range(1, logits.shape[-1] + 1):
        raise ValueError(f"{k=}, {logits.shape[-1]} experts")
    left, chosen = logits, []
    for _ in range(k):
        best = left.argmax(dim=-1, keepdim=True)
        chosen.append(best)
        left = left.scatter(-1, best, -torch.inf)
    chosen = torch.cat(chosen, dim=-1)
    best = logits.gather(-1, chosen)
    weights = (best - best[..., :1]).exp()
    return weights / weights.sum(dim=-1, keepdim=True), chosen


@variant("MixtureOfExperts", "a loop over the experts")
class MixtureByLoop(nn.Module):
    class Expert(nn.Module):
        def __init__(self, d_model, d_hidden):
            super().__init__()
            self.gate = nn.Linear(d_model, d_hidden, bias=False)
            self.up = nn.Linear(d_model, d_hidden, bias=False)
            self.down = nn.Linear(d_hidden, d_model, bias=False)

        def forward(self, x):
            return self.down(nn.functional.silu(self.gate(x)) * self.up(x))

    def __init__(self, d_model, d_hidden, n_experts, n_active):
        super().__init__()
        if n_active < 1 or n_active > n_experts:
            raise ValueError(f"n_active = {n_active}, n_experts = {n_experts}")
        self.n_active = n_active
        self.router = nn.Linear(d_model, n_experts, bias=False)
        self.experts = nn.ModuleList(self.Expert(d_model, d_hidden) for _ in range(n_experts))

    def forward(self, x):
        logits = self.router(x)
        best, chosen = torch.topk(logits, self.n_active, dim=-1)
        gates = torch.softmax(best, dim=-1)
        output = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            sentence, place, rank = torch.where(chosen == i)
            if len(sentence) > 0:
                made = gates[sentence, place, rank, None] * expert(x[sentence, place])
                output = output.index_put((sentence, place), made, accumulate=True)
        return output, logits


@variant("MixtureOfExperts", "gates over all experts, zero where not chosen")
class MixtureByMask(nn.Module):
    def __init__(self, d_model, d_hidden, n_experts, n_active):
        super().__init__()
        if not 1 <= n_active <= n_experts:
            raise ValueError(f"n_active={n_active} must be from 1 to {n_experts}")
        self.n_active = n_active
        self.router = nn.Linear(d_model, n_experts, bias=False)
        self.experts = nn.ModuleList()
        for _ in range(n_experts):
            expert = nn.Module()
            expert.gate, expert.up = (nn.Linear(d_model, d_hidden, bias=False) for _ in range(2))
            expert.down = nn.Linear(d_hidden, d_model, bias=False)
            self.experts.append(expert)

    def forward(self, x):
        B, T, D = x.shape
        logits = self.router(x)
        flat = logits.reshape(B * T, -1)
        threshold = flat.sort(dim=-1, descending=True).values[:, self.n_active - 1 : self.n_active]
        gates = flat.masked_fill(flat < threshold, -torch.inf).softmax(dim=-1)
        tokens = x.reshape(B * T, D)
        output = tokens * 0.0
        for number, expert in enumerate(self.experts):
            mine = (flat[:, number] >= threshold[:, 0]).nonzero().squeeze(1)
            own = tokens[mine]
            hidden = nn.functional.silu(expert.gate(own)) * expert.up(own)
            output = output.index_add(0, mine, expert.down(hidden) * gates[mine, number].unsqueeze(1))
        return output.reshape(B, T, D), logits


@variant("MixtureOfExperts", "the weights of the chosen experts brought to each token")
class MixtureByGather(nn.Module):
    def __init__(self, d_model, d_hidden, n_experts, n_active):
        super().__init__()
        if n_active not in range(1, n_experts + 1):
            raise ValueError(f"{n_active} active experts, {n_experts} experts")
        self.K = self.n_active = n_active
        self.router = nn.Linear(d_model, n_experts, bias=False)
        self.experts = nn.ModuleList(
            nn.ModuleDict(
                {
                    "up": nn.Linear(d_model, d_hidden, bias=False),
                    "down": nn.Linear(d_hidden, d_model, bias=False),
                    "gate": nn.Linear(d_model, d_hidden, bias=False),
                }
            )
            for _ in range(n_experts)
        )

    def forward(self, x):
        logits = x @ self.router.weight.T
        probabilities = logits.softmax(dim=-1)
        chosen = logits.argsort(dim=-1, descending=True)[..., : self.K]
        gates = probabilities.gather(-1, chosen)
        gates = gates / gates.sum(dim=-1, keepdim=True)
        output = torch.zeros_like(x)
        for rank in range(self.K):
            gate, up, down = (
                torch.stack([expert[name].weight for expert in self.experts])[chosen[..., rank]]
                for name in ("gate", "up", "down")
            )
            hidden = nn.functional.silu((gate @ x[..., None]).squeeze(-1)) * (up @ x[..., None]).squeeze(-1)
            output = output + gates[..., rank, None] * (down @ hidden[..., None]).squeeze(-1)
        return output, logits


@variant("load_balancing_loss", "one-hot choices")
def balance_one_hot(probabilities, chosen):
    E, K = probabilities.shape[-1], chosen.shape[-1]
    probabilities, chosen = probabilities.reshape(-1, E), chosen.reshape(-1, K)
    real = (chosen >= 0).all(dim=-1)
    hot = nn.functional.one_hot(chosen[real], E).to(probabilities.dtype)
    return E * torch.dot(hot.mean(dim=(0, 1)), probabilities[real].mean(dim=0))


@variant("load_balancing_loss", "sums with the padding at zero")
def balance_by_sums(probabilities, chosen):
    E = probabilities.size(-1)
    real = (chosen[..., :1] >= 0).to(probabilities)
    hits = (chosen.unsqueeze(-1) == torch.arange(E, device=chosen.device)).to(probabilities)
    axes = tuple(range(probabilities.dim() - 1))
    mass = (probabilities * real).sum(dim=axes) / real.sum()
    hits = hits.sum(dim=(*axes, -2))
    return (hits / hits.sum() * mass).sum() * E


@variant("load_balancing_loss", "expert by expert")
def balance_by_experts(probabilities, chosen):
    E = probabilities.shape[-1]
    rows = zip(probabilities.reshape(-1, E), chosen.reshape(-1, chosen.shape[-1]), strict=True)
    tokens = [(row, choices) for row, choices in rows if choices[0] >= 0]
    P = torch.stack([row for row, _ in tokens]).sum(0) / len(tokens)
    choices = torch.stack([choices for _, choices in tokens])
    loss = 0.0
    for expert in range(E):
        share = int((choices == expert).sum()) / choices.numel()
        loss = loss + share * P[expert]
    return E * loss


@variant("dispatch_with_capacity", "counting in a loop")
def dispatch_by_loop(chosen, n_experts, capacity):
    if chosen.max() >= n_experts:
        raise ValueError(f"chosen has expert {chosen.max().item()} of {n_experts}")
    places, taken = torch.full_like(chosen, -1), [0] * n_experts
    for rank in range(chosen.shape[1]):
        for token, expert in enumerate(chosen[:, rank].tolist()):
            if expert >= 0 and taken[expert] < capacity:
                places[token, rank] = taken[expert]
                taken[expert] += 1
    return places


@variant("dispatch_with_capacity", "one-hot, rank by rank, with an offset")
def dispatch_by_ranks(chosen, n_experts, capacity):
    if int(chosen.max()) >= n_experts:
        raise ValueError(f"{int(chosen.max())} is no number of {n_experts} experts")
    offset, columns = chosen.new_zeros(n_experts), []
    for column in chosen.unbind(dim=1):
        hot = nn.functional.one_hot(column.clamp(min=0), n_experts) * (column >= 0)[:, None]
        place = ((hot.cumsum(dim=0) - hot + offset) * hot).sum(dim=1)
        columns.append(torch.where((column >= 0) & (place < capacity), place, -1))
        offset = offset + hot.sum(dim=0)
    return torch.stack(columns, dim=1)


@variant("dispatch_with_capacity", "sorted by expert")
def dispatch_by_sorting(chosen, n_experts, capacity):
    for expert in chosen.flatten().tolist():
        if expert >= n_experts:
            raise ValueError(f"expert {expert}, but n_experts is {n_experts}")
    queue = chosen.T.reshape(-1)
    order = queue.argsort(stable=True)
    sorted_queue = queue[order]
    start = torch.searchsorted(sorted_queue, sorted_queue)  # where the choices of this expert begin
    place = torch.arange(len(queue), device=chosen.device) - start
    place = torch.where((sorted_queue < 0) | (place >= capacity), torch.full_like(place, -1), place)
    return torch.empty_like(place).scatter(0, order, place).view(chosen.shape[1], -1).T.contiguous()


@variant("parameter_counts", "part by part, from the top")
def counts_by_parts(model):
    seen = set()

    def count(part):
        own = [p for p in part.parameters(recurse=False) if id(p) not in seen]
        seen.update(map(id, own))
        total = active = sum(p.numel() for p in own)
        for name, child in part.named_children():
            if name == "experts" and hasattr(part, "n_active"):
                sizes = [count(expert)[0] for expert in child]
                total, active = total + sum(sizes), active + sum(sizes[: part.n_active])
            else:
                inside = count(child)
                total, active = total + inside[0], active + inside[1]
        return total, active

    return count(model)


@variant("parameter_counts", "the parameters of idle experts left out")
def counts_by_sets(model):
    everything = {id(p): p.numel() for p in model.parameters()}
    idle = set()
    for part in model.modules():
        if getattr(part, "n_active", None) is not None and getattr(part, "experts", None) is not None:
            idle |= {id(p) for expert in part.experts[part.n_active :] for p in expert.parameters()}
    return sum(everything.values()), sum(size for key, size in everything.items() if key not in idle)
