"""Methods with an underscore that programs call on a handler or an application, or override.

Each is upstream's in what it takes and returns; the work is done by the native functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tornado_trio._util.late import later
from tornado_trio.web import arguments, output, ui
from tornado_trio.web.answers import AnswerMethods

if TYPE_CHECKING:
    from tornado_trio.wire import signing
else:
    signing = later("tornado_trio.wire.signing", globals())

__all__ = ["ApplicationNames", "HandlerNames", "give_way"]


class HandlerNames:
    """For `RequestHandler`."""

    def _convert_header_value(self, value: Any) -> str:
        # The native methods look it up on the handler: what a program puts here takes effect.
        return output.header_value(value)

    def _decode_xsrf_token(
        self, cookie: str | bytes
    ) -> tuple[int | None, bytes | None, float | None]:
        """Version, token and time (seconds since the epoch); three times None when malformed."""
        return signing.decode_xsrf_token(cookie) or (None, None, None)

    def _ui_method(self, method: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: method(self, *args, **kwargs)

    def _get_argument(
        self, name: str, default: Any, source: Mapping[str, list[bytes]], strip: bool = True
    ) -> Any:
        return arguments.last(self, name, default, source, strip)  # type: ignore[arg-type]

    def _get_arguments(
        self, name: str, source: Mapping[str, list[bytes]], strip: bool = True
    ) -> list[Any]:
        return arguments.every(self, name, source, strip)  # type: ignore[arg-type]

    def _stack_context_handle_exception(
        self, kind: type[BaseException], error: BaseException, traceback: Any
    ) -> bool:
        """An error in a callback that an `@asynchronous` method made; True: it is dealt with."""
        if not isinstance(error, Exception):
            return False
        self._handle_request_exception(error)  # type: ignore[attr-defined]
        return True


class ApplicationNames:
    """For `Application`."""

    ui_methods: dict[str, Any]
    ui_modules: dict[str, Any]

    def _load_ui_methods(self, methods: Any) -> None:
        ui.collect_methods(self.ui_methods, methods)

    def _load_ui_modules(self, modules: Any) -> None:
        ui.collect_modules(self.ui_modules, modules)


#: What native handlers can do and Tornado's cannot.
_NATIVE_METHODS = tuple(name for name in vars(AnswerMethods) if not name.startswith("_"))


def give_way(cls: type) -> None:
    """Let a program's mixin have its method of a name that is new here, wherever in the bases it
    stands: `class Base(RequestHandler, JSONMixin)`, whose `json` Tornado's handler has not."""
    for name in _NATIVE_METHODS:
        owners = [base for base in cls.__mro__ if name in vars(base)]
        if len(owners) > 1 and owners[0] is AnswerMethods:
            setattr(cls, name, vars(owners[1])[name])
