"""A datastore in Qdrant, which many processes share.

Points are never changed, only added, and marked as removed: each has the version of the
change that added it, and perhaps that of the one that removed it. A change writes its
points with the next version and then, in one step, makes that the version of the
datastore. So a reader sees it as a whole or not at all, and what was interrupted is
taken back by the next one.
"""
