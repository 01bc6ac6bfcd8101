"""Rendering: entities with their evidence for notebooks, and pages of reports.

entities.py   `render(docs, knn)`
pages.py      reports and tuning, one HTML file each     plots.py   their SVG plots
"""

from .entities import render

__all__ = ["render"]
