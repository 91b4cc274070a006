"""The web framework: applications, routing, handlers, static files.

```python
class Hello(web.RequestHandler):
    async def get(self):
        self.write("Hello, world")

app = web.Application([(r"/", Hello)])
```

An application is an async callable over an `Exchange`; whatever produces exchanges (our
server, a test network, an ASGI host) can serve it.

WebSocketHandler and streamed forms are imported when first used: most programs need neither.
"""

from typing import TYPE_CHECKING

from .._util.late import names_later
from ..exchange import DisconnectPolicy, critical, grace
from ..wire.signing import (
    DEFAULT_SIGNED_VALUE_MIN_VERSION,
    DEFAULT_SIGNED_VALUE_VERSION,
    MAX_SUPPORTED_SIGNED_VALUE_VERSION,
    MIN_SUPPORTED_SIGNED_VALUE_VERSION,
    create_signed_value,
    decode_signed_value,
    get_signature_key_version,
)
from .application import Application
from .decorators import addslash, authenticated, removeslash, requires, stream_request_body
from .errors import Finish, HTTPError, MissingArgumentError
from .handler import RequestHandler
from .matchers import AnyMatches, DefaultHostMatches, HostMatches, Matcher, PathMatches
from .policies import max_body_size, on_disconnect, timeout
from .rendering import is_absolute
from .request import Request
from .rules import (
    ReversibleRouter,
    ReversibleRuleRouter,
    Router,
    Rule,
    RuleRouter,
    URLSpec,
)
from .static import StaticFileHandler
from .stock import ErrorHandler, FallbackHandler, RedirectHandler
from .transforms import GZipContentEncoding, OutputTransform
from .ui import TemplateModule, UIModule
from .urls import local_url

if TYPE_CHECKING:
    from .credentials import Credentials, basic_credentials, bearer_token
    from .forms import FormLimits, FormPart, FormParts, form_parts
    from .websocket import WebSocketHandler

url = URLSpec

_LATER = {
    "Credentials": "credentials",
    "FormLimits": "forms",
    "FormPart": "forms",
    "FormParts": "forms",
    "WebSocketHandler": "websocket",
    "basic_credentials": "credentials",
    "bearer_token": "credentials",
    "form_parts": "forms",
}

__all__ = [
    "DEFAULT_SIGNED_VALUE_MIN_VERSION",
    "DEFAULT_SIGNED_VALUE_VERSION",
    "MAX_SUPPORTED_SIGNED_VALUE_VERSION",
    "MIN_SUPPORTED_SIGNED_VALUE_VERSION",
    "AnyMatches",
    "Application",
    "Credentials",
    "DefaultHostMatches",
    "DisconnectPolicy",
    "ErrorHandler",
    "FallbackHandler",
    "Finish",
    "FormLimits",
    "FormPart",
    "FormParts",
    "GZipContentEncoding",
    "HTTPError",
    "HostMatches",
    "Matcher",
    "MissingArgumentError",
    "OutputTransform",
    "PathMatches",
    "RedirectHandler",
    "Request",
    "RequestHandler",
    "ReversibleRouter",
    "ReversibleRuleRouter",
    "Router",
    "Rule",
    "RuleRouter",
    "StaticFileHandler",
    "TemplateModule",
    "UIModule",
    "URLSpec",
    "WebSocketHandler",
    "addslash",
    "authenticated",
    "basic_credentials",
    "bearer_token",
    "create_signed_value",
    "critical",
    "decode_signed_value",
    "form_parts",
    "get_signature_key_version",
    "grace",
    "is_absolute",
    "local_url",
    "max_body_size",
    "on_disconnect",
    "removeslash",
    "requires",
    "stream_request_body",
    "timeout",
    "url",
]

__getattr__, __dir__ = names_later(globals(), _LATER)
