"""The contract as a graph: decode, resize, and encode inside the served model, the same for every client."""
