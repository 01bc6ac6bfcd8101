"""What datastores in databases have in common, whichever database it is."""
