"""Public formats → Docs."""
