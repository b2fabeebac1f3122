"""The training graph: encoded features, ids, ends, similar edges, and DGL's files."""
