"""Bytes to events and back: HTTP, headers, forms, cookies, ranges. No I/O, no trio."""
