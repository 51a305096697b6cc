// The official TypeScript SDK 1.x, over Streamable HTTP with sessions.

import assert from 'node:assert/strict';
import { Client } from 'sdk1/client/index.js';
import { StreamableHTTPClientTransport } from 'sdk1/client/streamableHttp.js';
import { ElicitRequestSchema } from 'sdk1/types.js';
import { Server } from './server.mjs';

const server = await Server.start();
const client = new Client({ name: 'test', version: '0' }, { capabilities: { elicitation: {} } });
const asked = [];
client.setRequestHandler(ElicitRequestSchema, (request) => {
    asked.push(request.params.message);
    return { action: 'accept', content: { name: 'Ada' } };
});
await client.connect(new StreamableHTTPClientTransport(server.url));

const greeted = await client.callTool({ name: 'greet', arguments: { name: 'Ada' } });
assert.equal(greeted.structuredContent.text, 'Hello, Ada!');

const answered = await client.callTool({ name: 'asks', arguments: {} });
assert.equal(answered.content[0].text, 'Hello, Ada!');
assert.deepEqual(asked, ['What is your name?']);
assert.deepEqual(server.effects(), ['before', 'after']);

const told = [];
await client.callTool({ name: 'tells', arguments: {} }, undefined, { onprogress: ({ progress }) => told.push(progress) });
assert.deepEqual(told, [1, 2, 3, 4]);

// The server dies in the middle of a call; the client comes back by itself, and gets the one result.
server.hold('only.before');
const call = client.callTool({ name: 'one_step', arguments: {} });
await server.reached('only.before');
await server.kill();
server.release('only.before');
await server.start();
const result = await call;
assert.equal(result.structuredContent.attempt, 1);
assert.deepEqual(server.effects().filter((label) => label === 'only'), ['only']);

await client.close();
await server.kill();
console.log('TypeScript SDK 1.x: a call, a question, progress, and a death in the middle of a call');
process.exit(0);
