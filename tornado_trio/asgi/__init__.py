"""ASGI both ways.

```python
asgi_app = AsgiApp(app)  # an Application of ours, under any ASGI server
app = web.Application([("/shop/.*", mount(django_app, "/shop"))])  # the other way round
```

`AsgiApp` runs in pure trio if the server does (Hypercorn's trio worker, which brings HTTP/2
and HTTP/3), and as a guest of an asyncio loop (uvicorn, granian, Daphne). A mounted application
that needs asyncio runs where asyncio does: `tornado_trio.run(..., asyncio=True)`, or compat.
"""

from .hosting import AsgiApp
from .mounting import Mount, mount
from .types import AsgiApplication, Message, Receive, Scope, Send

__all__ = [
    "AsgiApp",
    "AsgiApplication",
    "Message",
    "Mount",
    "Receive",
    "Scope",
    "Send",
    "mount",
]
