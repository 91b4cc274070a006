"""Tornado's template language: templates compiled to Python functions.

```python
loader = Loader("templates")
page = loader.load("page.html").generate(title="Hello")
```

Pure: no I/O but reading template files, no event loop. A template that awaits
(``{{ await expression }}``, ``{% async for ... %}``, ``{% await expression %}``) is run by
`Template.generate_async` or `Template.stream`.

A template holds Python code: use no template that you would not import.
"""

from tornado_trio.template.errors import ParseError
from tornado_trio.template.loader import BaseLoader, DictLoader, Loader
from tornado_trio.template.template import Template
from tornado_trio.template.whitespace import filter_whitespace

__all__ = ["BaseLoader", "DictLoader", "Loader", "ParseError", "Template", "filter_whitespace"]
