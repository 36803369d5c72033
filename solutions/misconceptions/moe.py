"""Wrong programs for unit 09, each one mistake that a person would make."""

from __future__ import annotations

from functools import partial

from solutions import moe
from solutions.programs import edited, misconception

ROOT = "(mean_square + self.eps).sqrt()"
MEAN_SQUARE = "wide.square().mean(dim=-1, keepdim=True)"
WIDE = "x.to(torch.promote_types(x.dtype, torch.float32))"
NORMALISED = "self.weight * (wide / (mean_square + self.eps).sqrt()).to(x.dtype)"

rms_norm = partial(edited, moe, "RMSNorm")
RMSNorm = [
    rms_norm(
        ROOT,
        "(mean_square.sqrt() + self.eps)",
        name="eps outside the root",
        hint="eps is added to the mean square, under the root. Outside it means something else, and the root of a mean "
        "square of 0 has an infinite gradient.",
    ),
    rms_norm(
        ROOT,
        "mean_square.sqrt()",
        name="no eps",
        hint="A vector of zeros has a mean square of 0: without eps it becomes NaN.",
    ),
    rms_norm(
        "self.eps = eps",
        "self.eps = 1e-6",
        name="always the usual eps",
        hint="eps is an argument of the constructor; 1e-6 is only what many models take.",
    ),
    rms_norm(
        ROOT,
        "(mean_square + self.eps)",
        name="divided by the mean square",
        hint="Divide by the root of the mean square: that is what the R in RMS stands for.",
    ),
    rms_norm(
        MEAN_SQUARE,
        "wide.square().sum(dim=-1, keepdim=True)",
        name="the sum of the squares instead of their mean",
        hint="The mean square is the sum divided by D; with the sum, vectors get shorter the more places they have.",
    ),
    rms_norm(
        MEAN_SQUARE,
        "wide.abs().mean(dim=-1, keepdim=True).square()",
        name="the mean absolute value",
        hint="Square first, then take the mean, then the root: the mean of |x| is another number.",
    ),
    rms_norm(
        WIDE,
        WIDE + "\n        wide = wide - wide.mean(dim=-1, keepdim=True)",
        name="the mean is subtracted: LayerNorm",
        hint="RMSNorm only scales. Subtracting the mean is what it leaves out of LayerNorm.",
    ),
    rms_norm(
        MEAN_SQUARE,
        "wide.var(dim=-1, keepdim=True, correction=0)",
        name="the variance instead of the mean square",
        hint="The variance is the mean square distance from the mean. RMSNorm knows no mean: square x itself.",
    ),
    rms_norm(
        "self.weight * (wide",
        "(wide",
        name="the weight is not used",
        hint="Each place has a learned weight, which the normalised vector is multiplied by.",
    ),
    rms_norm(
        "self.weight * (wide",
        "(1 + self.weight) * (wide",
        name="the weight counted from 1",
        hint="Some models store weight - 1 and multiply by 1 + weight. Here the weight itself is the factor.",
    ),
    rms_norm(
        "torch.ones(d_model)",
        "torch.zeros(d_model)",
        name="the weight begins at zero",
        hint="A new layer must not silence its input: weight begins with ones.",
    ),
    rms_norm(
        "self.weight = nn.Parameter(torch.ones(d_model))",
        "self.weight = nn.Parameter(torch.ones(d_model))\n        self.bias = nn.Parameter(torch.zeros(d_model))",
        name="a bias as in LayerNorm",
        hint="RMSNorm has no bias: weight is its only parameter.",
    ),
    rms_norm(
        WIDE,
        "x",
        name="squares in half precision",
        hint="In float16 the square of 300 is infinite. Compute the mean square in float32, and return the type of x.",
    ),
    rms_norm(
        NORMALISED,
        "self.weight * (wide / (mean_square + self.eps).sqrt())",
        name="float32 out where float16 went in",
        hint="After the squares go back to the type of x, or everything behind the norm runs in float32.",
    ),
    rms_norm(
        WIDE,
        "x.float()",
        name="everything in float32",
        hint="float32 is what half precision needs. float64 loses its digits by it: torch.promote_types chooses.",
    ),
    rms_norm(
        MEAN_SQUARE,
        "wide.detach().square().mean(dim=-1, keepdim=True)",
        name="the mean square is cut from the graph",
        hint="The mean square depends on the input too: without its gradient, what flows back is wrong.",
    ),
    rms_norm(
        MEAN_SQUARE,
        "wide.square().mean()",
        name="one mean square for the whole batch",
        hint="Each vector is normalised by itself, over its last axis.",
    ),
    rms_norm(
        MEAN_SQUARE,
        "wide.square().mean(dim=min(1, x.dim() - 1), keepdim=True)",
        name="the mean square over the positions",
        hint="The mean square is that of one vector, over the last axis. Over the positions, tokens mix.",
    ),
    rms_norm(
        WIDE,
        WIDE + "\n        x.data.mul_(self.weight.data)",
        name="the caller's tensor scaled in place",
        hint="mul_ and *= change the caller's tensor, which the residual connection still needs.",
    ),
]

MADE = "self.down(F.silu(self.gate(x)) * self.up(x))"

