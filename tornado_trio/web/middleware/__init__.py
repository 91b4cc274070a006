"""Ready-made middleware.

```python
from tornado_trio.web.middleware import CORS, Compression, SecurityHeaders

shop = CORS(["https://shop.example"])
Application(rules, middleware=[SecurityHeaders(), shop, Compression()])
```

The first of the list is outermost: it sees a request first and its answer last. `web.calls` says
how to write more.
"""

from ..calls import BodyFilter, Call, Middleware, Next, Response
from .compression import Compression
from .cors import CORS
from .etags import ETags
from .guards import HTTPSRedirect, SecurityHeaders, TrustedHosts
from .limits import RequestLimit, by_client
from .sessions import Session, Sessions

__all__ = [
    "BodyFilter",
    "CORS",
    "Call",
    "Compression",
    "ETags",
    "HTTPSRedirect",
    "Middleware",
    "Next",
    "RequestLimit",
    "Response",
    "SecurityHeaders",
    "Session",
    "Sessions",
    "TrustedHosts",
    "by_client",
]
