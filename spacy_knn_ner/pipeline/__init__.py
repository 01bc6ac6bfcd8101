"""The factories a user adds to `nlp`, one file each, and what they share."""