swiglu = partial(edited, moe, "SwiGLU")
SwiGLU = [
    swiglu(
        MADE,
        "self.down(self.gate(x) * F.silu(self.up(x)))",
        name="gate and up exchanged",
        hint="silu is for gate(x); up(x) stays linear.",
    ),
    swiglu(
        "F.silu(self.gate(x))",
        "self.gate(x)",
        name="no activation",
        hint="Without silu this is a bilinear layer: gate(x) goes through silu before it multiplies.",
    ),
    swiglu(
        "F.silu(self.gate(x))",
        "torch.sigmoid(self.gate(x))",
        name="sigmoid: a plain GLU",
        hint="silu(z) is z · sigmoid(z), not sigmoid(z). A gate of 0 then lets nothing through, not a half.",
    ),
    swiglu(
        "F.silu(self.gate(x))",
        "F.relu(self.gate(x))",
        name="ReLU: a ReGLU",
        hint="The activation is silu, z · sigmoid(z): smooth, and a little negative below 0.",
    ),
    swiglu(
        "F.silu(self.gate(x))",
        "F.gelu(self.gate(x))",
        name="GELU: a GEGLU",
        hint="GEGLU is the sibling with GELU. SwiGLU takes silu, z · sigmoid(z).",
    ),
    swiglu(
        "F.silu(self.gate(x)) * self.up(x)",
        "F.silu(self.gate(x) * self.up(x))",
        name="the product inside the activation",
        hint="Only gate(x) goes through silu; up(x) multiplies what comes out.",
    ),
    swiglu(
        "F.silu(self.gate(x)) * self.up(x)",
        "F.silu(self.gate(x)) * F.silu(self.up(x))",
        name="both products through silu",
        hint="up(x) stays linear: only gate(x) goes through silu.",
    ),
    swiglu(
        "F.silu(self.gate(x)) * self.up(x)",
        "F.silu(self.gate(x)) + self.up(x)",
        name="a sum instead of a product",
        hint="A gate multiplies: where it is 0 nothing comes through.",
    ),
    swiglu(
        "F.silu(self.gate(x)) * self.up(x)",
        "F.silu(self.up(x))",
        name="a plain network without the gate",
        hint="There are two products with x: gate(x), through silu, multiplies up(x).",
    ),
    swiglu(
        "F.silu(self.gate(x))",
        "self.gate(x).softmax(dim=-1)",
        name="softmax as the gate",
        hint="Hidden numbers do not compete: each goes through silu by itself.",
    ),
    swiglu(
        MADE,
        "x + " + MADE,
        name="a residual connection inside",
        hint="The residual connection belongs to the block around the network; here it would be added twice.",
    ),
    swiglu(
        MADE,
        "self.down(F.silu(self.gate(F.rms_norm(x, x.shape[-1:]))) * self.up(F.rms_norm(x, x.shape[-1:])))",
        name="a norm inside",
        hint="The norm belongs to the block around the network.",
    ),
    swiglu(
        "self.gate = nn.Linear(d_model, d_hidden, bias=False)",
        "self.gate = nn.Linear(d_model, d_hidden)",
        name="a gate with a bias",
        hint="None of the three maps has a bias: bias=False.",
    ),
    swiglu(
        "        self.gate =",
        "        d_hidden = 2 * d_hidden // 3\n        self.gate =",
        name="two thirds of the width taken inside",
        hint="Two thirds of 4 D make a SwiGLU as large as an ordinary network; but the caller decides that. Here the "
        "width is d_hidden.",
    ),
    swiglu(
        "F.silu(self.gate(x))",
        "F.silu(self.gate(x)).detach()",
        name="the gate is cut from the graph",
        hint="With detach() the gate never learns.",
    ),
    swiglu(
        "F.silu(self.gate(x))",
        "F.silu(self.gate(x - x.mean(dim=-2, keepdim=True) if x.dim() > 1 else x))",
        name="the sentence's mean is subtracted",
        hint="The network sees one token at a time. Only attention lets tokens know of one another.",
    ),
    swiglu(
        "made: Tensor = self.down",
        "x.data = F.silu(x.data, inplace=True)\n        made: Tensor = self.down",
        name="silu in place on the input",
        hint="inplace=True changes the caller's tensor, and the input is not what goes through silu: gate(x) is.",
    ),
]

ADDED = "x + self.mixer(self.norm(x))"
RMS = "nn.RMSNorm(d_model, eps=1e-6)"

