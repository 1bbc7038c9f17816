"""The stack on one machine: an embedded Redis and the five services under one supervisor, and how others find it."""
