"""The official Python SDK 1.x, over Streamable HTTP with sessions, and over standard input and output."""

import asyncio
import os
import signal
import tempfile
from datetime import timedelta

from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client

from server import Server

ASKED = []


async def answer(_context, params):
    ASKED.append(params.message)
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def over_standard_input(directory, asked):
    parameters = StdioServerParameters(command=os.environ["SERVER"], args=[directory, "--stdio"])

    async def answer(_context, params):
        asked.append(params.message)
        # The first time it is no answer.
        content = {} if len(asked) == 1 else {"name": "Ada"}
        return types.ElicitResult(action="accept", content=content)

    async with stdio_client(parameters) as (read, write):
        async with ClientSession(read, write, elicitation_callback=answer) as session:
            await session.initialize()
            told = []

            async def progress(done, _total, _message):
                told.append(done)

            result = await session.call_tool("asks", {}, read_timeout_seconds=timedelta(seconds=30))
            assert result.content[0].text == "Hello, Ada!", result
            assert asked == ["What is your name?"] * 2, asked
            await session.call_tool("tells", {}, progress_callback=progress)
            assert told == [1, 2, 3, 4], told
            # A client without an answer for the model is not asked, and the tool is told so.
            refused = await session.call_tool("asks_all", {})
            assert refused.isError and "cannot be asked" in refused.content[0].text, refused


def shared(directory):
    return StdioServerParameters(command=os.environ["SERVER"], args=[str(directory), "--shared"])


async def in_two_windows():
    server = Server(start=False)
    async with stdio_client(shared(server.directory)) as first, ClientSession(*first) as owner:
        await owner.initialize()
        async with stdio_client(shared(server.directory)) as second:
            async with ClientSession(*second, elicitation_callback=answer) as session:
                await session.initialize()
                await through_another(session, server)


async def through_another(session, server):
    greeted = await session.call_tool("greet", {"name": "Ada"})
    assert greeted.structuredContent["text"] == "Hello, Ada!", greeted
    asked = await session.call_tool("asks", {})
    assert asked.content[0].text == "Hello, Ada!", asked

    # The process that has the store dies in the middle of a call of the other one's client.
    server.hold("only.before")
    call = asyncio.create_task(session.call_tool("one_step", {}))
    await asyncio.to_thread(server.reached, "only.before")
    os.kill(int((server.directory / "store.redb.owner").read_text()), signal.SIGKILL)
    server.release("only.before")
    result = await asyncio.wait_for(call, 30)
    assert not result.isError and result.structuredContent["attempt"] == 1, result
    assert server.effects().count("only") == 1, server.effects()
    assert len((await session.list_tools()).tools) > 5


async def main():
    await in_two_windows()
    ASKED.clear()
    with tempfile.TemporaryDirectory() as directory:
        await over_standard_input(directory, [])
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
    print("Python SDK 1.x: a call, a question, progress, and a death in the middle of a call; questions over standard input; "
          "two processes on one store, and the death of the one that has it")


asyncio.run(main())