block = partial(edited, moe, "PreNormBlock")
PreNormBlock = [
    block(
        "return " + ADDED,
        "return self.norm(x + self.mixer(x))",
        name="post-norm",
        hint="Pre-norm is x + mixer(norm(x)). Post-norm, norm(x + mixer(x)), can never be the identity.",
    ),
    block(
        "return " + ADDED,
        "x = self.norm(x)\n        return x + self.mixer(x)",
        name="the norm on the residual path",
        hint="Only the mixer reads the normalised x; the residual path goes past the norm.",
    ),
    block(
        "return " + ADDED,
        "return self.mixer(self.norm(x))",
        name="no residual connection",
        hint="x + mixer(norm(x)): without x a deep stack dies.",
    ),
    block(
        "return " + ADDED,
        "return x + self.mixer(x)",
        name="no norm at all",
        hint="The mixer reads norm(x): without a norm, numbers grow from block to block.",
    ),
    block(
        "return " + ADDED,
        "return x + self.norm(self.mixer(x))",
        name="the norm behind the mixer",
        hint="The norm comes first: the mixer reads norm(x), and its output is added as it is.",
    ),
    block(
        "return " + ADDED,
        "return x + self.norm(self.mixer(self.norm(x)))",
        name="a second norm behind the mixer",
        hint="What the mixer makes is added as it is: with one norm, before the mixer.",
    ),
    block(
        "return " + ADDED,
        "return self.norm(" + ADDED + ")",
        name="a norm after the sum",
        hint="A pre-norm block ends with a sum; the norm after the last block belongs to the model.",
    ),
    block(
        RMS,
        "nn.LayerNorm(d_model, eps=1e-6, bias=False)",
        name="a LayerNorm without a bias",
        hint="The norm is an RMSNorm: it does not subtract the mean.",
    ),
    block(
        RMS,
        "nn.LayerNorm(d_model, eps=1e-6)",
        name="a LayerNorm",
        hint="The norm is an RMSNorm: it has no bias, and does not subtract the mean.",
    ),
    block(
        RMS,
        "nn.RMSNorm(d_model)",
        name="no eps given",
        hint="Without eps nn.RMSNorm takes the smallest step of the type, which differs from type to type. Give 1e-6.",
    ),
    block(
        RMS,
        "nn.RMSNorm(d_model, eps=1e-5)",
        name="the eps of nn.LayerNorm",
        hint="1e-5 is what nn.LayerNorm takes by itself; this block's eps is 1e-6.",
    ),
    block(
        "return " + ADDED,
        "return x.detach() + self.mixer(self.norm(x))",
        name="the residual path is cut from the graph",
        hint="The gradient's straight way back is the point of a residual connection: no detach().",
    ),
    block(
        "return " + ADDED,
        "return x + self.mixer(self.norm(x).detach())",
        name="what the mixer reads is cut from the graph",
        hint="Gradients flow through the mixer, too: no detach() on what it reads.",
    ),
    block(
        "return " + ADDED,
        "self.mixer(self.norm(x))\n        return " + ADDED,
        name="the mixer called twice",
        hint="Call the mixer once and keep what it returns: it is the expensive part of the block.",
    ),
    block(
        "return " + ADDED,
        "x = x + self.mixer(self.norm(x))\n        return x + self.mixer(self.norm(x))",
        name="two sublayers in one block",
        hint="One mixer, one sum: attention and network are two blocks, one after the other.",
    ),
    block(
        "return " + ADDED,
        "return (" + ADDED + ") / 2",
        name="the mean of both ways",
        hint="A residual connection adds. Halved, the identity fades from block to block.",
    ),
    block(
        "return " + ADDED,
        "x.data += self.mixer(self.norm(x)).data\n        return x",
        name="added in place",
        hint="+= changes the caller's tensor, and here cuts the graph: write x + mixer(norm(x)).",
    ),
]

SOFTMAX = "best.softmax(dim=-1)"
TOP = "logits.topk(k, dim=-1)"
TEST = """    if not 1 <= k <= logits.shape[-1]:
        raise ValueError(f"{k} of {logits.shape[-1]} experts cannot be chosen")
"""

gates = partial(edited, moe, "top_k_gates")
top_k_gates = [
    gates(
        TOP,
        "logits.topk(k, dim=-1, largest=False)",
        name="the k lowest logits",
        hint="The experts with the highest logits are chosen.",
    ),
    gates(
        SOFTMAX,
        "logits.softmax(dim=-1).gather(-1, chosen)",
        name="a softmax over all, not renormalised",
        hint="The gates of the chosen experts sum to 1: divide by their sum, or take the softmax of the chosen logits. "
        "Only Fedus et al. 2022, with k = 1, leave it as it is.",
    ),
    gates(
        SOFTMAX,
        "best.sigmoid()",
        name="a sigmoid for each gate",
        hint="The gates are a softmax over the chosen logits: they sum to 1.",
    ),
    gates(
        SOFTMAX,
        "best.sigmoid() / best.sigmoid().sum(dim=-1, keepdim=True)",
        name="sigmoids divided by their sum",
        hint="That sums to 1 as well, but a softmax divides exponentials: exp(logit) over their sum.",
    ),
    gates(
        SOFTMAX,
        "best.softmax(dim=-1).detach()",
        name="gates without gradient",
        hint="The gates are the router's only way to learn: no detach().",
    ),
    gates(
        SOFTMAX,
        "torch.full_like(best, 1 / k)",
        name="all chosen experts weigh alike",
        hint="Each chosen expert has a gate of its own, the softmax of its logit; equal gates have no gradient.",
    ),
    gates(
        SOFTMAX,
        "best",
        name="the logits as gates",
        hint="Take the softmax of the chosen logits: gates are positive and sum to 1.",
    ),
    gates(
        SOFTMAX,
        "best.softmax(dim=0)",
        name="a softmax over the tokens",
        hint="The experts of one token compete, over the last axis; tokens do not.",
    ),
    gates(
        TOP,
        "logits.topk(1, dim=-1)",
        name="always one expert",
        hint="k experts are chosen, not one.",
    ),
    gates(
        TOP,
        "logits.topk(min(k + 1, logits.shape[-1]), dim=-1)",
        name="one expert too many",
        hint="Exactly k experts are chosen.",
    ),
    gates(
        "    return best",
        "    chosen = chosen.sort(dim=-1).values\n    best = logits.gather(-1, chosen)\n    return best",
        name="in the order of their numbers",
        hint="The chosen experts come in the order of their logits, the best one first.",
    ),
    gates(
        SOFTMAX,
        "best.softmax(dim=-1).flip(-1)",
        name="the gates in the reverse order",
        hint="The first gate belongs to the first expert chosen, the best one, and is the largest.",
    ),
    gates(
        TOP,
        "logits.abs().topk(k, dim=-1)",
        name="the largest in magnitude",
        hint="A logit of -9 is a low one: compare the logits, not their magnitudes.",
    ),
    gates(
        "best, chosen = logits.topk(k, dim=-1)",
        "chosen = torch.arange(k, device=logits.device).expand(*logits.shape[:-1], k)\n"
        "    best = logits.gather(-1, chosen)",
        name="always the first k experts",
        hint="Which experts are chosen depends on the logits of each token.",
    ),
    gates(
        "best, chosen = logits.topk(k, dim=-1)",
        "mean = logits.flatten(0, -2).mean(dim=0) if logits.dim() > 1 else logits\n"
        "    chosen = mean.topk(k).indices.expand(*logits.shape[:-1], k)\n"
        "    best = logits.gather(-1, chosen)",
        name="one choice for all tokens",
        hint="Every token chooses for itself, by its own logits.",
    ),
    gates(
        SOFTMAX,
        "best.exp() / best.exp().sum(dim=-1, keepdim=True)",
        name="exp without the maximum subtracted",
        hint="exp(2000) is infinite and exp(-2000) is 0: subtract the maximum first, as softmax does.",
    ),
    gates(
        SOFTMAX,
        "torch.zeros_like(logits).scatter(-1, chosen, best).softmax(dim=-1).gather(-1, chosen)",
        name="the others at 0 instead of -inf",
        hint="A logit of 0 still has exp(0) = 1: fill with -inf, or leave the others out.",
    ),
    gates(
        SOFTMAX,
        "best.exp() / best.exp().sum(dim=-1, keepdim=True).detach()",
        name="the divisor is cut from the graph",
        hint="The sum depends on the logits too: without its gradient, what flows back is wrong.",
    ),
    gates(
        SOFTMAX,
        "best.softmax(dim=-1) + (1 - best.softmax(dim=-1)).detach()",
        name="gates of 1 with a gradient passed straight through",
        hint="The gates themselves weigh the experts; that trick only makes them differentiable.",
    ),
    gates(
        TEST,
        "",
        name="any k is taken",
        hint="A k above the number of experts, or below 1, is a ValueError with both numbers.",
    ),
    gates(
        "{k} of {logits.shape[-1]} experts cannot be chosen",
        "k is out of range",
        name="the error does not say the numbers",
        hint="Say both numbers in the message: k, and how many experts there are.",
    ),
    gates(
        "best, chosen =",
        "logits.data.sub_(logits.data.amax(dim=-1, keepdim=True))\n    best, chosen =",
        name="the maximum subtracted in place",
        hint="sub_ changes the caller's tensor, and softmax subtracts the maximum by itself.",
    ),
]

