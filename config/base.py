"""The base of every settings model: frozen, strict about unknown keys, documented by its field docstrings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A block of configuration.

    Unknown keys are errors. The string literal below a field becomes its description in the JSON Schema and in
    `docs/configuration.md`; it says the unit and the effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
