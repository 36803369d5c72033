"""The course's data, one module per kind; every set is generated from a seed, so nothing is downloaded."""

from lookback.data.batches import Minibatches
from lookback.data.question_answering import (
    QuestionBatch,
    batch_questions,
    load_question_answering,
    question_vocabulary,
)
from lookback.data.vocabulary import Vocabulary

__all__ = [
    "Minibatches",
    "QuestionBatch",
    "Vocabulary",
    "batch_questions",
    "load_question_answering",
    "question_vocabulary",
]
