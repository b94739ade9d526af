"""Who gets in, and what a browser may do with what it gets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terminal_task_gen.viewer.guard import HEADERS
from tests.viewer.conftest import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROUTES = (
    *("", "page/index.html", "api/runs", "api/compare", "api/events", "api/runs/sample", "api/runs/sample/funnel"),
    *("api/runs/sample/trajectories", "api/runs/sample/tasks", "api/runs/sample/notes", "nowhere"),
)


@pytest.mark.parametrize("path", ROUTES)
async def test_nothing_is_given_without_the_token(client: Client, path: str) -> None:
    async with client.session.get(client.viewer.address + path) as answer:
        assert answer.status == 401
        assert (await answer.json())["error"]["code"] == "unauthorized"


async def test_the_entrance_gives_a_strict_cookie_and_strips_the_token(client: Client) -> None:
    client.session.cookie_jar.clear()
    async with client.session.get(client.viewer.entrance, allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"]
        text = await answer.text()
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert client.viewer.token not in text and 'content="0;url=/"' in text
    name, _, value = cookie.split(";")[0].partition("=")
    async with client.session.get(client.viewer.address + "api/runs", cookies={name: value}) as answer:
        assert answer.status == 200
    assert name.endswith(str(client.viewer.port)), "two servers on one host must not share a cookie"


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 32])
async def test_a_wrong_token_does_not_get_in(client: Client, token: str) -> None:
    async with client.session.get(client.viewer.address, params={"token": token}) as answer:
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", ""]
)
async def test_another_host_name_is_refused_even_with_the_token(client: Client, host: str) -> None:
    answer = await client.ask("api/runs", headers={"Host": host})
    assert (answer.status, answer.data["error"]["code"]) == (403, "bad_host")


async def test_localhost_is_this_machine_too_behind_any_tunnel(client: Client) -> None:
    assert (await client.ask("api/runs", headers={"Host": "localhost:9999"})).status == 200


@pytest.mark.parametrize("path", ["", "api/runs", "api/runs/nobody", "nowhere", "page/../server.py"])
async def test_every_answer_has_the_headers(client: Client, path: str) -> None:
    answer = await client.ask(path)
    for name in HEADERS:
        assert name in answer.headers, name
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy and "unsafe-eval'" not in policy.replace("wasm-unsafe-eval'", "")


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
async def test_changes_come_from_our_own_page_only(client: Client, headers: dict[str, str]) -> None:
    row_id = (await client.get("api/runs/sample/trajectories?limit=1"))["rows"][0]["id"]
    answer = await client.ask(
        f"api/runs/sample/notes/{row_id}", method="PUT", json={"labels": [], "text": "x"}, headers=headers
    )
    assert (answer.status, answer.data["error"]["code"]) == (403, "bad_origin")


@pytest.mark.parametrize(
    "path",
    ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "/etc/passwd", "..%5cserver.py", "a/../../guard.py", "\x00"],
)
async def test_no_way_out_of_the_page_folder(client: Client, path: str) -> None:
    """Sent as they are: a client library would tidy them up."""
    answer = await send_raw(client, f"GET /page/{path} HTTP/1.1")
    assert b" 404 " in answer.split(b"\r\n")[0] or b" 400 " in answer.split(b"\r\n")[0], answer[:200]
    assert b"import" not in answer


@pytest.mark.parametrize("row_id", ["..%2f..%2fconfig.yaml", "%2e%2e", "..%2frun.json%00", ".hidden", "a%2fb"])
async def test_no_way_out_of_the_recordings(client: Client, sample_run: Path, row_id: str) -> None:
    answer = await send_raw(client, f"GET /api/runs/sample/trajectories/{row_id}/recording HTTP/1.1")
    assert b" 404 " in answer.split(b"\r\n")[0] or b" 400 " in answer.split(b"\r\n")[0], answer[:200]


async def test_it_listens_on_the_loopback_address_alone(client: Client) -> None:
    listening = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f":{client.viewer.port:04X}"
    assert [local for local, _, state in listening if local.endswith(port) and state == "0A"] == [f"0100007F{port}"]


async def send_raw(client: Client, request_line: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.viewer.port)
    lines = (request_line, f"Host: 127.0.0.1:{client.viewer.port}", f"Authorization: Bearer {client.viewer.token}")
    writer.write(("\r\n".join(lines) + "\r\nConnection: close\r\n\r\n").encode())
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer
