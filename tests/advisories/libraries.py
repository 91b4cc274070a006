"""h11, wsproto, websockets, hypercorn, uvicorn; aiohttp."""

from __future__ import annotations

from .line import HOSTILE, RAW, TWICE, held, not_ours

PROTOCOL_LIBRARIES = [
    held(
        "CVE-2025-43859 (h11)",
        "the two bytes after chunk data are CRLF; h11 >= 0.16",
        "security/test_checks.py::test_h11_is_recent_enough",
        f"{RAW}[3\\r\\nabcXX0]",
        f"{HOSTILE}[a chunk without its end]",
    ),
    held(
        "h11 #181",
        "a huge Content-Length is refused before int()",
        f"{RAW}[length of 5000 digits]",
        f"{HOSTILE}[a huge length]",
    ),
    held(
        "h11 0.9's loose values",
        "0x01-0x1f but TAB, and 0x7f, are refused in values",
        f"{RAW}[in a value]",
        f"{HOSTILE}[DEL in a value]",
        "wire/test_headers.py::test_value_bytes",
    ),
    held(
        "CVE-2018-1000518 (websockets)",
        "the message limit applies to the decompressed size",
        "wire/websocket/test_ws_reader.py::test_limit_on_the_inflated_size",
        "wire/websocket/test_ws_deflate.py::test_bomb_stops_at_the_limit",
        "compat/test_websocket_protocol.py::test_limit_applies_to_inflated_messages",
    ),
    held(
        "CVE-2021-33880 (websockets)",
        "secrets are compared in constant time",
        "security/test_checks.py::test_signatures_are_compared_in_constant_time",
    ),
    held(
        "websockets 16.1, 17.0",
        "no credentials across origins in handshakes; limits are answered 414 or 431",
        "security/test_websocket.py::test_the_handshake_follows_no_redirect",
        "security/test_websocket.py::test_limits_of_the_handshake",
    ),
    held(
        "hypercorn 0.6.0: TLS handshake",
        "has a timeout",
        "net/test_tls.py::test_handshake_has_a_deadline",
    ),
    held(
        "hypercorn 0.6.0: pipelining",
        "reading stops while a response is pending",
        "server/test_structure.py::test_read_ahead_is_bounded",
    ),
    held(
        "wsproto 1.0",
        "invalid window bits are no 5xx",
        "websocket/test_ws_server.py::test_bad_offers_are_declined",
        "compat/test_websocket_protocol.py::test_extension_offers",
    ),
    held(
        "CVE-2020-7694 (uvicorn)",
        "log lines carry no decoded controls",
        "server/test_options.py::test_log_lines_carry_no_controls",
        "web/test_security.py::test_log_lines_carry_no_decoded_controls",
    ),
    held(
        "CVE-2020-7695 (uvicorn)",
        "CR and LF in response fields are refused",
        "server/test_connection.py::test_response_splitting_is_refused",
        "security/test_compat_server.py::test_wsgi_responses_cannot_split",
    ),
    held(
        "CVE-2020-35678 (autobahn)",
        "handshakes cannot be injected into",
        "security/test_websocket.py::test_handshakes_cannot_inject",
        "security/test_websocket.py::test_the_handshake_follows_no_redirect",
    ),
    held(
        "CVE-2021-32640 (ws)",
        "handshake fields are parsed in linear time",
        "wire/websocket/test_ws_extensions.py::test_parse_is_linear",
        "security/test_checks.py::test_linear[subprotocols]",
        "security/test_websocket.py::test_odd_fields_crash_nothing",
    ),
    held(
        "granian: non-ASCII subprotocols",
        "no crash on non-ASCII handshake fields",
        "security/test_websocket.py::test_odd_fields_crash_nothing",
        "websocket/test_ws_server.py::test_odd_subprotocols",
    ),
]


