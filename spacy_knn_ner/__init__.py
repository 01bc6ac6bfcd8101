"""Named entity recognition that looks things up.

Importing the package is cheap: FAISS, torch and transformers are imported by
the components that need them, when they need them.
"""

__version__ = "0.1.0"
