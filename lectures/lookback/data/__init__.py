"""The course's data, one module per kind; every set but the images is generated from a seed, and none is downloaded.

Real sets stand behind the same functions where they are asked for by name: `load_translation(source="opus_books")`.
"""

from lookback.data.agreement import AgreementBatch, agreement_vocabulary, batch_agreement, load_agreement
from lookback.data.batches import Buckets, Minibatches
from lookback.data.images import ImageBatch, batch_images, load_images
from lookback.data.language import LanguageBatch, batch_language, language_vocabulary, load_language
from lookback.data.question_answering import (
    QuestionBatch,
    batch_questions,
    load_question_answering,
    question_vocabulary,
)
from lookback.data.translation import (
    TranslationBatch,
    batch_translations,
    load_translation,
    translation_vocabularies,
)
from lookback.data.vocabulary import Vocabulary

__all__ = [
    "AgreementBatch",
    "Buckets",
    "ImageBatch",
    "LanguageBatch",
    "Minibatches",
    "QuestionBatch",
    "TranslationBatch",
    "Vocabulary",
    "agreement_vocabulary",
    "batch_agreement",
    "batch_images",
    "batch_language",
    "batch_questions",
    "batch_translations",
    "language_vocabulary",
    "load_agreement",
    "load_images",
    "load_language",
    "load_question_answering",
    "load_translation",
    "question_vocabulary",
    "translation_vocabularies",
]