GATES = "best.softmax(dim=-1)"
WORK = """        read = tokens.index_select(0, owners)  # (N K, D)
        loads = choices.bincount(minlength=len(self.experts)).tolist()
        expert: Any
        made = []
        for expert, part in zip(self.experts, torch.split(read, loads), strict=True):
            made.append(expert["down"](F.silu(expert["gate"](part)) * expert["up"](part)))
        weighted = torch.cat(made) * gates.flatten().index_select(0, order)[:, None]
"""
DISPATCH = (
    """        tokens, choices = x.flatten(0, 1), chosen.flatten()  # (N, D), (N K)
        order = choices.argsort()  # all choices of expert 0, then all of expert 1, …
        owners = order // self.n_active  # the token whose choice it is
"""
    + WORK
    + """        return torch.zeros_like(tokens).index_add(0, owners, weighted).view_as(x), logits
"""
)
WEIGHTED = "weighted = torch.cat(made) * gates.flatten().index_select(0, order)[:, None]"
LOGITS = "logits: Tensor = self.router(x)"
CHOICE = "best, chosen = logits.topk(self.n_active, dim=-1)"
SUMMED = "torch.zeros_like(tokens).index_add(0, owners, weighted)"
RUN = 'expert["down"](F.silu(expert["gate"](part)) * expert["up"](part))'
RANGE = """        if not 1 <= n_active <= n_experts:
            raise ValueError(f"{n_active} of {n_experts} experts cannot be active")
"""

