"""The five services. None imports another: they meet in Redis Streams only."""
