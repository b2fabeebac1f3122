"""Where rows come from: graph sources, plain and in bulk, and what of a graph is read."""
