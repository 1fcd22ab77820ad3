"""One package or module per CloudSuite product line: how its API is asked, paged, filtered and read."""
