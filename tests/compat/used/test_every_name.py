"""Each name that programs are known to use has a small program that uses it, or is refused.

The list is `tests/upstream/data/used.json`: names private or incidental, found in public programs.
The programs are in the other modules of this folder; their values are those of the release that
the name is of (6.6.1, or 4.5.3 and 5.1.1 where those alone have it).
"""

from __future__ import annotations

import compat  # noqa: F401  isort: skip

import ast
import json
from functools import cache
from pathlib import Path

import pytest
from tornado._impl.refused import REFUSED

HERE = Path(__file__).parent
USED: list[list[str]] = json.loads(
    (HERE.parents[1] / "upstream" / "data" / "used.json").read_text()
)

#: (module or object, name) -> "module.test" of this folder, or "refused: name".
PROGRAMS: dict[tuple[str, str], str] = {
    ("tornado.web", "escape"): "modules.web_escape",
    ("tornado.web", "gen"): "modules.web_gen",
    ("tornado.web", "HTTPServer"): "modules.web_httpserver",
    ("tornado.httputil", "urlencode"): "modules.httputil_urlencode",
    ("tornado.iostream", "_ERRNO_CONNRESET"): "modules.iostream_errno_connreset",
    ("tornado.gen", "Future"): "modules.gen_future",
    ("tornado.simple_httpclient", "HTTPTimeoutError / HTTPStreamClosedError"): (
        "modules.errors_of_the_simple_client"
    ),
    ("tornado.web", "template"): "modules.web_template",
    ("tornado.websocket", "StreamClosedError"): "modules.websocket_stream_closed_error",
    ("tornado.auth", "urllib_parse"): "modules.auth_urllib_parse",
    ("tornado.web", "httputil"): "modules.web_httputil",
    ("tornado.web", "iostream"): "modules.web_iostream",
    ("tornado.ioloop", "time"): "modules.ioloop_time",
    ("tornado.web", "_unicode"): "modules.web_unicode",
    ("tornado.escape", "json"): "modules.escape_json",
    ("tornado.escape", "_unicode"): "modules.escape_unicode",
    ("tornado.escape", "_UTF8_TYPES"): "modules.escape_utf8_types",
    ("tornado.web", "_ARG_DEFAULT"): "modules.web_arg_default",
    ("tornado.web", "_ArgDefaultMarker"): "modules.web_arg_default_marker",
    ("tornado.web", "_time_independent_equals"): "modules.web_time_independent_equals",
    ("tornado.web", "_O"): "modules.web_o",
    ("tornado.options", "_LogFormatter"): "modules.options_log_formatter",
    ("tornado.httpserver", "_BadRequestException"): "modules.httpserver_bad_request_exception",
    ("tornado.httputil", "_parse_header"): "modules.httputil_parse_header",
    ("tornado.httputil", "_parse_request_range / _get_content_range"): "modules.httputil_ranges",
    ("tornado.httputil", "_parseparam"): "modules.httputil_parseparam",
    ("tornado.ioloop", "_Timeout"): "modules.ioloop_timeout",
    ("tornado.auth", "_auth_return_future"): "modules.auth_return_future",
    ("tornado.auth", "_oauth10a_signature"): "modules.auth_oauth10a_signature",
    ("tornado.auth", "_oauth_parse_response"): "modules.auth_oauth_parse_response",
    ("tornado.util", "_websocket_mask"): "modules.util_websocket_mask",
    ("tornado.process", "_reseed_random"): "modules.process_reseed_random",
    ("tornado.process", "_pipe_cloexec"): "modules.process_pipe_cloexec",
    ("tornado.process", "Subprocess._waiting"): "modules.process_subprocess_waiting",
    ("tornado.netutil", "_client_ssl_defaults / _DEFAULT_BACKLOG"): "modules.netutil_defaults",
    ("request.connection.stream", "read_bytes / read_until_close"): "streams.request_stream_read",
    ("request.connection.stream", "closed / writing / socket / close / write / fileno"): (
        "streams.request_stream_looked_at"
    ),
    ("request.connection.stream", "set_close_callback"): "streams.request_stream_close_callback",
    ("request.connection.stream", "read_bytes(n, callback) before the body is read"): (
        "refused: tornado.httpserver.HTTPConnection._on_headers"
    ),
    ("request.connection.stream", "_closed"): "streams.request_stream_closed_attribute",
    (
        "request.connection.stream",
        "_write_buffer, _read_buffer_size, max_buffer_size, isinstance(IOStream)",
    ): ("streams.request_stream_back_pressure"),
    ("ws_connection.stream", "socket"): "streams.websocket_stream_socket",
    ("ws_connection.stream", "_write_buffer"): "streams.websocket_stream_write_buffer",
    ("ws_connection.stream", "_add_io_state"): "streams.websocket_stream_add_io_state",
    ("WebSocketHandler", "stream"): "streams.websocket_handler_stream",
    ("request", "_start_time"): "handlers.request_start_time",
    ("request.headers", "_dict"): "handlers.headers_dict",
    ("request.headers", "_as_list"): "handlers.headers_as_list",
    ("request.connection", "no_keep_alive"): "handlers.connection_no_keep_alive",
    ("request.connection", "context.address / protocol / remote_ip"): "handlers.connection_context",
    ("request.connection", "str(context), type(context)"): "handlers.context_as_text",
    ("request.connection", "_request_headers / _request_start_line"): (
        "handlers.connection_request_line_and_headers"
    ),
    ("request.connection", "_chunking_output"): "handlers.connection_chunking_output",
    ("tornado.httpserver", "_HTTPRequestContext"): "handlers.http_request_context",
    ("tornado.http1connection", "_QuietException / _ExceptionLoggingContext"): (
        "modules.quiet_exception"
    ),
    ("tornado.http1connection", "_GzipMessageDelegate"): "modules.gzip_message_delegate",
    (
        "tornado.http1connection",
        "HTTP1Connection._parse_headers / _read_message / _can_keep_alive overridden",
    ): ("handlers.http1connection_overridden"),
    ("tornado.http1connection", "HTTP1ServerConnection._server_request_loop"): (
        "handlers.server_request_loop_overridden"
    ),
    ("RequestHandler", "_execute"): "handlers.execute_wrapped",
    ("RequestHandler", "_transforms"): "handlers.transforms_assigned",
    ("RequestHandler", "_auto_finish"): "handlers.auto_finish",
    ("RequestHandler", "_handle_request_exception"): "handlers.handle_request_exception_overridden",
    ("RequestHandler", "_decode_xsrf_token (with _get_raw_xsrf_token)"): (
        "handlers.decode_xsrf_token"
    ),
    ("RequestHandler", "_write_buffer"): "handlers.write_buffer",
    ("RequestHandler", "_status_code, _reason, _headers, _finished, _headers_written"): (
        "handlers.state_of_a_response"
    ),
    ("RequestHandler", "_current_user"): "handlers.current_user_assigned",
    ("RequestHandler", "_when_complete / _execute_method"): (
        "refused: tornado.web.RequestHandler._when_complete"
    ),
    ("RequestHandler", "_new_cookie"): "handlers.new_cookie",
    ("RequestHandler", "_stack_context_handle_exception"): (
        "handlers.stack_context_handle_exception"
    ),
    ("RequestHandler", "_ui_module"): "handlers.ui_module_called",
    ("RequestHandler", "_convert_header_value"): "handlers.convert_header_value_patched",
    ("RequestHandler", "_ui_method, _get_argument(s)"): "handlers.ui_method_and_get_arguments",
    ("Application", "default_router.rules / wildcard_router.rules"): "modules.router_inside",
    ("Application", "_load_ui_modules / _load_ui_methods"): "handlers.load_ui_modules_later",
    ("Application", "_get_host_handlers"): "refused: tornado.web.Application._get_host_handlers",
    ("tornado.web", "_HandlerDelegate / _ApplicationRouter / _UIModuleNamespace"): (
        "modules.own_routers_of_web"
    ),
    ("StaticFileHandler", "_get_cached_version"): "handlers.cached_version_patched",
    ("HTTPServer", "_sockets"): "modules.httpserver_sockets",
    ("HTTPServer", "_connections"): "handlers.connections_of_a_server",
    ("IOLoop", "_callbacks and _timeouts"): "loops.callbacks_and_timeouts",
    ("IOLoop", "_running"): "loops.running",
    ("IOLoop", "_handlers"): "loops.handlers_of_4",
    ("IOLoop", "_instance"): "loops.instance",
    ("IOLoop", "_closing"): "loops.closing",
    ("IOLoop", "_stopped"): "loops.stopped",
    ("IOLoop", "_thread_ident"): "loops.thread_ident",
    ("IOLoop", "_current"): "loops.current",
    ("IOLoop", "_ioloop_for_asyncio"): "loops.ioloop_for_asyncio",
    ("IOLoop", "handlers (6.x dict)"): "loops.handlers",
    ("tornado.ioloop", "_POLL_TIMEOUT"): "loops.poll_timeout",
    ("tornado.ioloop", "_Select / _poll / _EPoll"): "refused: tornado.ioloop._Select",
    ("PeriodicCallback", "_schedule_next, _run, _update_next, _running, _timeout, _next_timeout"): (
        "loops.periodic_callback_overridden"
    ),
    ("tornado.stack_context", "_state.contexts"): "modules.stack_context_state",
    ("tornado.gen", "Runner"): "modules.gen_runner_patched",
    ("tornado.gen", "_make_coroutine_wrapper"): "modules.gen_make_coroutine_wrapper",
    ("IOStream", "_read_buffer_size"): "streams.read_buffer_size",
    ("IOStream", "_add_io_state"): "streams.add_io_state_after_a_read_given_up",
    ("IOStream", "_state / _read_future / _read_callback reset"): "streams.state",
    ("IOStream", "_read_callback = None"): "streams.read_callback_reset",
    ("IOStream", "_close_callback = None"): "streams.close_callback_reset",
    ("IOStream", "_write_buffer"): "streams.write_buffer",
    ("IOStream", "_read_buffer (as a bytearray)"): "streams.read_buffer",
    ("IOStream", "_maybe_add_error_listener"): "streams.maybe_add_error_listener",
    ("IOStream", "_handle_events / _handle_read / _handle_write"): (
        "streams.handlers_of_events_overridden"
    ),
    ("IOStream", "_maybe_run_close_callback / _signal_closed"): (
        "streams.maybe_run_close_callback_wrapped"
    ),
    ("SSLIOStream", "_do_ssl_handshake"): "streams.do_ssl_handshake",
    ("WebSocketProtocol13", "client_terminated / server_terminated"): "clients.terminated_flags",
    ("WebSocketHandler", "get_websocket_protocol + _WebSocketParams"): (
        "clients.get_websocket_protocol_overridden"
    ),
    ("WebSocketProtocol13", "_abort"): "clients.abort",
    ("WebSocketProtocol13", "_accept_connection"): "clients.accept_connection_overridden",
    ("WebSocketProtocol13", "last_ping / last_pong"): "clients.last_ping_and_pong",
    ("WebSocketProtocol13", "_handle_message"): "clients.handle_message_overridden",
    ("tornado.websocket", "_websocket_mask"): "clients.websocket_mask_patched",
    ("WebSocketProtocol13", "_apply_mask"): (
        "refused: tornado.websocket.WebSocketProtocol13._apply_mask"
    ),
    ("WebSocketClientConnection", "tcp_client.connect replaced"): (
        "clients.websocket_client_tcp_client"
    ),
    ("SimpleAsyncHTTPClient", "active / queue / waiting / max_clients / _process_queue"): (
        "clients.queue_of_the_simple_client"
    ),
    ("tornado.simple_httpclient", "_HTTPConnection, _connection_class, _handle_request"): (
        "clients.connections_of_the_simple_client"
    ),
    ("SimpleAsyncHTTPClient", "tcp_client.connect replaced on the instance"): (
        "clients.simple_client_tcp_client_patched"
    ),
    ("CurlAsyncHTTPClient", "_free_list / _curls"): "clients.free_handles_of_curl",
    ("CurlAsyncHTTPClient", "_curl_setup_request / _curl_create"): (
        "clients.curl_create_and_setup_overridden"
    ),
    ("tornado.httpclient", "_RequestProxy"): "clients.request_proxy",
    ("AsyncHTTPClient", "_Configurable__impl_kwargs"): "clients.implementation_arguments",
    ("tornado.autoreload", "_reload"): "loops.reload_replaced",
    ("tornado.autoreload", "_reload_attempted"): "loops.reload_attempted",
    ("tornado.autoreload", "_reload_hooks"): "loops.reload_hooks",
    ("tornado.autoreload", "_check_file"): "loops.check_file_wrapped",
    ("tornado.autoreload", "_watched_files"): "loops.watched_files",
    ("tornado.autoreload", "_reload_on_update"): "loops.reload_on_update",
    (
        "tornado.template",
        "_ApplyBlock, _Expression, _CodeWriter, _File, _TemplateReader, _ChunkList, ... (template.file.body.chunks)",  # noqa: E501
    ): ("modules.template_nodes"),
    ("tornado.template", "_UNSET"): "modules.template_unset",
    ("BaseLoader", "_create_template"): "modules.loader_create_template",
    ("tornado.options", "options._options"): "modules.options_of_a_parser",
    ("tornado.options", "logging (assigned)"): "modules.options_logging_assigned",
    ("tornado.locale", "_translations / _supported_locales"): "modules.locale_tables",
    ("tornado.locale", "_supported_locales"): "modules.locale_supported_locales_replaced",
    ("tornado.log", "_stderr_supports_color"): "modules.log_stderr_supports_color",
    ("tornado.testing", "_AsyncTestCase__stopped / __failure / __stop_args"): (
        "modules.async_test_case_state"
    ),
    ("Queue/Lock", "_queue, _getters, _putters, _waiters, _init/_put/_get"): (
        "modules.queue_and_lock_inside"
    ),
    ("tornado.tcpclient", "_Connector"): "modules.tcpclient_connector",
}


@cache
def programs_in(module: str) -> set[str]:
    tree = ast.parse((HERE / f"test_{module}.py").read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, functions)}


def test_the_table_is_complete() -> None:
    assert [tuple(entry) for entry in USED] == list(PROGRAMS)


@pytest.mark.parametrize(("used", "program"), PROGRAMS.items(), ids=lambda given: str(given))
def test_each_has_a_program_or_a_reason(used: tuple[str, str], program: str) -> None:
    where, _, name = program.partition(": " if program.startswith("refused") else ".")
    if where == "refused":
        assert name in REFUSED
    else:
        assert f"test_{name}" in programs_in(where)


def test_no_program_stands_for_two_names() -> None:
    programs = [program for program in PROGRAMS.values() if not program.startswith("refused")]
    assert len(set(programs)) == len(programs)
