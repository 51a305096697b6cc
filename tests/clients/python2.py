"""The official Python SDK 2.x, in both revisions."""

import asyncio

from mcp import Client, types

from server import Server


async def check(mode):
    server = Server()
    asked = []

    async def answer(_context, params):
        asked.append(params.message)
        if mode == "2026-07-28":
            # The question is put in place of the result: nothing is lost when the server dies before the answer.
            await asyncio.to_thread(server.restart)
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async with Client(server.url, elicitation_callback=answer, mode=mode) as client:
        greeted = await client.call_tool("greet", {"name": "Ada"})
        assert greeted.structured_content["text"] == "Hello, Ada!", greeted

        result = await client.call_tool("asks", {})
        assert result.content[0].text == "Hello, Ada!", result
        assert asked == ["What is your name?"], asked
        assert server.effects() == ["before", "after"], server.effects()

        told = []

        async def progress(done, _total, _message):
            told.append(done)

        await client.call_tool("tells", {}, progress_callback=progress)
        assert told == [1, 2, 3, 4], told
    server.kill()


async def check_death(mode):
    server = Server()
    server.hold("first.after")
    meta = {"durable/idempotency-key": "one call, made twice"}

    async def die():
        await asyncio.to_thread(server.reached, "first.after")
        server.kill()
        server.release("first.after")
        server.start()

    dying = asyncio.create_task(die())
    result = None
    try:
        async with Client(server.url, mode=mode) as client:
            result = await asyncio.wait_for(client.call_tool("two_steps", {}, meta=meta), 30)
    except* Exception as lost:
        # There are no streams to come back to.
        assert mode == "2026-07-28", lost
    await dying
    if mode == "2026-07-28":
        assert result is None, result
        async with Client(server.url, mode=mode) as client:
            result = await client.call_tool("two_steps", {}, meta=meta)
    assert not result.is_error and result.structured_content["second"]["attempt"] == 1, result
    assert server.effects().count("second") == 1, server.effects()
    server.kill()


async def main():
    for mode in ["legacy", "2026-07-28"]:
        await check(mode)
        await check_death(mode)
    print("Python SDK 2.x: a call, a question, progress, and a death in the middle of a call, in both revisions")


asyncio.run(main())
