"""Who may talk to the server, and what a browser may do with what it gets.

A page of another site can make a browser on this machine send requests here, and can give its own name the address
127.0.0.1. So a request must name this machine in its Host header, must come with the token (a cookie that browsers do
not send along for other sites, or a header for programs), and a change must come from our own page.
"""

from __future__ import annotations

import hmac
import html
import re
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from terminal_task_gen.viewer.answers import refuse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

POLICY = "; ".join(
    (
        "default-src 'none'",
        # asciinema-player's terminal is WebAssembly.
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::\d{1,5})?", re.ASCII)
_ENTER = (
    '<!doctype html><meta charset="utf-8"><title>ttg view</title><link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0;url={}">'
)


class Guard:
    """Knows the token. `middleware` is the outermost of the server's."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)

    def check(self, request: web.Request) -> web.StreamResponse | None:
        """An answer instead of the one that was asked for, or None: let it in."""
        if not _HOST.fullmatch(request.headers.get("Host", "")):
            return refuse(403, "bad_host", "the Host header must be 127.0.0.1 or localhost")
        if request.method not in ("GET", "HEAD") and not self._is_own_page(request):
            return refuse(403, "bad_origin", "changes are accepted from this server's own page only")
        if request.path == "/" and "token" in request.query:
            if self._is_token(request.query["token"]):
                return self._let_in(request)
        elif self._has_token(request):
            return None
        return refuse(401, "unauthorized", "open the address that ttg view printed: it holds the token")

    def _let_in(self, request: web.Request) -> web.Response:
        # Not a redirect: on one that another site's link began, the browser would hold the strict cookie back.
        answer = web.Response(text=_ENTER.format(html.escape(request.path)), content_type="text/html")
        answer.set_cookie(name_cookie(request), self.token, httponly=True, samesite="Strict", path="/")
        return answer

    def _has_token(self, request: web.Request) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._is_token(given.strip())
        return self._is_token(request.cookies.get(name_cookie(request), ""))

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.token.encode())

    def _is_own_page(self, request: web.Request) -> bool:
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site")
        return site in (None, "same-origin") and origin in (None, f"http://{request.headers.get('Host', '')}")


def name_cookie(request: web.Request) -> str:
    """Cookies know no ports: without it in the name, two servers would put each other out."""
    socket = request.transport.get_extra_info("sockname") if request.transport else None
    return f"ttg_view_{socket[1] if socket else 0}"


def add_headers(answer: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    answer.headers["Server"] = "ttg"
