"""Lookback: the library that every lecture and assignment of the course imports.

It holds the data, the training loop, the plots and the claims, so that a notebook can spend its cells on ideas.
Importing it runs no tensor operation and starts no thread.

Example:
    >>> import lookback as lb
    >>> generator = lb.seed_everything(4)
    >>> stories = lb.load_question_answering(8, hops=2, seed=4)
"""

from lookback.claims import Claim, ClaimFailed, ClaimsTable, claim, claims_table
from lookback.data import (
    Minibatches,
    QuestionBatch,
    Vocabulary,
    batch_questions,
    load_question_answering,
    question_vocabulary,
)
from lookback.device import pick_device
from lookback.plots import PALETTE, new_figure, plot_attention, plot_curves, show_figure
from lookback.seeds import seed_everything
from lookback.selfcheck import NotYet, self_check
from lookback.training import History, fit

__all__ = [
    "PALETTE",
    "Claim",
    "ClaimFailed",
    "ClaimsTable",
    "History",
    "Minibatches",
    "NotYet",
    "QuestionBatch",
    "Vocabulary",
    "batch_questions",
    "claim",
    "claims_table",
    "fit",
    "load_question_answering",
    "new_figure",
    "pick_device",
    "plot_attention",
    "plot_curves",
    "question_vocabulary",
    "seed_everything",
    "self_check",
    "show_figure",
]
