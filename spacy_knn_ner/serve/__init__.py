"""`spacy knn serve`: see, ask and correct in a browser. Needs the extra `serve`."""