mixture = partial(edited, moe, "MixtureOfExperts")
MixtureOfExperts = [
    mixture(
        DISPATCH,
        """        output = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            gate = (gates * (chosen == i)).sum(dim=-1, keepdim=True)  # 0 for most tokens
            output = output + gate * expert["down"](F.silu(expert["gate"](x)) * expert["up"](x))
        return output, logits
""",
        name="all experts work on all tokens",
        hint="The numbers are right, but a gate of 0 saves no work: pick the tokens that chose an expert first, and "
        "let it work on these.",
    ),
    mixture(
        SUMMED + ".view_as(x), logits",
        "x, logits",
        name="return x",
        hint="What comes in goes out: no expert has worked. The output is the sum of what the chosen experts make.",
    ),
    mixture(
        CHOICE,
        "chosen = torch.arange(self.n_active, device=x.device).expand(*x.shape[:2], self.n_active)\n"
        "        best = logits.gather(-1, chosen)",
        name="always the first experts, from expert 0 on",
        hint="Which experts work for a token is the router's choice: the highest logits of that token.",
    ),
    mixture(
        CHOICE,
        "chosen = torch.zeros_like(logits[..., : self.n_active]).long()\n        best = logits.gather(-1, chosen)",
        name="always expert 0",
        hint="Which experts work for a token is the router's choice: the highest logits of that token.",
    ),
    mixture(
        GATES,
        "best.softmax(dim=-1).detach()",
        name="a router without gradient",
        hint="The gates are the router's only way to learn from what the experts made: no detach().",
    ),
    mixture(
        CHOICE,
        "best, chosen = logits.topk(self.n_active, dim=-1, largest=False)",
        name="the experts with the lowest logits",
        hint="The experts with the highest logits are chosen.",
    ),
    mixture(
        GATES,
        "logits.softmax(dim=-1).gather(-1, chosen)",
        name="a softmax over all experts, not renormalised",
        hint="The gates are the softmax over the chosen logits: those of a token sum to 1.",
    ),
    mixture(
        GATES,
        "torch.full_like(best, 1 / self.n_active)",
        name="the mean of the chosen experts",
        hint="Each chosen expert has its gate; with equal ones the router learns nothing.",
    ),
    mixture(
        WEIGHTED,
        "weighted = torch.cat(made)",
        name="the gates are not used",
        hint="What an expert makes is multiplied by its gate before it is added.",
    ),
    mixture(
        GATES,
        "best.sigmoid()",
        name="a sigmoid for each gate",
        hint="The gates are a softmax over the chosen logits: they sum to 1.",
    ),
    mixture(
        GATES,
        "best.softmax(dim=-1).flip(-1)",
        name="the gates in the reverse order",
        hint="Gate number r of a token belongs to its expert number r: topk gives both in one order.",
    ),
    mixture(
        ".index_select(0, order)[:, None]",
        "[:, None]",
        name="the gates stay in the order of the tokens",
        hint="The choices were sorted by expert: bring the gates into the same order.",
    ),
    mixture(
        WORK,
        WORK.replace("(0, owners)  #", "(0, owners) * gates.flatten().index_select(0, order)[:, None]  #").replace(
            WEIGHTED, "weighted = torch.cat(made)"
        ),
        name="the input is weighted instead of the output",
        hint="The gate multiplies what the expert has made: an expert is not linear.",
    ),
    mixture(
        DISPATCH,
        """        output = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            sentence, place, rank = torch.where(chosen == i)
            part = x[sentence, place]
            made = expert["down"](F.silu(expert["gate"](part)) * expert["up"](part))
            made = gates[sentence, place, rank, None] * made
            output = output.index_put((sentence, place), made)
        return output, logits
""",
        name="the last expert overwrites the others",
        hint="A token's experts are added up: index_add, or output[places] + … , not an assignment.",
    ),
    mixture(
        SUMMED,
        "weighted.view(len(tokens), self.n_active, -1).sum(dim=1)",
        name="the outputs stay in the order of the experts",
        hint="What the experts made lies expert by expert. Add it to the tokens that it was made for.",
    ),
    mixture(
        LOGITS + "\n        " + CHOICE,
        LOGITS + "\n        chosen = logits.mean(dim=1, keepdim=True).topk(self.n_active, dim=-1).indices.expand("
        "*x.shape[:2], self.n_active)\n        best = logits.gather(-1, chosen)",
        name="one choice for a whole sentence",
        hint="Every token chooses for itself, by its own logits.",
    ),
    mixture(
        LOGITS + "\n        " + CHOICE,
        LOGITS + "\n        chosen = logits.mean(dim=(0, 1), keepdim=True).topk(self.n_active, dim=-1).indices.expand("
        "*x.shape[:2], self.n_active)\n        best = logits.gather(-1, chosen)",
        name="one choice for the whole batch",
        hint="Every token chooses for itself, by its own logits.",
    ),
    mixture(
        CHOICE,
        "first = torch.arange(x.shape[0] * x.shape[1], device=x.device).view(x.shape[:2])\n"
        "        chosen = torch.stack([(first + r) % len(self.experts) for r in range(self.n_active)], dim=-1)\n"
        "        best = logits.gather(-1, chosen)",
        name="experts in turn",
        hint="The experts are not handed out in turn: the router chooses by what a token is.",
    ),
    mixture(
        "return " + SUMMED + ".view_as(x)",
        "return x + " + SUMMED + ".view_as(x)",
        name="a residual connection inside",
        hint="The residual connection belongs to the block around the mixture; here it would be added twice.",
    ),
    mixture(
        RUN,
        'expert["down"](F.relu(expert["gate"](part)) * expert["up"](part))',
        name="experts with a ReLU",
        hint="Each expert is a SwiGLU: its gate goes through silu.",
    ),
    mixture(
        RUN,
        'expert["down"](expert["gate"](part) * F.silu(expert["up"](part)))',
        name="gate and up exchanged in the experts",
        hint="silu is for the expert's gate; up stays linear.",
    ),
    mixture(
        LOGITS,
        "logits: Tensor = self.router(F.rms_norm(x, x.shape[-1:]))",
        name="the router reads a normalised token",
        hint="The router reads x as it comes: the norm belongs to the block around the mixture.",
    ),
    mixture(
        LOGITS,
        "logits: Tensor = self.router(x.detach())",
        name="the router's gradient does not reach the input",
        hint="The token gets a gradient through the router too: no detach() on what it reads.",
    ),
    mixture(
        "self.router = nn.Linear(d_model, n_experts, bias=False)",
        "self.router = nn.Linear(d_model, n_experts)",
        name="a router with a bias",
        hint="The router is one matrix, without a bias: bias=False.",
    ),
    mixture(
        "            for _ in range(n_experts)",
        "            for _ in range(n_active)",
        name="only as many experts as are active",
        hint="There are n_experts experts; n_active of them work for a token.",
    ),
    mixture(
        ".view_as(x), logits",
        ".view_as(x), logits.softmax(dim=-1)",
        name="probabilities returned for logits",
        hint="The second output is the router's logits, before any softmax.",
    ),
    mixture(
        ".view_as(x), logits",
        ".view_as(x), torch.full_like(logits, -torch.inf).scatter(-1, chosen, best)",
        name="the logits of the chosen experts only",
        hint="The second output is the logits of all experts: the balance loss needs those that were not chosen, too.",
    ),
    mixture(
        ".view_as(x), logits",
        ".view_as(x), logits.detach()",
        name="logits without gradient",
        hint="The balance loss teaches the router through the logits that you return: no detach().",
    ),
    mixture(
        "read = tokens.index_select(0, owners)",
        "read = tokens.detach().index_select(0, owners)",
        name="the experts' gradient does not reach the input",
        hint="What came before the layer learns through the experts: no detach() on what they read.",
    ),
    mixture(
        CHOICE,
        "best, chosen = logits.topk(1, dim=-1)\n        best, chosen = (t.expand(*t.shape[:2], self.n_active) "
        "for t in (best, chosen))",
        name="only the best expert, whatever n_active is",
        hint="n_active experts work for a token, not one.",
    ),
    mixture(
        WEIGHTED,
        WEIGHTED + "\n        rank = torch.arange(len(order), device=x.device) - torch.searchsorted(choices[order], "
        "choices[order])\n        weighted = weighted * (rank < max(1, len(order) // len(self.experts)))[:, None]",
        name="tokens above an equal share are dropped",
        hint="Here no token is dropped: a capacity belongs to implementations with buffers of a fixed size.",
    ),
    mixture(
        LOGITS,
        LOGITS + "\n        logits = logits + 10 * torch.randn_like(logits)",
        name="noise on the logits",
        hint="Noise is a help in training (Shazeer et al. 2017). This layer is deterministic.",
    ),
    mixture(
        RANGE,
        "",
        name="any number of active experts is taken",
        hint="n_active above n_experts, or below 1, is a ValueError with both numbers, raised by the constructor.",
    ),
    mixture(
        "tokens, choices =",
        "x.data.mul_(1.0 + 1e-3)\n        tokens, choices =",
        name="the input scaled in place",
        hint="mul_ and *= change the caller's tensor, which the residual connection still needs.",
    ),
]

