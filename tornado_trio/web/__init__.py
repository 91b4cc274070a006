"""The web framework: applications, routing, handlers, static files.

```python
class Hello(web.RequestHandler):
    async def get(self):
        self.write("Hello, world")

app = web.Application([(r"/", Hello)])
```

An application is an async callable over an `Exchange`; whatever produces exchanges (our
server, a test network, an ASGI host) can serve it.

What an application of handlers needs is imported with it; the rest when first used.
"""

from typing import TYPE_CHECKING

from .._util.late import names_later
from ..exchange import DisconnectPolicy, critical, grace
from .application import Application
from .errors import Finish, HTTPError, MissingArgumentError
from .handler import RequestHandler
from .matchers import AnyMatches, DefaultHostMatches, HostMatches, Matcher, PathMatches
from .policies import max_body_size, on_disconnect, timeout
from .request import Request
from .rules import (
    ReversibleRouter,
    ReversibleRuleRouter,
    Router,
    Rule,
    RuleRouter,
    URLSpec,
)
from .ui import TemplateModule, UIModule

if TYPE_CHECKING:
    from ..wire.signing import (
        DEFAULT_SIGNED_VALUE_MIN_VERSION,
        DEFAULT_SIGNED_VALUE_VERSION,
        MAX_SUPPORTED_SIGNED_VALUE_VERSION,
        MIN_SUPPORTED_SIGNED_VALUE_VERSION,
        create_signed_value,
        decode_signed_value,
        get_signature_key_version,
    )
    from .credentials import Credentials, basic_credentials, bearer_token
    from .decorators import addslash, authenticated, removeslash, requires, stream_request_body
    from .forms import FormLimits, FormPart, FormParts, form_parts
    from .rendering import is_absolute
    from .static import StaticFileHandler
    from .stock import ErrorHandler, FallbackHandler, RedirectHandler
    from .transforms import GZipContentEncoding, OutputTransform
    from .urls import local_url
    from .websocket import WebSocketHandler

url = URLSpec

_LATER = {
    "DEFAULT_SIGNED_VALUE_MIN_VERSION": ".wire.signing",
    "DEFAULT_SIGNED_VALUE_VERSION": ".wire.signing",
    "MAX_SUPPORTED_SIGNED_VALUE_VERSION": ".wire.signing",
    "MIN_SUPPORTED_SIGNED_VALUE_VERSION": ".wire.signing",
    "Credentials": "credentials",
    "ErrorHandler": "stock",
    "FallbackHandler": "stock",
    "FormLimits": "forms",
    "FormPart": "forms",
    "FormParts": "forms",
    "GZipContentEncoding": "transforms",
    "OutputTransform": "transforms",
    "RedirectHandler": "stock",
    "StaticFileHandler": "static",
    "WebSocketHandler": "websocket",
    "addslash": "decorators",
    "authenticated": "decorators",
    "basic_credentials": "credentials",
    "bearer_token": "credentials",
    "create_signed_value": ".wire.signing",
    "decode_signed_value": ".wire.signing",
    "form_parts": "forms",
    "get_signature_key_version": ".wire.signing",
    "is_absolute": "rendering",
    "local_url": "urls",
    "removeslash": "decorators",
    "requires": "decorators",
    "stream_request_body": "decorators",
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
