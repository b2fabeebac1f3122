"""An earlier snapshot of the graph: its order goes on, and how far the graph has moved since."""
