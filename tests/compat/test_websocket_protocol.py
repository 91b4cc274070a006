"""`tornado.websocket`: what peers do wrong, offers, limits, protocol classes."""

import compat  # noqa: F401, I001 - first: makes `tornado` ours

import asyncio

import pytest
from tornado.testing import gen_test

from .websocket_peer import Base, Peer, frame


class ProtocolTest(Base):
    @gen_test
    async def test_what_peers_do_wrong(self) -> None:
        for data, code in [
            (frame(1, b"x", mask=False), 1002),
            (frame(8, b"\x03\xec"), 1002),
            (frame(8, b"\x03"), 1002),
            (frame(1, b"\xff"), 1007),
            (frame(1, b"\xed\xa0\x80", False), 1007),
            (frame(1, b"x" * 1001), 1009),
            (b"\x81\xff" + b"\0\0\0\0\x7f\0\0\0", 1009),
            (frame(3), 1002),
            (frame(0, b"x"), 1002),
        ]:
            peer, handler = await self.peer()
            peer.send(data)
            assert await peer.close_code() == code, data
            peer.sock.close()
            assert await self.settle(handler) == ["open", ("close", None, None)]

    @gen_test
    async def test_limit_applies_to_inflated_messages(self) -> None:
        client = await self.connect("/deflating", compression_options={})
        await client.write_message("a" * 1000)
        assert await client.read_message() == "a" * 1000
        await client.write_message("a" * 1001)
        assert await client.read_message() is None
        assert client.close_code == 1009

    @gen_test
    async def test_refused_upgrades(self) -> None:
        for fields, status in [
            ({"start": "HTTP/1.0"}, 400),
            ({"Upgrade": "h2c"}, 400),
            ({"Connection": "close"}, 400),
            ({"Sec_WebSocket_Key": ""}, 400),
            ({"Sec_WebSocket_Version": "8"}, 426),
            ({"Origin": "http://elsewhere.test"}, 403),
            ({"Origin": "http://["}, 403),
            ({"Sec_Fetch_Site": "cross-site"}, 403),
        ]:
            peer = Peer(self.get_http_port())
            answer = await peer.shake(**fields)
            assert int(answer.split()[1]) == status, (fields, answer)
            peer.sock.close()

    @gen_test
    async def test_extension_offers(self) -> None:
        offer = "permessage-deflate; "
        for parameters, accepted in [
            ("client_no_context_takeover", True),
            ("client_max_window_bits", True),
            ("server_max_window_bits=10", True),
            ("server_max_window_bits=99", False),
            ("server_max_window_bits", False),
            ("client_max_window_bits=x", False),
            ("whatever=1", False),
        ]:
            peer = Peer(self.get_http_port())
            answer = await peer.shake("/deflating", Sec_WebSocket_Extensions=offer + parameters)
            assert answer.startswith("HTTP/1.1 101"), parameters
            assert ("permessage-deflate" in answer) is accepted, parameters
            peer.sock.close()
        peer = Peer(self.get_http_port())
        answer = await peer.shake("/deflating", Sec_WebSocket_Extensions="permessage-deflate; =")
        assert answer.startswith("HTTP/1.1 400")
        peer.sock.close()

    @gen_test
    async def test_a_protocol_class_of_the_programs_own(self) -> None:
        peer, _ = await self.peer("/shouting")
        peer.send(frame(1, b"hush"))
        assert await peer.frame() == (1, b"HUSH")

    @gen_test
    async def test_limits_of_control_frames(self) -> None:
        _, handler = await self.peer()
        with pytest.raises(ValueError):
            handler.ping(b"x" * 126)
        with pytest.raises(ValueError):
            handler.close(1000, "x" * 124)
        assert not handler.ws_connection.is_closing()  # type: ignore[union-attr]

    @gen_test
    async def test_pongs_do_not_pile_up(self) -> None:
        peer, handler = await self.peer()
        handler.write_message(b"x" * 8_000_000, binary=True)
        for number in range(2000):
            peer.send(frame(9, b"%04d" % number))
        await asyncio.sleep(0.2)
        assert handler.ws_connection._native.unsent < 8_001_000  # type: ignore[union-attr]
        peer.reset()
        await self.settle(handler)
