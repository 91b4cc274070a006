"""Typed handlers: parameters and responses by annotation, and an OpenAPI document from the same
annotations.

```python
from tornado_trio import api

app = api.Application(title="Orders")

@app.get("/orders/{id:int}")
async def order(id: int, store: Annotated[Store, api.Depends(open_store)]) -> Order:
    return await store.order(id)

class Orders(api.Handler):
    async def get(self, limit: Annotated[int, Meta(le=100)] = 20) -> list[Order]: ...
    async def post(self, order: NewOrder) -> Annotated[Order, api.Status(201)]: ...

app.add("/orders", Orders)
```

Types are those of msgspec (extra `api`): structs, dataclasses, attrs classes, TypedDict, enums,
dates, UUIDs, constraints in ``Annotated[..., msgspec.Meta(...)]``; pydantic's models where it is
installed. Errors are problem details (RFC 9457).
"""

try:
    import msgspec as _msgspec  # noqa: F401
except ImportError as error:  # pragma: no cover - an environment without the extra
    raise ImportError("tornado_trio.api needs msgspec: pip install 'tornado-trio[api]'") from error

from .application import Application, Router
from .dependencies import Depends
from .handlers import Handler, TypedMethods
from .parameters import Body, Cookie, Form, Header, Path, Query, UploadFile
from .problems import Fault, Problem
from .responses import Response, Status, raises
from .security import ApiKey, Basic, Bearer, Credentials
from .signatures import SignatureError
from .sockets import Conversation, Socket

__all__ = [
    "ApiKey",
    "Application",
    "Basic",
    "Bearer",
    "Body",
    "Conversation",
    "Cookie",
    "Credentials",
    "Depends",
    "Fault",
    "Form",
    "Handler",
    "Header",
    "Path",
    "Problem",
    "Query",
    "Response",
    "Router",
    "SignatureError",
    "Socket",
    "Status",
    "TypedMethods",
    "UploadFile",
    "raises",
]
