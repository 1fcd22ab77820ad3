"""The source: Infor CloudSuite through the ION API Gateway. Nothing is ever written to it."""
