"""Verbs that make and change a store."""
