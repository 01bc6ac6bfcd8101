"""Re-rankers: BERTScore, fuzzy match. None of them: the engine's order."""
