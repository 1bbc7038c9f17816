"""What `pairstream bench` runs: the whole chain under load beside the bare chain of socket, XADD and XREAD."""
