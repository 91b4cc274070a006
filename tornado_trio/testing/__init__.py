"""Testing without ports and sleeps: an in-memory network running the real server.

```python
async def test_hello(autojump_clock):
    async with memory_server(app) as server:
        response = await server.get("/hello")
        assert response.body == b"Hello"
```

`server.client()` is the HTTP client, for JSON, forms, cookies and streams; `server.connect()` sends
bytes as they are.
"""

from .leaks import Leaked, no_leaks
from .server import MemoryServer, RawClient, RawResponse, memory_server

__all__ = ["Leaked", "MemoryServer", "RawClient", "RawResponse", "memory_server", "no_leaks"]
