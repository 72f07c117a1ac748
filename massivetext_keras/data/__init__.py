"""Texts to batches of features, labels and loss weights."""

from massivetext_keras.support.backend import require

require()

from massivetext_keras.data.batching.buckets import Batches, BucketedRows
from massivetext_keras.data.batching.epochs import TrainingBatches
from massivetext_keras.data.batching.sizes import Batching
from massivetext_keras.data.batching.texts import text_batches, text_example, text_rows
from massivetext_keras.data.batching.windows import training_batches, validation_batches
from massivetext_keras.data.objectives.base import (
    OBJECTIVES,
    Objective,
    make_objective,
    objective,
)
from massivetext_keras.data.objectives.cloze import cloze_questions
from massivetext_keras.data.objectives.contrast import contrastive_batches
from massivetext_keras.data.objectives.denoising import denoising_batches
from massivetext_keras.data.objectives.infilling import Infilling
from massivetext_keras.data.objectives.masked import Masking, masked_batches, scatter
from massivetext_keras.data.objectives.pairs import (
    enclosed,
    encode_pairs,
    pair_batches,
    start_id,
)
from massivetext_keras.data.objectives.spans import SpanCorruption
from massivetext_keras.data.records import Problems, Record, read_records
from massivetext_keras.data.shards.format import SIDES, is_shards, read_manifest
from massivetext_keras.data.shards.reader import Shards, open_shards
from massivetext_keras.data.shards.writer import write_shards
from massivetext_keras.text.conversations import (
    CHAT_TEMPLATES,
    ChatTemplate,
    as_rows,
    chat_ids,
    conversation_of,
    encode_conversations,
)
from massivetext_keras.text.documents import encode_documents, encoded_documents
from massivetext_keras.text.examples import (
    Answer,
    Conversation,
    LabeledText,
    Question,
    Span,
    TaggedText,
    TextPair,
)
from massivetext_keras.text.framing import (
    frame,
    framed,
    joined,
    max_text_tokens,
    padded,
    text_ids,
    utf8,
)
from massivetext_keras.text.jinja_templates import (
    JinjaTemplate,
    chat_template,
    is_jinja,
    jinja_source,
)
from massivetext_keras.text.separated_templates import SeparatedTemplate, separate
from massivetext_keras.text.strings import Texts, as_python, as_texts

__all__ = [
    "SeparatedTemplate",
    "separate",
    "jinja_source",
    "is_jinja",
    "chat_template",
    "JinjaTemplate",
    "Answer",
    "Batches",
    "Batching",
    "BucketedRows",
    "CHAT_TEMPLATES",
    "ChatTemplate",
    "Conversation",
    "Infilling",
    "LabeledText",
    "Masking",
    "OBJECTIVES",
    "Objective",
    "Problems",
    "Question",
    "Record",
    "SIDES",
    "Shards",
    "Span",
    "SpanCorruption",
    "TaggedText",
    "TextPair",
    "Texts",
    "TrainingBatches",
    "as_python",
    "as_rows",
    "as_texts",
    "chat_ids",
    "cloze_questions",
    "contrastive_batches",
    "conversation_of",
    "denoising_batches",
    "enclosed",
    "encode_conversations",
    "encode_documents",
    "encode_pairs",
    "encoded_documents",
    "frame",
    "framed",
    "is_shards",
    "joined",
    "masked_batches",
    "make_objective",
    "objective",
    "open_shards",
    "max_text_tokens",
    "padded",
    "pair_batches",
    "read_manifest",
    "read_records",
    "scatter",
    "start_id",
    "text_batches",
    "text_example",
    "text_ids",
    "text_rows",
    "training_batches",
    "utf8",
    "validation_batches",
    "write_shards",
]
