"""`spacy knn …`: one file per verb."""
