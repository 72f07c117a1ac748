"""Examples as people keep them, in tables, columns and JSON: files in, records out."""

from massivetext_keras.data.records.common import Problems, Record
from massivetext_keras.data.records.reading import FORMATS, read_records

__all__ = ["FORMATS", "Problems", "Record", "read_records"]
