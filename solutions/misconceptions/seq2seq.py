"""Wrong programs for unit 02, each one mistake that a person would make."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from solutions import seq2seq
from solutions.programs import edited, misconception

encoder = partial(edited, seq2seq, "Encoder")
FINAL = "states.gather(1, last[:, None, None].expand(-1, 1, states.shape[-1])).squeeze(1)"
Encoder = [
    encoder(
        FINAL,
        "states[:, -1]",
        name="the last column is the final state",
        hint="states[:, -1] is the state after the padding of every shorter sentence. Take the state after its last "
        "real word.",
    ),
    encoder(
        FINAL,
        "states[:, last[0]]",
        name="the first sentence's length for all",
        hint="Every sentence has a length of its own: take each final state at its own last word.",
    ),
    encoder(
        "real.sum(dim=1) - 1",
        "real.sum(dim=1) - 2",
        name="the final state one word too early",
        hint="A sentence of n words has its last state in place n - 1.",
    ),
    encoder(
        FINAL,
        "states[:, 0]",
        name="the first state is the final state",
        hint="After the first word the encoder knows one word. The context is the state after the last one.",
    ),
    encoder(
        FINAL,
        "(states * real[:, :, None]).sum(dim=1) / real.sum(dim=1, keepdim=True)",
        name="the mean of all states",
        hint="The context of this unit is the final state, not a mean over the sentence.",
    ),
    encoder(
        "states * real[:, :, None]",
        "states",
        name="states on padding are not zero",
        hint="The GRU goes on over the padding. Set the states there to zero, so that nobody can read them.",
    ),
    encoder(
        "source != self.pad_id",
        "source != 0",
        name="padding is taken to be 0",
        hint="Padding is pad_id, whatever its number; word 0 may be a word like any other.",
    ),
    encoder(
        "self.gru(self.embedding(source))",
        "self.gru(self.embedding(source.flip(1)))",
        name="the sentence is read from its end, padding first",
        hint="Read from the end, a padded sentence begins with its padding: its states depend on the batch. Read "
        "forwards (or reverse each sentence by its own length).",
    ),
    encoder(
        "self.gru(self.embedding(source))",
        "self.gru(self.embedding(source) * real[:, :, None])\n        last = last * 0 + source.shape[1] - 1",
        name="padding is read as a vector of zeros",
        hint="A GRU also changes its state where the input is zero. Padding must not be read at all.",
    ),
    encoder(
        "nn.GRU(d_model, d_model, batch_first=True)",
        "nn.GRU(d_model, d_model)",
        name="batch_first is missing",
        hint="nn.GRU takes the first axis for time unless batch_first=True: it reads across the sentences of the "
        "batch, and every shape still fits.",
    ),
    encoder(
        "self.gru(self.embedding(source))",
        "self.gru(self.embedding(source) * self.embedding.embedding_dim**0.5)",
        name="embeddings times √d_model",
        hint="That is a habit of Transformers. Here the GRU reads the embedding as it is.",
    ),
    encoder(
        "self.gru(self.embedding(source))",
        "self.gru(self.embedding(source).tanh())",
        name="an activation on the embedding",
        hint="The GRU reads the embedding as it is; it has its own non-linearities.",
    ),
    encoder(
        "states * real[:, :, None], final",
        "final, states * real[:, :, None]",
        name="the final state first",
        hint="Return the states of all words first, the final state second.",
    ),
    encoder(
        ".squeeze(1)",
        ".transpose(0, 1)",
        name="an axis too many on the final state",
        hint="nn.GRU's own final state has a first axis for layers. Ours has the shape (B, D).",
    ),
    encoder(
        "final = states.gather",
        "final = states.detach().gather",
        name="the final state is cut from the graph",
        hint="With detach() the encoder never learns what the decoder needs.",
    ),
    encoder(
        FINAL,
        "states[torch.arange(source.shape[1]) == last[:, None]]",
        name="positions on the default device",
        hint="torch.arange without device= lives on the CPU, and the comparison fails where the sentence is on a GPU.",
    ),
    encoder(
        "nn.GRU(d_model, d_model, batch_first=True)",
        "nn.GRU(d_model, d_model, batch_first=True, bidirectional=True)",
        name="a second direction",
        hint="A bidirectional GRU has states of 2 · d_model, and its second direction reads the padding first.",
    ),
]


@misconception(
    "Encoder",
    "packed without total_length",
    hint="pad_packed_sequence pads to the longest sentence that it finds. Pass total_length=source.shape[1], so that "
    "the states fit the source.",
)
class EncoderCutShort(nn.Module):
    def __init__(self, vocab_size, d_model, pad_id):
        super().__init__()
        self.pad_id = pad_id
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.gru = nn.GRU(d_model, d_model, batch_first=True)

    def forward(self, source):
        lengths = (source != self.pad_id).sum(dim=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(source), lengths, batch_first=True, enforce_sorted=False
        )
        states, final = self.gru(packed)
        return nn.utils.rnn.pad_packed_sequence(states, batch_first=True)[0], final.squeeze(0)


@misconception(
    "Encoder",
    "packed as if the batch were sorted",
    hint="pack_padded_sequence wants the longest sentence first unless enforce_sorted=False; a batch comes in any "
    "order.",
)
class EncoderOfSorted(nn.Module):
    def __init__(self, vocab_size, d_model, pad_id):
        super().__init__()
        self.pad_id = pad_id
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.gru = nn.GRU(d_model, d_model, batch_first=True)

    def forward(self, source):
        lengths = (source != self.pad_id).sum(dim=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(source), lengths, batch_first=True)
        states, final = self.gru(packed)
        states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])
        return states, final.squeeze(0)


decoder = partial(edited, seq2seq, "Decoder")
Decoder = [
    decoder(
        "[self.embedding(token), context]",
        "[context, self.embedding(token)]",
        name="the context before the embedding",
        hint="The cell reads the embedding first and the context second; the other way round its weights do not fit.",
    ),
    decoder(
        "[self.embedding(token), context]",
        "[self.embedding(token), context * 0]",
        name="the context is not read",
        hint="Without the context all that the decoder knows of the source is its first state, which fades.",
    ),
    decoder(
        "[self.embedding(token), context]",
        "[self.embedding(token), state]",
        name="the state in place of the context",
        hint="The context comes from the encoder and stays; the state changes with every step.",
    ),
    decoder(
        "self.cell(read, state)",
        "self.cell(read, context)",
        name="the context in place of the state",
        hint="Then the decoder forgets at every step what it has said: the cell's state is the previous state.",
    ),
    decoder(
        "self.cell(read, state)",
        "self.cell(read)",
        name="the previous state is not read",
        hint="Without its state a cell starts from zero at every step: pass the state as its second argument.",
    ),
    decoder(
        "        state = self.cell(read, state)\n        return self.output(state), state",
        "        return self.output(state), self.cell(read, state)",
        name="logits from the old state",
        hint="The old state has not read the token yet: the logits come from the new one.",
    ),
    decoder(
        "        state = self.cell(read, state)\n        return self.output(state), state",
        "        following = self.cell(read, state)\n        return self.output(following), state",
        name="the old state is returned",
        hint="Return the new state, or every step starts where this one started.",
    ),
    decoder(
        "self.output(state), state",
        "state, self.output(state)",
        name="the state first",
        hint="A step returns the logits first and the state second.",
    ),
    decoder(
        "self.output(state), state",
        "self.output(state).softmax(dim=-1), state",
        name="probabilities instead of logits",
        hint="Return the logits: the loss and the decoders take their own softmax, and two of them flatten everything.",
    ),
    decoder(
        "self.output(state), state",
        "self.output(state.relu()), state",
        name="an activation before the output layer",
        hint="The logits are a linear map of the state, and nothing else.",
    ),
    decoder(
        "[self.embedding(token), context]",
        "[self.embedding(token).relu(), context]",
        name="an activation on the embedding",
        hint="Some tutorials have a ReLU there. It loses half of what the embedding says; the cell reads it as it is.",
    ),
    decoder(
        "[self.embedding(token), context]",
        "[nn.functional.dropout(self.embedding(token), 0.1), context]",
        name="dropout that is never switched off",
        hint="F.dropout(x, p) drops in evaluation too, unless training=self.training is passed. This decoder has none.",
    ),
    decoder(
        "self.cell(read, state)",
        "self.cell(read, state.detach())",
        name="the state is cut from the graph",
        hint="With detach() no gradient flows back through time: the first steps never learn from the last.",
    ),
    decoder(
        "[self.embedding(token), context]",
        "[self.embedding(token), context.detach()]",
        name="the context is cut from the graph",
        hint="With detach() on the context the encoder does not learn what the decoder needs at each step.",
    ),
    decoder(
        "self.cell = nn.GRUCell(2 * d_model, d_model)",
        "self.cell = nn.GRU(2 * d_model, d_model, batch_first=True)",
        name="a GRU instead of a GRU cell",
        hint="nn.GRU runs over whole sequences, and its parameters have other names. One step is nn.GRUCell.",
    ),
    decoder(
        "nn.Linear(d_model, vocab_size)",
        "nn.Linear(d_model, vocab_size, bias=False)",
        name="an output layer without bias",
        hint="The bias of the output layer holds how frequent each word is: leave it there.",
    ),
]

shift = partial(edited, seq2seq, "shift_right")
SHIFTED = "torch.cat([first, targets[:, :-1]], dim=1)"
shift_right = [
    shift(
        SHIFTED,
        "targets.roll(1, dims=1)",
        name="rolled, without bos",
        hint="A roll puts the last target first, so the decoder reads the end of the sentence before it begins.",
    ),
    shift(
        SHIFTED,
        "torch.cat([first.new_full((1, targets.shape[1]), bos_id), targets[:-1]], dim=0)",
        name="shifted along the batch",
        hint="Time is the second axis: shift along dim=1, or every sentence reads its neighbour.",
    ),
    shift(
        SHIFTED,
        "torch.cat([targets[:, 1:], first], dim=1)",
        name="shifted to the left",
        hint="Shifted left, the decoder reads the word after the one that it should say. Shift right.",
    ),
    shift(
        SHIFTED,
        "torch.cat([first, targets], dim=1)",
        name="the last target is kept",
        hint="There is one input for each target; after the last target nothing is predicted, so it is not read.",
    ),
    shift(
        SHIFTED,
        "torch.cat([first, first, targets[:, :-2]], dim=1)",
        name="shifted twice",
        hint="Input t + 1 must be target t. Shifted twice, the decoder learns to skip a word.",
    ),
    shift(
        SHIFTED,
        "torch.cat([first, targets[:, 1:]], dim=1)",
        name="bos over the first target",
        hint="That replaces the first word instead of moving all of them: the decoder reads what it should say.",
    ),
    shift(
        SHIFTED,
        "targets[:, :-1]",
        name="bos is missing",
        hint="Without bos there is one input too few, and nothing from which the first word could be predicted.",
    ),
    shift(
        "torch.full_like(targets[:, :1], bos_id)",
        "torch.ones_like(targets[:, :1])",
        name="bos is taken to be 1",
        hint="bos is bos_id, whatever its number in this vocabulary.",
    ),
    shift(
        "torch.full_like(targets[:, :1], bos_id)",
        "torch.zeros_like(targets[:, :1])",
        name="a zero in the first place",
        hint="In most vocabularies 0 is padding. The first input is bos_id.",
    ),
    shift(
        "torch.full_like(targets[:, :1], bos_id)",
        "torch.full((len(targets), 1), bos_id)",
        name="bos on the default device",
        hint="torch.full without device= lives on the CPU, and torch.cat fails where the targets are on a GPU.",
    ),
    shift(
        "torch.full_like(targets[:, :1], bos_id)",
        "torch.full((len(targets), 1), float(bos_id), device=targets.device)",
        name="ids that have become floats",
        hint="A column of floats makes the whole result float, and an embedding needs integers.",
    ),
]


@misconception(
    "shift_right",
    "the targets are shifted in place",
    hint="Writing into targets changes the labels too: the loss then compares the input with itself. Make a new "
    "tensor.",
)
def shift_in_place(targets, bos_id):
    targets[:, 1:] = targets[:, :-1].clone()
    targets[:, 0] = bos_id
    return targets


forced = partial(edited, seq2seq, "teacher_forced_logits")
teacher_forced_logits = [
    forced(
        "token = target",
        "token = now.argmax(dim=-1)",
        name="the decoder reads its own words",
        hint="That is how it translates. Under teacher forcing it reads the true word before, whatever it said.",
    ),
    forced(
        "        now, state = decoder(token, state, context)\n        logits.append(now)\n        token = target\n",
        "        now, state = decoder(target, state, context)\n        logits.append(now)\n",
        name="the decoder reads the word that it should predict",
        hint="The input of step t is target t - 1. Reading target t itself, the decoder learns to copy: a loss of "
        "nearly zero, and useless translations.",
    ),
    forced(
        "now, state = decoder(token, state, context)",
        "now, _ = decoder(token, state, context)",
        name="every step starts from the first state",
        hint="Pass on the state that the last step returned, or the decoder remembers one word only.",
    ),
    forced(
        "now, state = decoder(token, state, context)",
        "now, state = decoder(token, state.detach(), context)",
        name="the state is cut from the graph",
        hint="With detach() no gradient flows back through time, and the encoder gets none at all.",
    ),
    forced(
        "now, state = decoder(token, state, context)",
        "now, state = decoder(token, context, state)",
        name="state and context exchanged",
        hint="The decoder takes token, state, context, in this order. At first both are often the same vector, which "
        "hides the mistake for one step.",
    ),
    forced(
        "        token = target\n",
        "",
        name="every step reads bos",
        hint="After bos the decoder reads the targets, one after the other.",
    ),
    forced(
        "        token = target\n",
        "        token = targets[:, max(0, len(logits) - 2)]\n",
        name="the targets arrive one step late",
        hint="Shifted twice: step t reads target t - 2. Step t reads target t - 1.",
    ),
    forced(
        "torch.stack(logits, dim=1)",
        "torch.stack(logits, dim=0)",
        name="time before the batch",
        hint="Batch first: stack the logits of the steps along dim=1.",
    ),
    forced(
        "torch.stack(logits, dim=1)",
        "torch.cat(logits, dim=1)",
        name="the steps side by side in one row",
        hint="torch.cat makes (B, T · V) of them; a new axis for time comes from torch.stack.",
    ),
    forced(
        "torch.stack(logits, dim=1)",
        "torch.stack(logits, dim=1).softmax(dim=-1)",
        name="probabilities instead of logits",
        hint="Return the logits: cross_entropy takes its own softmax, and two of them flatten everything.",
    ),
    forced(
        "targets.unbind(dim=1)",
        "targets[:, 1:].unbind(dim=1)",
        name="one step too few",
        hint="T targets need T steps: bos and all targets but the last are read.",
    ),
    forced(
        "    return torch.stack(logits, dim=1)",
        "    decoder(token, state, context)\n    return torch.stack(logits, dim=1)",
        name="one step too many",
        hint="After the last target nothing is left to predict: the decoder need not read it.",
    ),
    forced(
        "torch.full_like(targets[:, 0], bos_id)",
        "targets[:, 0]",
        name="it begins with the first target",
        hint="The decoder begins with bos; the first target is what it should say then.",
    ),
    forced(
        "torch.full_like(targets[:, 0], bos_id)",
        "torch.full((len(targets),), bos_id)",
        name="bos on the default device",
        hint="torch.full without device= lives on the CPU, and the embedding fails where the targets are on a GPU.",
    ),
    forced(
        "torch.stack(logits, dim=1)",
        "torch.stack(logits, dim=1).float()",
        name="computed in float32 whatever comes in",
        hint="The logits have the type that the decoder gives them: leave it.",
    ),
]

greedy = partial(edited, seq2seq, "greedy_decode")
greedy_decode = [
    greedy(
        ".masked_fill(ended, pad_id)",
        "",
        name="it goes on after eos",
        hint="What stands after a sentence's eos is noise. Put pad there.",
    ),
    greedy(
        "ended.all()",
        "ended.any()",
        name="the batch ends with its first sentence",
        hint="The other sentences have not ended: stop when all have.",
    ),
    greedy(
        "ended.all()",
        "ended[0]",
        name="the batch ends with sentence 0",
        hint="Every sentence has a length of its own: stop when all have ended.",
    ),
    greedy(
        "        if ended.all():\n            break\n",
        "",
        name="it always runs to max_length",
        hint="Once all sentences have ended, every further step only makes padding.",
    ),
    greedy(
        "        if ended.all():\n            break\n    return torch.stack(tokens, dim=1)",
        "    tokens = torch.stack(tokens, dim=1)\n    return tokens[:, (tokens != pad_id).any(dim=0)]",
        name="it runs to max_length and then cuts",
        hint="The answer is right, but the steps after the last eos were taken for nothing. Stop the loop there.",
    ),
    greedy(
        "ended = ended | (token == eos_id)",
        "ended = token == eos_id",
        name="the end is forgotten after one step",
        hint="A sentence that has ended stays so: ended = ended | (token == eos_id).",
    ),
    greedy(
        "        token = logits.argmax(dim=-1).masked_fill(ended, pad_id)\n        tokens.append(token)\n"
        "        ended = ended | (token == eos_id)\n",
        "        token = logits.argmax(dim=-1)\n        ended = ended | (token == eos_id)\n"
        "        tokens.append(token.masked_fill(ended, pad_id))\n",
        name="eos is overwritten with padding",
        hint="eos belongs to the sentence: only what comes after it is padding.",
    ),
    greedy(
        "masked_fill(ended, pad_id)",
        "masked_fill(ended, eos_id)",
        name="filled up with eos",
        hint="A sentence has one eos; the rest of its row is pad_id.",
    ),
    greedy(
        "masked_fill(ended, pad_id)",
        "masked_fill(ended, 0)",
        name="padding is taken to be 0",
        hint="Padding is pad_id, whatever its number; 0 may be a word like any other.",
    ),
    greedy(
        "    tokens = []\n",
        "    tokens = [token]\n",
        name="bos stands in the answer",
        hint="bos is what the decoder reads first, not a word that it says.",
    ),
    greedy(
        "logits, state = step(token, state)",
        "logits, state = step(torch.full_like(token, bos_id), state)",
        name="every step reads bos",
        hint="The decoder reads the word that it has just said.",
    ),
    greedy(
        "logits, state = step(token, state)",
        "logits, _ = step(token, state)",
        name="every step starts from the first state",
        hint="Pass on the state that the last step returned.",
    ),
    greedy(
        "logits, state = step(token, state)",
        "logits, following = step(token, state)\n        state[:] = following",
        name="the state is written in place",
        hint="That changes the caller's state: the second call starts somewhere else. Write logits, state = step(…).",
    ),
    greedy(
        "range(max_length)",
        "range(max_length + 1)",
        name="one token more than max_length",
        hint="max_length counts the tokens of the answer, eos included and bos not.",
    ),
    greedy(
        "range(max_length)",
        "range(max_length - 1)",
        name="one token fewer than max_length",
        hint="max_length counts the tokens of the answer; bos is not one of them.",
    ),
    greedy(
        "logits.argmax(dim=-1)",
        "torch.multinomial(logits.softmax(dim=-1), 1).squeeze(1)",
        name="sampled instead of the most likely",
        hint="Greedy decoding takes the most likely token, so it says the same each time.",
    ),
    greedy(
        "bos_id, device=state.device",
        "eos_id, device=state.device",
        name="it begins with eos",
        hint="The first token that the decoder reads is bos_id.",
    ),
    greedy(
        "bos_id, device=state.device",
        "0, device=state.device",
        name="it begins with 0",
        hint="The first token that the decoder reads is bos_id, whatever its number.",
    ),
    greedy(
        "torch.full((len(state),), bos_id, device=state.device)",
        "torch.full((len(state),), bos_id)",
        name="bos on the default device",
        hint="torch.full without device= lives on the CPU, and the embedding fails where the state is on a GPU.",
    ),
    greedy(
        "torch.stack(tokens, dim=1)",
        "torch.stack(tokens, dim=0)",
        name="time before the batch",
        hint="Batch first: a row for each sentence.",
    ),
]

beam = partial(edited, seq2seq, "beam_search")
beam_search = [
    beam(
        "        best, place = scores.flatten().topk(min(width, scores.numel()))\n",
        "        best, place = scores.flatten().topk(1)\n",
        name="the beam never branches",
        hint="If all hypotheses are copies of one, the beam is greedy search done `width` times. The first step must "
        "keep the `width` best first words.",
    ),
    beam(
        "scores.flatten().topk(min(width, scores.numel()))",
        "(scores if len(scores) == 1 else scores.where(scores == scores.amax(1, keepdim=True), -torch.inf))"
        ".flatten().topk(min(width, scores.numel()))",
        name="only the first step branches",
        hint="Every hypothesis is extended by every word, at every step; the best of all these are kept.",
    ),
    beam(
        "length[parent], state[parent]",
        "length[parent], state",
        name="hypotheses with another's state",
        hint="When hypotheses change places their states move with them: state = state[parent].",
    ),
    beam(
        "torch.cat([tokens[parent], token[:, None]], dim=1)",
        "torch.cat([tokens[: len(parent)].expand(len(parent), -1), token[:, None]], dim=1)",
        name="hypotheses with another's words",
        hint="A kept extension goes on from its own parent: tokens[parent], not the rows as they stood.",
    ),
    beam(
        "place // scores.shape[1], place % scores.shape[1]",
        "place % len(scores), place // len(scores)",
        name="parent and word read off wrongly",
        hint="In a flattened (hypotheses, V) table place // V is the hypothesis and place % V the word.",
    ),
    beam(
        "logits.log_softmax(dim=-1)",
        "logits",
        name="logits summed instead of log-probabilities",
        hint="Logits of different steps have different constants: only log_softmax makes them comparable.",
    ),
    beam(
        "logits.log_softmax(dim=-1)",
        "logits.softmax(dim=-1)",
        name="probabilities summed",
        hint="Probabilities of independent steps multiply; it is their logarithms that add up.",
    ),
    beam(
        "logits.log_softmax(dim=-1)",
        "logits.log_softmax(dim=0)",
        name="softmax over the hypotheses",
        hint="Each hypothesis has a distribution over the words: the softmax runs over the last axis.",
    ),
    beam(
        " / length[:, None].to(more.dtype) ** length_penalty",
        "",
        name="no length penalty",
        hint="Every further word makes the sum smaller, so a plain sum prefers short sentences. Divide by "
        "T ** length_penalty.",
    ),
    beam(
        " / length[:, None].to(more.dtype) ** length_penalty",
        " * length[:, None].to(more.dtype) ** length_penalty",
        name="multiplied by the length penalty",
        hint="Sums of log-probabilities are negative and grow with the length: divide by T ** length_penalty.",
    ),
    beam(
        "length[:, None].to(more.dtype) ** length_penalty",
        "(length[:, None].to(more.dtype) * length_penalty)",
        name="divided by T · penalty",
        hint="The penalty is an exponent: T ** length_penalty, which is 1 where length_penalty is 0.",
    ),
    beam(
        "length[:, None].to(more.dtype) ** length_penalty",
        "(length[:, None].to(more.dtype) + 1) ** length_penalty",
        name="bos is counted",
        hint="T counts what the decoder has said: eos is a token, bos is not.",
    ),
    beam(
        "length[:, None].to(more.dtype) ** length_penalty",
        "(length[:, None] - stay.isfinite().long()).clamp(min=1).to(more.dtype) ** length_penalty",
        name="eos is not counted",
        hint="eos is a token that the decoder had to choose: it counts in T.",
    ),
    beam(
        "torch.where(ended[:, None], stay, logits.log_softmax(dim=-1))",
        "logits.log_softmax(dim=-1)",
        name="hypotheses go on after eos",
        hint="A hypothesis that has ended stays as it is, with its score, and is not extended.",
    ),
    beam(
        "    return tokens[0, 1 : 1 + length[0]], best[0].item()",
        "    return tokens[0, 1 : 1 + length[0]], total[0].item()",
        name="the sum is returned as the score",
        hint="The score is the sum divided by T ** length_penalty.",
    ),
    beam(
        "if ended.all():",
        "if ended.any():\n            place = ended.int().argmax()\n            tokens, length, best = "
        "tokens[place:], length[place:], best[place:]",
        name="the first to end wins",
        hint="A longer hypothesis may still get the better score: go on until all in the beam have ended.",
    ),
    beam(
        "if ended.all():",
        "if ended[0]:",
        name="it stops when the best has ended",
        hint="With a length penalty a hypothesis that goes on can still overtake it: go on until all have ended.",
    ),
    beam(
        "tokens[0, 1 : 1 + length[0]]",
        "tokens[0, : 1 + length[0]]",
        name="bos stands in the answer",
        hint="bos is what the decoder reads first, not a word that it says.",
    ),
    beam(
        "tokens[0, 1 : 1 + length[0]]",
        "tokens[0, 1 : 1 + length[0] - ended[0].long()]",
        name="eos is cut off",
        hint="The answer ends with eos where the hypothesis has ended; without it nobody can see that.",
    ),
    beam(
        "tokens[0, 1 : 1 + length[0]]",
        "tokens[0, 1:]",
        name="filled up with eos",
        hint="The answer ends with its first eos.",
    ),
    beam(
        "range(max_length)",
        "range(max_length + 1)",
        name="one token more than max_length",
        hint="max_length counts the tokens of the answer, eos included and bos not.",
    ),
    beam(
        "topk(min(width, scores.numel()))",
        "topk(width)",
        name="the beam cannot be wider than its candidates",
        hint="At the first step there are only V candidates: keep min(width, number of candidates).",
    ),
    beam(
        "topk(min(width, scores.numel()))",
        "topk(min(width + 1, scores.numel()))",
        name="one hypothesis too many",
        hint="A beam of width 2 keeps two hypotheses, those that have ended included.",
    ),
    beam(
        "        if ended.all():\n            break\n",
        "",
        name="it always runs to max_length",
        hint="Once all hypotheses have ended, no step can change them.",
    ),
    beam(
        "torch.full((1, 1), bos_id, device=state.device)",
        "torch.full((1, 1), bos_id)",
        name="bos on the default device",
        hint="torch.full without device= lives on the CPU, and the embedding fails where the state is on a GPU.",
    ),
]


@misconception(
    "beam_search",
    "the penalty only at the end",
    hint="A short hypothesis that has ended pushes better long ones out of the beam if they are compared by their "
    "sums. Compare by the score at every step.",
)
def beam_penalised_late(step, state, bos_id, eos_id, max_length, width, length_penalty):
    beam = [([], 0.0, state)]
    for _ in range(max_length):
        candidates = [hypothesis for hypothesis in beam if hypothesis[0][-1:] == [eos_id]]
        for words, total, before in beam:
            if words[-1:] != [eos_id]:
                last = torch.tensor([words[-1] if words else bos_id], device=state.device)
                logits, after = step(last, before)
                for word, log_probability in enumerate(logits[0].log_softmax(dim=0).tolist()):
                    candidates.append(([*words, word], total + log_probability, after))
        beam = sorted(candidates, key=lambda hypothesis: hypothesis[1], reverse=True)[:width]
        if all(words[-1] == eos_id for words, _, _ in beam):
            break
    ranked = [(total / len(words) ** length_penalty, words) for words, total, _ in beam]
    score, best = max(ranked)
    return torch.tensor(best, device=state.device), score


@misconception(
    "beam_search",
    "the best of each hypothesis instead of the best of all",
    hint="Extensions of all hypotheses compete for the `width` places. Chosen for each hypothesis by itself, the beam "
    "grows with every step.",
)
def beam_unpooled(step, state, bos_id, eos_id, max_length, width, length_penalty):
    beam = [([], 0.0, state)]
    for _ in range(max_length):
        following = []
        for words, total, before in beam:
            if words[-1:] == [eos_id]:
                following.append((words, total, before))
                continue
            last = torch.tensor([words[-1] if words else bos_id], device=state.device)
            logits, after = step(last, before)
            values, tokens = logits[0].log_softmax(dim=0).topk(min(width, logits.shape[1]))
            for value, token in zip(values.tolist(), tokens.tolist(), strict=True):
                following.append(([*words, token], total + value, after))
        beam = following
        if all(words[-1] == eos_id for words, _, _ in beam):
            break
    ranked = [(total / len(words) ** length_penalty, words) for words, total, _ in beam]
    score, best = max(ranked)
    return torch.tensor(best, device=state.device), score


@misconception(
    "beam_search",
    "what has ended is lost",
    hint="A hypothesis that has ended stays in the beam, and may be the best in the end.",
)
def beam_forgets(step, state, bos_id, eos_id, max_length, width, length_penalty):
    beam = [([], 0.0, state)]
    for _ in range(max_length):
        candidates = []
        for words, total, before in beam:
            last = torch.tensor([words[-1] if words else bos_id], device=state.device)
            logits, after = step(last, before)
            for word, log_probability in enumerate(logits[0].log_softmax(dim=0).tolist()):
                candidates.append(([*words, word], total + log_probability, after))
        beam = sorted(candidates, key=lambda h: h[1] / len(h[0]) ** length_penalty, reverse=True)[:width]
        going = [hypothesis for hypothesis in beam if hypothesis[0][-1] != eos_id]
        if not going:
            break
        beam = going
    words, total, _ = beam[0]
    return torch.tensor(words, device=state.device), total / len(words) ** length_penalty


exact = partial(edited, seq2seq, "exact_match")
exact_match = [
    exact(
        "sentence(prediction) == sentence(reference)",
        "all(one == other for one, other in zip(prediction, reference))",
        name="what follows eos is compared too",
        hint="After eos a row holds padding or noise: compare up to the first eos only.",
    ),
    exact(
        "tokens[: tokens.index(eos_id)] if eos_id in tokens else None",
        "tokens[: len(tokens) - 1 - tokens[::-1].index(eos_id)] if eos_id in tokens else None",
        name="cut at the last eos",
        hint="A sentence ends with its first eos, whatever follows.",
    ),
    exact(
        "tokens[: tokens.index(eos_id)] if eos_id in tokens else None",
        "tokens[: tokens.index(eos_id)] if eos_id in tokens else tokens",
        name="a prediction without eos counts",
        hint="A prediction without eos was cut off: the model had not decided to stop, so it is no match.",
    ),
    exact(
        "sentence(prediction) == sentence(reference)",
        "all(one == other for one, other in zip(sentence(prediction) or [None], sentence(reference)))",
        name="compared up to the shorter sentence",
        hint="zip stops at the shorter of the two, so a beginning counts as the whole. Compare the lengths too.",
    ),
    exact(
        "sentence(prediction) == sentence(reference)",
        "sorted(sentence(prediction) or []) == sorted(sentence(reference))",
        name="the order of the words does not count",
        hint="The same words in another order are another sentence.",
    ),
    exact(
        "    return sum(right) / len(right)",
        "    return float(sum(right))",
        name="a number of sentences instead of a share",
        hint="Divide by the number of sentences.",
    ),
    exact(
        "    return sum(right) / len(right)",
        "    return 100 * sum(right) / len(right)",
        name="in per cent",
        hint="A share lies between 0 and 1.",
    ),
    exact(
        "    return sum(right) / len(right)",
        "    return float(all(right))",
        name="all or nothing",
        hint="The share of right sentences, not whether all are right.",
    ),
    exact(
        "    return sum(right) / len(right)",
        "    return sum(right) / sum(eos_id in prediction for prediction in predictions.tolist())",
        name="a share of those that ended",
        hint="Predictions without eos are wrong, not absent: divide by the number of all sentences.",
    ),
    exact(
        "    if len(predictions) != len(references):\n"
        '        raise ValueError(f"{len(predictions)} predictions, but {len(references)} references")\n',
        "    predictions = predictions[: len(references)]\n",
        name="predictions too many are dropped silently",
        hint="Where the numbers differ something is wrong with the data: say so with ValueError and both numbers.",
    ),
]


@misconception(
    "exact_match",
    "words instead of sentences",
    hint="A sentence counts as right only if every one of its tokens is; the share of right words is another measure.",
)
def match_of_words(predictions, references, eos_id):
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions, but {len(references)} references")
    right = total = 0
    for prediction, reference in zip(predictions.tolist(), references.tolist(), strict=True):
        words = reference[: reference.index(eos_id) + 1]
        right += sum(one == other for one, other in zip(prediction, words, strict=False))
        total += len(words)
    return right / total


@misconception(
    "exact_match",
    "positions on the default device",
    hint="torch.arange without device= lives on the CPU, and the comparison fails where the tokens are on a GPU.",
)
def match_on_default_device(predictions, references, eos_id):
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions, but {len(references)} references")
    T = min(predictions.shape[1], references.shape[1])
    lengths = [(tokens == eos_id).int().argmax(dim=1) for tokens in (predictions, references)]
    real = torch.arange(T) < lengths[1][:, None]
    same = ((predictions[:, :T] == references[:, :T]) | ~real).all(dim=1) & (lengths[0] == lengths[1])
    return (same & (predictions == eos_id).any(dim=1)).double().mean().item()
