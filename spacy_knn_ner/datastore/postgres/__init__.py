"""A datastore that many processes share, in PostgreSQL with pgvector.

    schema      its tables
    server      a connection
    examples    annotated texts                     as ExampleStore
    entry_ids   the ids of rows there
    keys        keys that stay there                as Blocks
    rows        entries that are written there too  as Rows
    index       search there                        as VectorIndex
    shared      transactions, and what others have changed
    moving      from files to a server and back

A process keeps the entries without their keys in memory, 25 bytes each, and brings them
up to date before each batch; of corrections, which are few, also the keys.
"""