SHARES = "counts / counts.sum()"
MEAN = "probabilities[real].mean(dim=0)"
COUNTED = "chosen[real].flatten().bincount(minlength=n_experts).to(probabilities.dtype)"
REAL = "real = chosen[..., 0] >= 0"
LOSS = f"n_experts * ({SHARES} * {MEAN}).sum()"

balance = partial(edited, moe, "load_balancing_loss")
load_balancing_loss = [
    balance(
        "return n_experts * ",
        "return ",
        name="no factor E",
        hint="E · Σ f P: without E balanced routing gives 1/E, and the loss depends on how many experts there are.",
    ),
    balance(
        SHARES,
        "counts / real.sum()",
        name="shares that sum to K",
        hint="f is the share of all choices, of which every token makes K: divide by their number, not by the tokens'.",
    ),
    balance(
        COUNTED,
        "chosen[real][..., 0].flatten().bincount(minlength=n_experts).to(probabilities.dtype)",
        name="first choices only",
        hint="All K choices of a token count in f, not only the first one.",
    ),
    balance(
        COUNTED,
        "probabilities[real].argmax(dim=-1).bincount(minlength=n_experts).to(probabilities.dtype)",
        name="the likeliest expert instead of the chosen ones",
        hint="f counts what was chosen; chosen is an argument.",
    ),
    balance(
        SHARES,
        MEAN,
        name="probabilities in the place of the shares",
        hint="f is the share of the choices, which were made; P is the mean probability. E · Σ P² is another loss.",
    ),
    balance(
        MEAN,
        "(counts / counts.sum())",
        name="shares in the place of the probabilities",
        hint="Choices have no gradient: without P nothing can be learned from this loss.",
    ),
    balance(
        MEAN,
        "probabilities[real].detach().mean(dim=0)",
        name="no gradient",
        hint="The gradient flows through P: no detach() on the probabilities.",
    ),
    balance(
        MEAN,
        "probabilities[real].sum(dim=0)",
        name="probabilities summed over the tokens",
        hint="P is the mean over the tokens; with the sum a larger batch has a larger loss.",
    ),
    balance(
        LOSS,
        "n_experts * n_experts * (" + SHARES + " * " + MEAN + ").sum()",
        name="the factor E twice",
        hint="One factor E makes balanced routing 1.",
    ),
    balance(
        MEAN,
        "torch.zeros_like(probabilities[real]).scatter(-1, chosen[real], 1.0).mul(probabilities[real]).mean(dim=0)",
        name="only the probabilities of chosen experts",
        hint="P is the mean of the router's probabilities of all experts, chosen or not.",
    ),
    balance(
        MEAN,
        "probabilities[real].softmax(dim=-1).mean(dim=0)",
        name="a second softmax",
        hint="probabilities are what the softmax gave: another one flattens them.",
    ),
    balance(
        MEAN,
        "probabilities[real].log().mean(dim=0)",
        name="log-probabilities",
        hint="P is the mean of the probabilities themselves.",
    ),
    balance(
        LOSS,
        "n_experts * (" + SHARES + " * " + MEAN + ").sum() - 1",
        name="1 subtracted",
        hint="Perfect balance gives 1. Subtracting it changes no gradient, but it is not what is asked for.",
    ),
    balance(
        LOSS,
        MEAN + ".var(correction=0) / " + MEAN + ".mean() ** 2",
        name="the squared coefficient of variation",
        hint="That is the importance loss of Shazeer et al. 2017. Here the shares f and the probabilities P multiply.",
    ),
    balance(
        LOSS,
        "(" + MEAN + " * " + MEAN + ".log()).sum()",
        name="the negative entropy of the mean probabilities",
        hint="Entropy is lowest for a collapse as well, but it does not see what was chosen: multiply by the shares.",
    ),
    balance(
        REAL,
        "real = torch.ones_like(chosen[..., 0], dtype=torch.bool)\n    chosen = chosen.clamp(min=0)",
        name="padding counts as choices of expert 0",
        hint="A choice of -1 is padding, and no expert: leave these tokens out of f and of P.",
    ),
    balance(
        MEAN,
        "probabilities.flatten(0, -2).mean(dim=0)",
        name="padding counts in the probabilities",
        hint="Padding is left out of P as well: index probabilities by the same mask as chosen.",
    ),
    balance(
        MEAN,
        "probabilities[real].sum(dim=0) / real.numel()",
        name="padding counts in the number of tokens",
        hint="Divide the sum of the probabilities by the number of real tokens.",
    ),
    balance(
        ".to(probabilities.dtype)",
        "",
        name="shares in float32",
        hint="Integers divided give float32, whatever the probabilities are: bring the counts to their type first.",
    ),
    balance(
        "    " + REAL,
        """    if probabilities.dim() > 2:
        return torch.stack([load_balancing_loss(p, c) for p, c in zip(probabilities, chosen, strict=True)]).mean()
    """
        + REAL,
        name="the mean of a loss for each sentence",
        hint="f and P are those of all tokens of the batch: that each sentence by itself is balanced is not asked for.",
    ),
    balance(
        "    return",
        "    probabilities.data /= probabilities.data.sum()\n    return",
        name="probabilities divided in place",
        hint="/= changes the caller's tensor, and the probabilities of each token sum to 1 already.",
    ),
]

