// Processes, ports and folders that a test starts, and that go when it ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What one test file has started; `close` undoes it in reverse order. */
export class House {
  #undo = [];

  /** Registers what must happen at the end. */
  atEnd(undo) {
    this.#undo.push(undo);
  }

  async close() {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }

  async folder() {
    const folder = await mkdtemp(path.join(tmpdir(), 'streamgate-players-'));
    this.atEnd(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  /** Starts a program and stops it, by its id, at the end. */
  start(program, args, options) {
    const running = new Running(program, args, options);
    this.atEnd(() => running.stop());
    return running;
  }

  /** Starts a node HTTP server on a port of its own; returns its base URL. */
  async listen(server) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.atEnd(() => new Promise((closed) => {
      server.close(closed);
      server.closeAllConnections();
    }));
    return `http://127.0.0.1:${server.address().port}`;
  }
}

/** A program that runs. Its output is kept for the message of a failing test. */
export class Running {
  /** @type {number | null | undefined} undefined while it runs, null when a signal ended it */
  code;
  stdout = '';
  stderr = '';

  constructor(program, args, options = {}) {
    this.name = path.basename(program);
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.child.stdout.on('data', (data) => { this.stdout += data; });
    this.child.stderr.on('data', (data) => { this.stderr += data; });
    /** Resolves with the exit code when the program has ended and all its output is read. */
    this.ended = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.stderr += error.message;
        this.code = null;
        resolve(null);
      });
      this.child.on('close', (code) => {
        this.code = code;
        resolve(code);
      });
    });
  }

  get runs() {
    return this.code === undefined;
  }

  async stop() {
    if (!this.runs) return;
    this.child.kill('SIGTERM');
    const stubborn = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await this.ended;
    clearTimeout(stubborn);
  }
}

/** Ports that were given before: a program and its control port must not get the same one. */
const given = new Set();

/** A free port below those that the system hands out to outgoing connections, so that nobody takes it in the meantime. */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (given.has(port)) continue;
    given.add(port);
    const server = net.createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return port;
    } catch {
      // Taken: try another.
    } finally {
      server.close();
    }
  }
}
