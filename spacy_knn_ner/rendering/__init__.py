"""Entities with their evidence, in notebooks and pages: `render(docs, knn)`."""

from .render import render

__all__ = ["render"]
