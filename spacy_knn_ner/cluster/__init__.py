"""Building and annotating on many machines, with Ray."""
