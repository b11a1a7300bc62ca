"""`python -m tests.chaos`, or `make chaos`: processes are killed at random moments, and nothing may be lost or left."""
