"""A datastore on disk.

saving.py         what is written, and read back
persistence.py    numbered generations: old or new, never half of one
manifest.py       what a generation holds: types are checked
saved_files.py    SHA-256 of files: compared before use, carried over unchanged
key_file.py       keys as a FAISS file
migration.py      older formats
"""
