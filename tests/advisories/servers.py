"""Forms and files (Starlette, Werkzeug), other servers, what h11 leaves to its user."""

from __future__ import annotations

from .line import HOSTILE, RAW, SECRETS, held

FORMS_AND_FILES = [
    held(
        "CVE-2023-29159",
        "whole path components are compared for static roots",
        "web/test_static.py::test_nothing_outside_is_served[../static_foo.txt]",
    ),
    held(
        "CVE-2023-30798, CVE-2023-25577",
        "the number of form parts is limited",
        "wire/test_formdata.py::test_defaults",
        "web/test_lifecycle.py::test_too_many_arguments",
    ),
    held(
        "CVE-2024-47874",
        "the size of fields in memory is limited",
        "web/test_forms.py::test_limits[max_in_memory]",
        "server/test_connection.py::test_body_too_large",
    ),
    held(
        "CVE-2025-54121",
        "large uploads do not block the loop",
        "web/test_forms.py::test_spool",
        "web/test_forms.py::test_back_pressure",
        "web/test_lifecycle.py::test_streamed_body_sets_its_pace",
    ),
    held(
        "CVE-2025-62727",
        "Range is parsed in linear time",
        "wire/test_values.py::test_range_is_linear",
    ),
    held(
        "CVE-2026-48710",
        "Host is validated before a URL is made of it",
        "security/test_web.py::test_a_bad_host_reaches_no_handler",
        "web/test_request.py::test_bad_host",
    ),
    held(
        "CVE-2026-54282",
        "targets start with / or are absolute or *",
        f"{RAW}[GET path HTTP/1.1]",
        f"{RAW}[javascript:alert(1)]",
    ),
    held(
        "NUL in static paths (starlette 1.0)",
        "404, not 500",
        "web/test_static.py::test_nul_is_not_found",
    ),
    held(
        "absolute static paths (starlette 1.1)",
        "refused",
        "web/test_static.py::test_nothing_outside_is_served",
    ),
    held(
        "CVE-2024-24762",
        "no ReDoS in Content-Type parameters",
        "wire/test_multipart.py::test_parameters_are_linear",
        "security/test_web.py::test_fields_cost_linear_time[Content-Type]",
    ),
    held(
        "CVE-2024-53981",
        "bytes around boundaries cost linear time and no log",
        "wire/test_multipart.py::test_linear",
        "security/test_web.py::test_bad_forms_are_one_line",
    ),
    held(
        "CVE-2026-24486",
        "a client's filename is never a path of ours",
        "web/test_forms.py::test_spool",
        "wire/test_multipart.py::test_heads[../f]",
    ),
    held(
        "python-multipart 0.0.27-0.0.31",
        "part headers, boundary and names are bounded; lengths not negative",
        "wire/test_multipart.py::test_limits[257]",
        "security/test_web.py::test_bad_forms_are_one_line[a long name]",
        f"{RAW}[-3]",
    ),
    held(
        "CVE-2026-28356",
        "no ReDoS in options of fields",
        "wire/test_multipart.py::test_parameters_are_linear",
    ),
    held(
        "CVE-2023-46136",
        "parts full of CR LF cost linear time",
        "wire/test_multipart.py::test_linear[\\r\\n]",
    ),
    held(
        "CVE-2023-23934",
        "a nameless cookie is not a named one",
        "wire/test_cookies.py::test_parse[=a=b]",
    ),
    held(
        "CVE-2020-28724",
        "no open redirect from //",
        "web/test_security.py::test_slashes_do_not_lead_elsewhere",
        "web/test_security.py::test_origin_as_browsers_see_it",
    ),
]


