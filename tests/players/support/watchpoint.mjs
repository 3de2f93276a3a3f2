// A place between one player and the gateway that changes nothing and writes down every request.

import http from 'node:http';
import https from 'node:https';

import { eventually } from './eventually.mjs';

/** What one player has asked for, in the order of the answers. */
export class Log {
  /** @type {{method: string, path: string, status: number, asked: number, body?: string}[]} `body`: of refusals */
  answers = [];

  /** Answers to requests for segments (initialisation segments too). */
  get segments() {
    return this.answers.filter(({ path }) => /\.(ts|m4s|mp4)$/.test(path));
  }

  /** Answers to requests for multivariant playlists and MPDs. */
  get entries() {
    return this.answers.filter(({ path }) => /\/(master\.m3u8|[^/]*\.mpd)$/.test(path));
  }

  get refused() {
    return this.answers.filter(({ status }) => status === 403);
  }

  /** Requests made since `time` (milliseconds since the epoch). */
  since(time) {
    const log = new Log();
    log.answers = this.answers.filter(({ asked }) => asked > time);
    return log;
  }

  /** Waits until the log satisfies `condition`. */
  async until(what, condition, within) {
    await eventually(`${what}; the log ends with\n${this}\n`, () => condition(this), { within });
  }

  toString() {
    return this.answers.slice(-12).map(({ method, path, status }) => `  ${status} ${method} ${path.slice(-60)}`).join('\n');
  }
}

/** Whether a request carries a play session. */
export const carriesPlaySession = ({ path }) => path.startsWith('/~s/');

/**
 * Opens a watchpoint in front of `gateway`; each has a port of its own. It says that its player is at `address`. Each of the
 * player's connections has one of its own to the gateway, and closes with it. With a certificate it speaks TLS with its player, and
 * says so.
 */
export async function watchpoint(house, gateway, address, certificate) {
  const log = new Log();
  // What the gateway's own listener has is vouched for by nobody.
  const toGateway = gateway.startsWith('https:') ? https : http;
  const agents = new Map();
  const agentOf = (socket) => {
    if (!agents.has(socket)) {
      const agent = new toGateway.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
      agents.set(socket, agent);
      socket.on('close', () => {
        agents.delete(socket);
        agent.destroy();
      });
    }
    return agents.get(socket);
  };

  const answerer = (request, response) => {
    const { method, url, headers } = request;
    const answer = { method, path: url.split('?')[0], status: 0, asked: Date.now() };
    if (address) headers['x-forwarded-for'] = address;
    if (certificate && toGateway === http) headers['x-forwarded-proto'] = 'https';
    const agent = agentOf(request.socket);
    const forwarded = toGateway.request(gateway + url, { method, headers, agent }, (answered) => {
      answer.status = answered.statusCode;
      log.answers.push(answer);
      if (answer.status === 403) {
        answer.body = '';
        answered.on('data', (data) => { answer.body += data; });
      }
      response.writeHead(answered.statusCode, answered.rawHeaders);
      answered.on('error', () => response.destroy());
      answered.pipe(response);
    });
    // The gateway hung up: what the player sees is what happened.
    forwarded.on('error', () => response.destroy());
    // The player hung up: so do we.
    response.on('close', () => forwarded.destroy());
    request.pipe(forwarded);
  };
  const server = certificate ? https.createServer(certificate, answerer) : http.createServer(answerer);
  const url = await house.listen(server);
  return { url: certificate ? url.replace('http:', 'https:') : url, log };
}
