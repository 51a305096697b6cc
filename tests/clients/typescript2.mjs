// The official TypeScript SDK 2.x, in both revisions.

import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Server } from './server.mjs';

async function connected(server, mode, answer) {
    const client = new Client(
        { name: 'test', version: '0' },
        { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode } },
    );
    client.setRequestHandler('elicitation/create', answer);
    await client.connect(new StreamableHTTPClientTransport(server.url));
    return client;
}

async function check(mode) {
    const isNew = mode !== 'legacy';
    const server = await Server.start();
    const asked = [];
    const client = await connected(server, mode, async (request) => {
        asked.push(request.params.message);
        // In the new revision the question is put in place of the result: nothing is lost when the server dies before the answer.
        if (isNew) await server.restart();
        return { action: 'accept', content: { name: 'Ada' } };
    });

    const greeted = await client.callTool({ name: 'greet', arguments: { name: 'Ada' } });
    assert.equal(greeted.structuredContent.text, 'Hello, Ada!');

    const answered = await client.callTool({ name: 'asks', arguments: {} });
    assert.equal(answered.content[0].text, 'Hello, Ada!');
    assert.deepEqual(asked, ['What is your name?']);
    assert.deepEqual(server.effects(), ['before', 'after']);

    const told = [];
    await client.callTool({ name: 'tells', arguments: {} }, { onprogress: ({ progress }) => told.push(progress) });
    assert.deepEqual(told, [1, 2, 3, 4]);

    server.hold('first.after');
    const twice = { name: 'two_steps', arguments: {}, _meta: { 'durable/idempotency-key': 'one call, made twice' } };
    const lost = client.callTool(twice).catch((error) => error);
    await server.reached('first.after');
    await server.kill();
    server.release('first.after');
    await server.start();
    let result = await lost;
    if (isNew) {
        // There are no streams to come back to: the call is made again, under its key.
        assert(result instanceof Error);
        result = await client.callTool(twice);
    }
    assert.equal(result.structuredContent.second.attempt, 1);
    assert.deepEqual(server.effects().filter((label) => label === 'second'), ['second']);
    await client.close();
    await server.kill();
}

await check('legacy');
await check({ pin: '2026-07-28' });
console.log('TypeScript SDK 2.x: a call, a question, progress, and a death in the middle of a call, in both revisions');
process.exit(0);
