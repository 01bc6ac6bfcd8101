"""The annotated texts of a datastore.

base      their queries, in any database
rows      how a text is stored
sqlite    in a file or in memory
"""