BODY = """    queue = chosen.T.flatten()  # all first choices, then all second ones
    asks = queue[:, None] == torch.arange(n_experts, device=chosen.device)  # (K N, E)
    places = torch.where(asks, asks.cumsum(dim=0) - 1, -1).amax(dim=1)
    return places.masked_fill(places >= capacity, -1).view(chosen.T.shape).T
"""
QUEUE = "chosen.T.flatten()"
FULL = "places.masked_fill(places >= capacity, -1)"
COUNT = "asks.cumsum(dim=0) - 1"
OVER = """    if highest >= n_experts:
        raise ValueError(f"expert {highest} is chosen, and there are only {n_experts}")
"""

dispatch = partial(edited, moe, "dispatch_with_capacity")
dispatch_with_capacity = [
    dispatch(
        BODY,
        BODY.replace(QUEUE, "chosen.flatten()").replace("view(chosen.T.shape).T", "view(chosen.shape)"),
        name="token after token, whatever the rank",
        hint="All first choices are served before any second one: the queue is chosen.T.flatten().",
    ),
    dispatch(
        BODY,
        BODY.replace(QUEUE, "chosen.flip(0).T.flatten()").replace(".T.shape).T", ".T.shape).T.flip(0)"),
        name="the last token first",
        hint="Among choices of one rank the earlier token is served first.",
    ),
    dispatch(
        BODY,
        BODY.replace(QUEUE, "chosen.flip(1).T.flatten()").replace(".T.shape).T", ".T.shape).T.flip(1)"),
        name="the last choices first",
        hint="First choices are served first, second ones after all of them.",
    ),
    dispatch(
        FULL,
        "places",
        name="a buffer that is never full",
        hint="A buffer has room for `capacity` choices; those that come later get -1.",
    ),
    dispatch(
        "places >= capacity",
        "places > capacity",
        name="one place too many",
        hint="Places are counted from 0: the last one is capacity - 1.",
    ),
    dispatch(
        COUNT,
        "asks.cumsum(dim=0)",
        name="places counted from 1",
        hint="The first place of a buffer is 0.",
    ),
    dispatch(
        FULL,
        "places.where(places < capacity, places % max(1, capacity))",
        name="a full buffer starts again from 0",
        hint="Two choices in one place overwrite each other: where the buffer is full, the choice is dropped, with -1.",
    ),
    dispatch(
        FULL,
        "places.clamp(max=capacity - 1)",
        name="the last place for all who come late",
        hint="Two choices in one place overwrite each other: where the buffer is full, the choice is dropped, with -1.",
    ),
    dispatch(
        FULL,
        "places.masked_fill(places >= capacity, capacity)",
        name="capacity instead of -1",
        hint="Who is dropped gets -1, whatever the capacity is.",
    ),
    dispatch(
        COUNT,
        "asks.view(chosen.shape[1], -1, n_experts).cumsum(dim=1).flatten(0, 1) - 1",
        name="every rank counts from 0 again",
        hint="Second choices go on where the first ones ended: otherwise two choices get one place.",
    ),
    dispatch(
        COUNT,
        "asks.any(dim=1).cumsum(dim=0)[:, None] - 1",
        name="one count for all experts",
        hint="Every expert has a buffer of its own, and so a count of its own.",
    ),
    dispatch(
        QUEUE,
        QUEUE + ".clamp(min=0)",
        name="padding asks for expert 0",
        hint="A choice of -1 is padding: it takes no place, and gets -1.",
    ),
    dispatch(
        QUEUE,
        QUEUE + " % n_experts",
        name="padding asks for the last expert",
        hint="-1 is not the last expert here but padding: it takes no place, and gets -1.",
    ),
    dispatch(
        "places >= capacity",
        "places >= capacity // chosen.shape[1]",
        name="the capacity shared out among the ranks",
        hint="A buffer serves all ranks, in their order, until it is full.",
    ),
    dispatch(
        FULL,
        "torch.where((places < 0) | (places >= capacity), -1, queue * capacity + places)",
        name="the place in one long row of all buffers",
        hint="Places are counted in each expert's own buffer.",
    ),
    dispatch(
        FULL,
        "((places >= 0) & (places < capacity))",
        name="whether it is served, instead of where",
        hint="Return the place in the buffer, an int64, or -1.",
    ),
    dispatch(
        "n_experts, device=chosen.device",
        "n_experts",
        name="the experts' numbers on the default device",
        hint="torch.arange without device= makes a tensor on the CPU: give it device=chosen.device.",
    ),
    dispatch(
        OVER,
        "",
        name="any expert is taken",
        hint="An expert with a number from n_experts on is a ValueError with both numbers.",
    ),
    dispatch(
        "if highest >= n_experts",
        "if highest > n_experts",
        name="one expert too many is taken",
        hint="Experts are counted from 0: n_experts itself is no expert.",
    ),
    dispatch(
        "expert {highest} is chosen, and there are only {n_experts}",
        "there is no such expert",
        name="the error does not say the numbers",
        hint="Say both numbers in the message: the expert, and how many there are.",
    ),
    dispatch(
        "return " + FULL + ".view(chosen.T.shape).T",
        "return chosen.copy_(" + FULL + ".view(chosen.T.shape).T)",
        name="the places written over the choices",
        hint="copy_ changes the caller's tensor: return a new one.",
    ),
]

