"""Scores, and the choice of settings on development data."""
