"""The ION API Gateway: tokens, rate window, and one package per product line behind it."""