SERVERS = [
    held("CVE-2019-16785", "bare LF is refused", f"{RAW}[bare LF after a field]"),
    held(
        "CVE-2019-16786, 16789, 16792",
        "lists and odd blanks of Transfer-Encoding, double Content-Length are refused",
        f"{RAW}[chunked, chunked]",
        f"{RAW}[\\x0bchunked]",
        f"{RAW}[equal lengths twice]",
        f"{RAW}[two lengths]",
    ),
    held(
        "CVE-2020-5236",
        "field validation is linear",
        "security/test_checks.py::test_linear[blank value]",
        "security/test_web.py::test_fields_cost_linear_time",
    ),
    held(
        "CVE-2022-24761",
        "+10, 0x1 and illegal bytes of chunk extensions are refused",
        f"{RAW}[+3\\r\\n]",
        f"{RAW}[3;a\\x00]",
    ),
    held(
        "CVE-2024-49768",
        "after a framing error nothing more is processed",
        f"{RAW}[bad, then good]",
        "security/test_server.py::test_errors_say_that_the_connection_ends",
    ),
    held(
        "CVE-2024-49769",
        "a client that leaves early leaks nothing",
        "server/test_structure.py::test_reset_at_any_point_leaks_nothing",
        "server/test_corpus.py::test_truncated_anywhere",
    ),
    held(
        "CVE-2024-1135, CVE-2024-6827",
        "conflicting or unknown Transfer-Encoding is refused",
        f"{RAW}[xchunked]",
        f"{RAW}[Transfer-Encoding twice]",
    ),
    held(
        "CVE-2018-1000164",
        "CR LF in response fields is refused",
        "security/test_compat_server.py::test_wsgi_responses_cannot_split",
        "server/test_connection.py::test_response_splitting_is_refused",
    ),
    held(
        "CVE-2020-10108, 10109, CVE-2022-24801",
        "double lengths, both framings, odd sizes, LF in chunks are refused",
        f"{RAW}[two lengths]",
        f"{RAW}[chunked and length]",
        f"{RAW}[0x3]",
        f"{RAW}[3\\nabc]",
    ),
    held("CVE-2022-21712", "secrets stay in their origin", SECRETS),
    held(
        "CVE-2023-46137",
        "pipelined responses keep the order",
        "server/test_connection.py::test_pipelined_requests_keep_their_order",
    ),
    held(
        "CVE-2024-41810",
        "a redirect has no page to script",
        "security/test_web.py::test_a_redirect_has_no_page_to_script",
    ),
    held(
        "CVE-2023-39326",
        "the overhead of chunk extensions is bounded",
        f"{RAW}[chunk extensions out of proportion]",
        f"{HOSTILE}[endless small extensions]",
    ),
    held(
        "CVE-2011-3192",
        "many ranges do not multiply work",
        "web/test_static.py::test_ranges[0-0,]",
    ),
    held(
        "CVE-2021-23336",
        "; does not separate arguments",
        "wire/test_formdata.py::test_urlencoded[a=1;b=2]",
    ),
]


BEYOND_H11 = [
    held("Host", "validated", f"{RAW}[t:80:80]", f"{RAW}[[::1]", f"{RAW}[no Host]"),
    held("versions", "HTTP/2.0 is refused", f"{RAW}[HTTP/2.0]", f"{RAW}[preface of HTTP/2]"),
    held("both framings", "refused and closed", f"{RAW}[length and chunked]"),
    held("obs-fold, bare LF, controls", "refused", f"{RAW}[obs-fold]", f"{RAW}[in a value]"),
    held(
        "chunk extensions",
        "CR, NUL, an open quote and blanks after the size are refused",
        f"{RAW}[3;a\\rb]",
        f'{RAW}[3;a=\\"b]',
        f"{RAW}[3 \\r\\nabc]",
    ),
    held(
        "empty lines",
        "ignored before a request, unless they are a flood",
        f"{RAW}[one empty line before]",
        f"{RAW}[a flood of empty lines]",
    ),
    held(
        "time",
        "heads and bodies have deadlines, steps are bounded",
        "server/test_structure.py::test_slow_head",
        "server/test_structure.py::test_body_timeout",
        "security/test_server.py::test_a_body_does_not_keep_others_waiting",
    ),
    held(
        "persistence",
        "HTTP/1.0 keep-alive; nothing counts after close",
        f"{RAW}[HTTP/1.0 keep-alive]",
        f"{RAW}[after close not even garbage]",
    ),
]
