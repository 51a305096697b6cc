// The test server as a process of its own, to be killed and started again at the same address.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export class Server {
    static async start(...flags) {
        const server = new Server();
        server.directory = mkdtempSync(join(tmpdir(), 'durable-client-'));
        server.flags = flags;
        server.address = '127.0.0.1:0';
        await server.start();
        return server;
    }

    async start() {
        this.process = spawn(process.env.SERVER, [this.directory, '--listen', this.address, ...this.flags]);
        this.process.stderr.on('data', (text) => appendFileSync(join(this.directory, 'log'), text));
        const line = await new Promise((found, failed) => {
            let text = '';
            this.process.stdout.on('data', (part) => {
                text += part;
                if (text.includes('\n')) found(text.trim());
            });
            this.process.once('exit', () => failed(new Error(`the server has ended; see ${this.directory}/log`)));
        });
        assert.match(line, /^listening on /);
        this.url = new URL(line.slice('listening on '.length));
        this.address = this.url.host;
    }

    async kill() {
        const ended = new Promise((end) => this.process.once('exit', end));
        this.process.kill('SIGKILL');
        await ended;
    }

    async restart() {
        await this.kill();
        await this.start();
    }

    hold(point) {
        writeFileSync(join(this.directory, `hold.${point}`), '');
    }

    release(point) {
        rmSync(join(this.directory, `hold.${point}`));
    }

    async reached(point) {
        for (let round = 0; round < 3000; round++) {
            const path = join(this.directory, 'reached');
            if (existsSync(path) && readFileSync(path, 'utf8').split(/\s+/).includes(point)) return;
            await sleep(10);
        }
        throw new Error(`${point} is not reached; see ${this.directory}/log`);
    }

    effects() {
        const path = join(this.directory, 'effects');
        if (!existsSync(path)) return [];
        return readFileSync(path, 'utf8').trim().split('\n').map((line) => line.split(' ')[1]);
    }
}
