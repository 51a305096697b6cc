"""The official Python client (SDK 1.x, Streamable HTTP with sessions) against the servers of the examples.

Usage: clients.py EXAMPLE URL
"""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def call(session, tool, **arguments):
    result = await session.call_tool(tool, arguments)
    assert not result.isError, f"{tool}: {result.content}"
    value = json.loads(result.content[0].text)
    assert result.structuredContent == value, f"{tool}: text and structured content differ"
    return value


async def audit(session):
    user = await call(session, "create_user", name="Alice", email="alice@example.com")
    assert user["status"] == "success" and user["email"] == "alice@example.com", user
    updated = await call(session, "update_user", user_id=user["user_id"], updates={"role": "admin"})
    assert updated["updated_fields"] == ["role"], updated
    await call(session, "delete_user", user_id=user["user_id"], reason="account closed")
    log = await call(session, "get_audit_log", log_name="user_operations")
    assert [entry["tool"] for entry in log["entries"]] == ["delete_user", "update_user", "create_user"], log
    events = await call(session, "get_audit_log", log_name="security_events", begin=0, limit=5)
    assert events["count"] == 1 and events["entries"][0]["new_role"] == "admin", events


async def steps(session):
    created = await call(session, "create_user_with_profile", username="alice", email="alice@example.com", bio="Engineer")
    user = await call(session, "get_user", user_id=created["user_id"])
    assert user["user"] == {"username": "alice", "email": "alice@example.com"}, user
    profile = await call(session, "get_profile", profile_id=created["profile_id"])
    assert profile["profile"]["bio"] == "Engineer" and profile["profile"]["avatar_url"] == "", profile
    missing = await call(session, "get_user", user_id="nobody")
    assert missing == {"status": "error", "message": "User not found"}, missing


async def processing(session):
    paid = await call(session, "process_payment", amount=99.99, currency="USD", description="a book")
    assert paid["payment"]["status"] == "completed", paid
    record = await call(session, "get_payment", transaction_id=paid["payment"]["transaction_id"])
    assert record["payment"]["description"] == "a book", record
    retried = await call(session, "process_payment", amount=10.01)
    assert retried["status"] == "success", retried
    refused = await call(session, "process_payment", amount=10, currency="XYZ")
    assert refused["error_type"] == "PaymentRejectedError" and refused["retryable"] is False, refused
    rate = await call(session, "fetch_exchange_rate", from_currency="EUR", to_currency="USD")
    assert rate["data"]["from"] == "EUR" and rate["data"]["rate"] > 0, rate


async def document(session):
    await call(session, "upload_file", file_id="doc-1", content="Hello, world.", metadata={"author": "alice"})
    job = await call(session, "process_document", file_id="doc-1", target_language="es")
    if job["status"] == "success":
        assert job["result"].startswith("[es] "), job
        status = await call(session, "get_job_status", job_id=job["job_id"])
        assert status["job"]["status"] == "completed", status
    else:
        # The simulated services fail at random.
        assert job["step"] in ("ocr", "translation"), job
    missing = await call(session, "get_job_status", job_id="nothing")
    assert missing == {"status": "error", "message": "Job not found"}, missing


async def define(session):
    for term, definition in [("API", "An interface."), ("REST", "A style."), ("Apiary", "Where bees live.")]:
        added = await call(session, "add_term", term=term, definition=definition, category="web", examples=["one"])
        assert added["status"] == "success", added
    found = await call(session, "define", term="rest")
    assert found["term"]["definition"] == "A style.", found
    search = await call(session, "search_terms", prefix="ap")
    assert [term["term"] for term in search["terms"]] == ["API", "Apiary"], search
    recent = await call(session, "recent_terms", limit=1)
    assert recent["recent_terms"][0]["term"] == "Apiary", recent
    assert (await call(session, "browse_category", category="web"))["count"] == 3
    assert (await call(session, "remove_term", term="REST"))["message"] == "Removed 'REST' from glossary"
    assert (await call(session, "list_terms"))["count"] == 2


async def main(example, url):
    async with streamablehttp_client(url) as (read, write, session_id):
        async with ClientSession(read, write) as session:
            await session.initialize()
            assert session_id(), "the server gives a session"
            tools = await session.list_tools()
            assert all(tool.description for tool in tools.tools), "a tool has no description"
            await globals()[example](session)
    print(f"{example}: as expected")


asyncio.run(main(*sys.argv[1:]))