AIOHTTP = [
    held(
        "CVE-2021-21330",
        "paths are never redirected to //host",
        "web/test_static.py::test_no_open_redirect",
        "web/test_security.py::test_slashes_do_not_lead_elsewhere",
    ),
    held(
        "CVE-2023-37276",
        "CR, LF, NUL in values are refused",
        f"{RAW}[in a value]",
        "web/test_output.py::test_header_values",
    ),
    held(
        "CVE-2023-47627, CVE-2024-23829",
        "separators, versions, methods, digits exactly as in the RFC",
        f"{RAW}[HTTP/+1.1]",
        f"{RAW}[G(T / HTTP/1.1]",
        f"{HOSTILE}[other digits]",
        "wire/test_http1_differential.py::test_heads",
    ),
    held(
        "CVE-2023-47641",
        "Content-Length beside Transfer-Encoding is refused",
        f"{RAW}[length and chunked]",
        f"{HOSTILE}[length and chunks]",
    ),
    held(
        "GHSA-pjjw-qhg8-p2p9",
        "lenient parsing is off",
        "server/test_corpus.py::test_there_are_enough_cases",
        "wire/test_http1.py::test_lenient_dialect",
    ),
    held(
        "CVE-2023-49081, CVE-2023-49082",
        "clients validate method and target",
        "security/test_clients.py::test_methods_cannot_inject",
        "security/test_clients.py::test_targets_cannot_inject",
        "security/test_clients.py::test_native_targets_cannot_inject",
        "wire/test_http1.py::test_requests_that_may_not_be_sent",
    ),
    held(
        "CVE-2024-23334",
        "the static root holds when symlinks are followed",
        "web/test_static.py::test_symlinks_stay_inside",
        "web/test_static.py::test_allowed_symlinks",
    ),
    held(
        "CVE-2024-27306, CVE-2024-42367",
        "precompressed variants stay in the root (directories are not listed)",
        "web/test_static.py::test_precompressed_siblings_stay_inside",
    ),
    held(
        "CVE-2024-30251",
        "malformed multipart never loops",
        "wire/test_multipart.py::test_truncated",
        "wire/test_multipart.py::test_cuts_do_not_matter",
    ),
    held(
        "CVE-2024-52303",
        "nothing is kept for unmatched requests",
        "web/test_rules.py::test_nothing_is_kept_for_unknown_paths",
        "web/test_lifecycle.py::test_requests_leave_no_cycles",
        "wire/test_headers.py::test_name_caches_are_bounded",
        "wire/test_values.py::test_host_cache_is_bounded",
    ),
    held(
        "CVE-2024-52304",
        "LF in a chunk extension is refused",
        f"{RAW}[3;a\\nb]",
        f"{HOSTILE}[LF in an extension]",
    ),
    held(
        "CVE-2025-53643",
        "trailers are parsed as trailers",
        "server/test_connection.py::test_trailers_are_delivered",
        f"{RAW}[trailers without end]",
        f"{HOSTILE}[a bad trailer]",
    ),
    held(
        "CVE-2025-69223",
        "decompression of requests is bounded",
        "server/test_options.py::test_bad_gzip_request[bomb]",
    ),
    held(
        "CVE-2025-69224",
        "ASCII digits only",
        f"{RAW}[\\xb2]",
        f"{HOSTILE}[other digits as length]",
    ),
    held(
        "CVE-2025-69225",
        "ASCII digits only in Range",
        "web/test_static.py::test_ranges[\\u0661]",
        "wire/test_values.py::test_parse_range",
    ),
    held(
        "CVE-2025-69226",
        "one answer for existing and missing files outside the root",
        "web/test_static.py::test_existence_outside_is_not_told",
    ),
    held(
        "CVE-2025-69227",
        "no asserts for control flow",
        "security/test_checks.py::test_asserts_check_no_input",
        TWICE,
    ),
    held(
        "CVE-2025-69228",
        "the size limit covers the whole form",
        "server/test_connection.py::test_body_too_large",
        "web/test_forms.py::test_limits[max_in_memory]",
    ),
    held(
        "CVE-2025-69229",
        "many small chunks cost linear time",
        "wire/test_http1.py::test_many_one_byte_chunks_cost_linear_time",
        "security/test_server.py::test_a_body_does_not_keep_others_waiting",
    ),
    held(
        "CVE-2025-69230",
        "bad cookies produce one log line at most",
        "security/test_web.py::test_bad_cookies_flood_no_log",
    ),
    held(
        "CVE-2026-22815",
        "heads and trailers are bounded",
        f"{RAW}[header block too large]",
        f"{RAW}[trailers too large]",
        f"{HOSTILE}[endless trailers]",
        "client/test_hostile.py::test_an_endless_head_costs_no_memory",
    ),
    not_ours(
        "CVE-2026-34514, CVE-2026-50269",
        "multipart headers of clients refuse CR, LF, NUL",
        "no client of ours writes multipart bodies",
    ),
    held(
        "CVE-2026-34516, CVE-2026-34517",
        "part headers are bounded while they are read",
        "wire/test_multipart.py::test_limits",
        "security/test_web.py::test_bad_forms_are_one_line[a long head]",
    ),
    held(
        "CVE-2026-34519",
        "CR in the reason is refused",
        f"{HOSTILE}[CR in the reason]",
        "wire/test_http1.py::test_status_lines_that_may_not_be_sent",
    ),
    held(
        "CVE-2026-34520",
        "clients refuse NUL and controls in response fields",
        f"{HOSTILE}[NUL in a value]",
        f"{HOSTILE}[a control in a value]",
    ),
    held(
        "CVE-2026-34525",
        "two Hosts are refused",
        f"{RAW}[two Hosts]",
        "web/test_request.py::test_two_hosts",
    ),
    held(
        "CVE-2026-54273",
        "pipelined requests are bounded",
        "server/test_structure.py::test_read_ahead_is_bounded",
    ),
    held(
        "CVE-2026-54274",
        "the message limit is checked on the announced length",
        "wire/websocket/test_ws_reader.py::test_announced_length_is_enough",
        "wire/websocket/test_ws_reader.py::test_limit_counts_all_fragments",
    ),
    held(
        "CVE-2026-54277",
        "the line limit holds across reads",
        "security/test_server.py::test_a_request_split_anywhere_is_bounded_all_the_same",
        f"{HOSTILE}[an endless line]",
    ),
    held(
        "aiohttp 3.14.1",
        "cookies and digest credentials stay in their origin",
        "security/test_clients.py::test_digest_credentials_are_of_one_origin",
        "client/test_cookies.py::test_host_only_and_domain",
    ),
]
