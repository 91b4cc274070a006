"""What is written into an annotation counts, or is refused with file and line."""

from __future__ import annotations

import dataclasses
import types
from typing import Annotated, Any, TypedDict

import msgspec
import pytest

from tornado_trio import api

pydantic = pytest.importorskip("pydantic", reason="its marks are refused where it is installed")
fields = pytest.importorskip("pydantic.fields", reason="comes with pydantic")
annotated_types = pytest.importorskip("annotated_types", reason="comes with pydantic")
Gt = annotated_types.Gt


def nothing() -> None: ...


class Query:
    """Another framework's."""

    __module__ = "fastapi.params"


class Size(fields.FieldInfo):  # type: ignore[misc]
    """A library's over pydantic."""

    __slots__ = ()

    def __init__(self, default: str) -> None:
        super().__init__(default=default)


@dataclasses.dataclass
class Inner:
    size: Annotated[int, Gt(0)]


class Outer(TypedDict):
    inner: list[Inner]


class Struct(msgspec.Struct):
    name: Annotated[str, api.Header]


class Marked(msgspec.Struct):
    name: Annotated[str, api.Header()]


def made(annotation: Any, default: Any = ..., returned: Any = None) -> Any:
    """A method that takes `x`."""

    async def with_default(x: Any = default) -> None: ...
    async def without(x: Any) -> None: ...

    function: types.FunctionType = without if default is ... else with_default  # type: ignore[assignment]
    function.__annotations__ = {"x": annotation, "return": returned}
    return function


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Annotated[str, api.Header], r"parameter 'x': Header is a class; write Header\(\)"),
        (Annotated[str, api.Header] | None, r"Header is a class"),
        (Annotated[str, api.Cookie], r"Cookie is a class"),
        (Annotated[list[int], api.Body], r"Body is a class"),
        (Annotated[str, api.Bearer], r"Bearer is a class"),
        (Annotated[int, api.Depends], r"Depends is a class"),
        (Annotated[int, api.Status(200)], r"Status\(.*\) says nothing here"),
        (Annotated[str, api.Header(), api.Query()], "more than one source"),
        (Annotated[str, api.Query(), api.Depends(nothing)], "more than one source"),
        (list[Annotated[str, api.Query()]], "belongs beside the whole type"),
        (list[Annotated[str, api.Query]], "Query is a class"),
        (Annotated[int, Gt(0)], r"Gt\(gt=0\) would not be looked at; write msgspec.Meta"),
        (list[Annotated[int, Gt(0)]], "would not be looked at"),
        (Annotated[str, Query()], "take the one of tornado_trio.api"),
        (Outer, r"Inner.size: Gt\(gt=0\) would not be looked at"),
        (Struct, r"Struct.name: Header is a class"),
        (Marked, r"Marked.name: Header\(.*\) says nothing in a class"),
    ],
)
def test_marks_that_would_say_nothing(annotation: Any, message: str) -> None:
    function = made(annotation)
    with pytest.raises(api.SignatureError, match=message) as caught:
        api.Application().post("/")(function)
    code = function.__code__
    assert str(caught.value).startswith(f"{code.co_filename}:{code.co_firstlineno}: ")


@pytest.mark.parametrize(
    "default",
    [api.Header(), api.Header, api.Depends(nothing), Query(), pydantic.Field(), Size("")],
)
def test_marks_are_no_defaults(default: Any) -> None:
    with pytest.raises(api.SignatureError, match=r"parameter 'x': \w+ is no default"):
        api.Application().get("/")(made(str, default))


def test_what_is_returned() -> None:
    for returned, message in (
        (Annotated[int, api.Status], "what it returns: Status is a class"),
        (Annotated[int, api.Header()], r"Header\(.*\) says nothing here"),
    ):
        with pytest.raises(api.SignatureError, match=message):
            api.Application().get("/")(made(int, 1, returned))


def test_dependencies_are_called_by_us() -> None:
    with pytest.raises(TypeError, match="takes a function, which it calls itself: None"):
        api.Depends(nothing())  # type: ignore[func-returns-value,arg-type]


def test_what_others_say_beside_us_is_theirs() -> None:
    app = api.Application()
    app.get("/")(made(Annotated[str, "a note", api.Header(), msgspec.Meta(max_length=3)]))
    [parameter] = app.openapi()["paths"]["/"]["get"]["parameters"]
    assert (parameter["in"], parameter["schema"]["maxLength"]) == ("header", 3)
