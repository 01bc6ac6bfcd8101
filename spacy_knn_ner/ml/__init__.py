"""Numbers only: models and pooling that know no Doc beyond their tok2vec."""
