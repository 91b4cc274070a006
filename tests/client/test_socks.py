"""SOCKS5 negotiation, byte by byte."""

from __future__ import annotations

import pytest

from tornado_trio.client.errors import InvalidRequest, ProxyError
from tornado_trio.client.socks import negotiate


def play(answers: list[bytes], *args: object) -> list[bytes]:
    """Drive a negotiation with `answers`; what was sent, or its exception."""
    steps = negotiate(*args)  # type: ignore[arg-type]
    sent = []
    ask = next(steps)
    for answer in answers:
        assert len(answer) == ask.read
        sent.append(ask.data)
        try:
            ask = steps.send(answer)
        except StopIteration:
            return sent
    raise AssertionError(f"not finished; wants {ask}")


OK4 = [b"\x05\x00\x00\x01", b"\0" * 6]


def test_name_without_login() -> None:
    sent = play([b"\x05\x00", *OK4], "a.test", 80)
    assert sent == [b"\x05\x01\x00", b"\x05\x01\x00\x03\x06a.test\x00\x50", b""]


def test_addresses() -> None:
    assert play([b"\x05\x00", *OK4], "127.0.0.1", 80)[1] == b"\x05\x01\x00\x01\x7f\0\0\x01\0\x50"
    assert play([b"\x05\x00", *OK4], "::1", 80)[1] == b"\x05\x01\x00\x04" + b"\0" * 15 + b"\x01\0P"


def test_login() -> None:
    sent = play([b"\x05\x02", b"\x01\x00", *OK4], "a.test", 80, "me", "secret")
    assert sent[:2] == [b"\x05\x02\x00\x02", b"\x01\x02me\x06secret"]
    assert play([b"\x05\x00", *OK4], "a.test", 80, "me", "secret")[0] == b"\x05\x02\x00\x02"


def test_bound_addresses_are_read_whole() -> None:
    play([b"\x05\x00", b"\x05\x00\x00\x04", b"\0" * 18], "a.test", 80)
    play([b"\x05\x00", b"\x05\x00\x00\x03", b"\x05", b"\0" * 7], "a.test", 80)


@pytest.mark.parametrize(
    "answers",
    [
        [b"HT"],
        [b"\x05\xff"],
        [b"\x05\x02"],
        [b"\x05\x00", b"\x05\x05\x00\x01"],
        [b"\x05\x00", b"\x05\x63\x00\x01"],
        [b"\x05\x00", b"\x04\x00\x00\x01"],
        [b"\x05\x00", b"\x05\x00\x00\x09"],
    ],
)
def test_refusals(answers: list[bytes]) -> None:
    with pytest.raises(ProxyError) as caught:
        play(answers, "a.test", 80)
    assert caught.value.phase == "proxy"


def test_bad_login() -> None:
    with pytest.raises(ProxyError, match="refused the user name"):
        play([b"\x05\x02", b"\x01\x01"], "a.test", 80, "me", "x")


def test_what_does_not_fit() -> None:
    with pytest.raises(InvalidRequest):
        play([b"\x05\x00"], "a" * 256, 80)
    with pytest.raises(InvalidRequest):
        play([b"\x05\x02"], "a.test", 80, "u" * 256, "x")
