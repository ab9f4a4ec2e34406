"""A strict S3 server for tests: see README.md."""
