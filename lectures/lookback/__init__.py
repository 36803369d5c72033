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
    AgreementBatch,
    Buckets,
    ImageBatch,
    LanguageBatch,
    Minibatches,
    QuestionBatch,
    TranslationBatch,
    Vocabulary,
    agreement_vocabulary,
    batch_agreement,
    batch_images,
    batch_language,
    batch_questions,
    batch_translations,
    language_vocabulary,
    load_agreement,
    load_images,
    load_language,
    load_question_answering,
    load_translation,
    question_vocabulary,
    translation_vocabularies,
)
from lookback.device import pick_device
from lookback.exercises import Progress, progress
from lookback.memory import peak_memory
from lookback.plots import PALETTE, new_figure, plot_attention, plot_curves, show_figure, show_with_slider
from lookback.seeds import seed_everything
from lookback.selfcheck import NotYet, self_check
from lookback.training import History, fit

__all__ = [
    "PALETTE",
    "AgreementBatch",
    "Buckets",
    "Claim",
    "ClaimFailed",
    "ClaimsTable",
    "History",
    "ImageBatch",
    "LanguageBatch",
    "Minibatches",
    "NotYet",
    "Progress",
    "QuestionBatch",
    "TranslationBatch",
    "Vocabulary",
    "agreement_vocabulary",
    "batch_agreement",
    "batch_images",
    "batch_language",
    "batch_questions",
    "batch_translations",
    "claim",
    "claims_table",
    "fit",
    "language_vocabulary",
    "load_agreement",
    "load_images",
    "load_language",
    "load_question_answering",
    "load_translation",
    "new_figure",
    "peak_memory",
    "pick_device",
    "plot_attention",
    "plot_curves",
    "progress",
    "question_vocabulary",
    "seed_everything",
    "self_check",
    "show_figure",
    "show_with_slider",
    "translation_vocabularies",
]
