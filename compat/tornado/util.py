"""`tornado.util`: small helpers that the other modules and many programs share."""

from __future__ import annotations

import importlib
from typing import Any


#: A deadline passed in `with_timeout`, `run_sync` and their like: the builtin, as since 6.2.
TimeoutError = TimeoutError


def import_object(name: str) -> Any:
    """The module, or the object in a module, of a dotted name. ImportError if missing."""
    if "." not in name:
        return importlib.import_module(name)
    module_name, _, attribute = name.rpartition(".")
    module = importlib.import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        try:
            return importlib.import_module(name)
        except ImportError:
            raise ImportError(f"No module named {attribute!r} in {module_name!r}") from None


class Configurable:
    """Base of interfaces whose implementation can be chosen at run time.

    The constructor of the base makes an instance of the class set by `configure`
    (`configurable_default()` otherwise) and calls its `initialize` with the arguments,
    which stands where `__init__` would.
    """

    __impl_class: type[Configurable] | None = None
    __impl_kwargs: dict[str, Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        base = cls.configurable_base()
        options: dict[str, Any] = {}
        if cls is base:
            impl = cls.configured_class()
            if base.__impl_kwargs:
                options.update(base.__impl_kwargs)
        else:
            impl = cls
        options.update(kwargs)
        if impl.configurable_base() is not base:
            # The implementation is itself such an interface.
            return impl(*args, **options)
        instance = super().__new__(impl)
        instance.initialize(*args, **options)
        return instance

    @classmethod
    def configurable_base(cls) -> Any:
        """The class whose `configure` decides: the root of the hierarchy."""
        raise NotImplementedError

    @classmethod
    def configurable_default(cls) -> Any:
        """The implementation when none was configured."""
        raise NotImplementedError

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Set up the instance; subclasses use this instead of `__init__`."""

    @classmethod
    def configure(cls, impl: Any, **kwargs: Any) -> None:
        """Choose the implementation (a class or its dotted name; None for the default).

        `kwargs` are given to `initialize` of every instance.
        """
        base = cls.configurable_base()
        if isinstance(impl, str):
            impl = import_object(impl)
        if impl is not None and not issubclass(impl, cls):
            raise ValueError(f"Invalid subclass of {cls}")
        base.__impl_class = impl
        base.__impl_kwargs = kwargs

    @classmethod
    def configured_class(cls) -> Any:
        """The implementation in force."""
        base = cls.configurable_base()
        if base.__dict__.get("_Configurable__impl_class") is None:
            base.__impl_class = cls.configurable_default()
        return base.__impl_class

    @classmethod
    def _save_configuration(cls) -> tuple[Any, Any]:
        base = cls.configurable_base()
        return (base.__impl_class, base.__impl_kwargs)

    @classmethod
    def _restore_configuration(cls, saved: tuple[Any, Any]) -> None:
        base = cls.configurable_base()
        base.__impl_class, base.__impl_kwargs = saved
