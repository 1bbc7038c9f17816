"""What each part of the page is sent: pure functions from the store to JSON-ready payloads, one part a module."""