EVERY = "parameter.numel() for parameter in model.parameters()"
IDLE = "(len(part.experts) - part.n_active) * of_one"
OF_ONE = "of_one = sum(parameter.numel() for parameter in part.experts[0].parameters())"

counts = partial(edited, moe, "parameter_counts")
parameter_counts = [
    counts(
        "total, total - idle",
        "total, total",
        name="all experts counted as active",
        hint="A token uses n_active of the experts: the others belong to the total alone.",
    ),
    counts(
        "total, total - idle",
        "total - idle, total",
        name="active and total exchanged",
        hint="The total comes first, then what is active.",
    ),
    counts(
        "total, total - idle",
        "total, idle",
        name="the idle parameters instead of the active ones",
        hint="Active is what a token uses: the total without the idle experts.",
    ),
    counts(
        "total, total - idle",
        "total, float(total - idle)",
        name="a floating-point number",
        hint="Counts are integers: use // or multiply before you divide.",
    ),
    counts(
        IDLE,
        "(len(part.experts) - 1) * of_one",
        name="always one active expert",
        hint="How many experts a token uses is the layer's n_active.",
    ),
    counts(
        IDLE,
        "len(part.experts) * of_one",
        name="experts left out altogether",
        hint="n_active of the experts are used by every token.",
    ),
    counts(
        OF_ONE,
        "of_one = sum(parameter.numel() for parameter in part.parameters()) // len(part.experts)",
        name="the router shared out among the experts",
        hint="Every token uses the whole router, to find its experts.",
    ),
    counts(
        "idle += " + IDLE,
        "idle += " + IDLE + " + part.router.weight.numel()",
        name="the router left out",
        hint="Every token uses the whole router, to find its experts.",
    ),
    counts(
        "idle += " + IDLE,
        "idle = " + IDLE,
        name="the last layer of experts only",
        hint="Add up what is idle in every layer of experts.",
    ),
    counts(
        "model.modules()",
        "model.children()",
        name="the model's direct parts only",
        hint="model.modules() goes through all parts, however deep, and through the model itself.",
    ),
    counts(
        "model.modules()",
        "list(model.modules())[1:]",
        name="the model itself is not looked at",
        hint="A model may itself be a layer of experts.",
    ),
    counts(
        EVERY,
        "parameter.numel() for parameter in model.state_dict().values()",
        name="state_dict counted",
        hint="state_dict() has buffers too, and a shared parameter under each of its names: use model.parameters().",
    ),
    counts(
        EVERY,
        "parameter.numel() for parameter in [*model.parameters(), *model.buffers()]",
        name="buffers counted",
        hint="Buffers are no parameters: nothing in them is learned.",
    ),
    counts(
        EVERY,
        "parameter.numel() for part in model.modules() for parameter in part.parameters(recurse=False)",
        name="shared parameters counted for each owner",
        hint="A parameter with two owners is stored and learned once: model.parameters() names it once.",
    ),
    counts(
        EVERY,
        "parameter.numel() for parameter in model.parameters() if parameter.dim() > 1",
        name="matrices only",
        hint="Biases and the weights of norms are parameters, too.",
    ),
    counts(
        EVERY,
        "4 * parameter.numel() for parameter in model.parameters()",
        name="bytes instead of numbers",
        hint="Count the numbers: how many bytes they take depends on their type.",
    ),
    counts(
        EVERY,
        "len(parameter) for parameter in model.parameters()",
        name="rows instead of numbers",
        hint="len(tensor) is the length of its first axis; numel() counts its numbers.",
    ),
]


@misconception(
    "parameter_counts",
    "tensors instead of numbers",
    hint="A weight of 64 × 64 is 4,096 parameters, not one: numel() counts them.",
)
def tensors_counted(model):
    total, idle = len(list(model.parameters())), 0
    for part in model.modules():
        if hasattr(part, "experts"):
            idle += (len(part.experts) - part.n_active) * len(list(part.experts[0].parameters()))
    return total, total - idle


@misconception(
    "parameter_counts",
    "the whole model scaled by n_active / n_experts",
    hint="Only the experts are used in part. Attention, embeddings, norms and routers are active for every token.",
)
def scaled_as_a_whole(model):
    total = active = sum(parameter.numel() for parameter in model.parameters())
    for part in model.modules():
        if hasattr(part, "experts"):
            active = active * part.n_active // len(part.experts)
    return total, active


@misconception(
    "parameter_counts",
    "only active experts are active",
    hint="Whatever is no expert, the router included, is used by every token: it is active, too.",
)
def experts_only(model):
    total, active = sum(parameter.numel() for parameter in model.parameters()), 0
    for part in model.modules():
        if hasattr(part, "experts"):
            active += part.n_active * sum(parameter.numel() for parameter in part.experts[0].parameters())
    return total, active


@misconception(
    "parameter_counts",
    "every layer counted like the first",
    hint="Layers of experts may differ: take the number and the size of the experts from each of them.",
)
def first_layer_for_all(model):
    total = sum(parameter.numel() for parameter in model.parameters())
    layers = [part for part in model.modules() if hasattr(part, "experts")]
    if not layers:
        return total, total
    first = layers[0]
    of_one = sum(parameter.numel() for parameter in first.experts[0].parameters())
    return total, total - len(layers) * (len(first.experts) - first.n_active) * of_one
