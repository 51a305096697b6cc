"""The official Python SDK 1.x, over Streamable HTTP with sessions."""

import asyncio

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client

from server import Server

ASKED = []


async def answer(_context, params):
    ASKED.append(params.message)
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def main():
    server = Server()
    async with streamablehttp_client(server.url) as (read, write, _):
        async with ClientSession(read, write, elicitation_callback=answer) as session:
            await session.initialize()

            greeted = await session.call_tool("greet", {"name": "Ada"})
            assert greeted.structuredContent["text"] == "Hello, Ada!", greeted

            asked = await session.call_tool("asks", {})
            assert asked.content[0].text == "Hello, Ada!", asked
            assert ASKED == ["What is your name?"], ASKED
            assert server.effects() == ["before", "after"], server.effects()

            told = []

            async def progress(done, _total, _message):
                told.append(done)

            await session.call_tool("tells", {}, progress_callback=progress)
            assert told == [1, 2, 3, 4], told

            # The server dies in the middle of a call; the client comes back by itself, and gets the one result.
            server.hold("only.before")
            call = asyncio.create_task(session.call_tool("one_step", {}))
            await asyncio.to_thread(server.reached, "only.before")
            server.kill()
            server.release("only.before")
            server.start()
            result = await asyncio.wait_for(call, 30)
            assert not result.isError and result.structuredContent["attempt"] == 1, result
            assert server.effects().count("only") == 1, server.effects()
    server.kill()
    print("Python SDK 1.x: a call, a question, progress, and a death in the middle of a call")


asyncio.run(main())
