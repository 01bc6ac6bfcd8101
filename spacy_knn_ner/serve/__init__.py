"""`spacy knn serve`: see, explain and correct in a browser. Needs the extra `serve`."""
