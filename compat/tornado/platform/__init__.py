"""Where Tornado meets an event loop: `asyncio`, `trio` (ours), and bridges to others."""
