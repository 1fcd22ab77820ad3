"""SyteLine (CloudSuite Industrial): the IDO request service of Mongoose (reference cloudsuite-api §3)."""
