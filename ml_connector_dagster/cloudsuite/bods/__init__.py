"""Business object documents: what ION pushes, as records of the same entities that are read."""
