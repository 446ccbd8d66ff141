"""YAML files that people write: read with line numbers, validated, every problem reported at once."""

from documents.problems import InvalidDocumentsError, Problem
from documents.reading import Document, read_document
from documents.validation import refused, validate

__all__ = ["Document", "InvalidDocumentsError", "Problem", "read_document", "refused", "validate"]
