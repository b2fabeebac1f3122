"""What processing says of a graph: the data report, the search configuration, the memory it takes."""
