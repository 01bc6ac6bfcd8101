"""A datastore that many processes share, in PostgreSQL with pgvector.

    place       a block of a component's config     as Place
    home        transactions, and what others have changed
    schema      its tables
    server      a connection
    changes     changes of entries, as SQL
    examples    annotated texts                     as Examples
    rows        entries that are written there too  as Rows
    keys        keys that stay there                as Blocks
    index       search there                        as VectorIndex
    hnsw        approximate search                  as VectorIndex
    nearest     the query of both

A process keeps the entries without their keys in memory, 25 bytes each, and brings them
up to date before each batch; of corrections, which are few, also the keys.
"""
