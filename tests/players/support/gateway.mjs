// The gateway under test with the demo origin behind it, and viewers in front of it.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { eventually, GiveUp } from './eventually.mjs';
import { freePort } from './processes.mjs';
import { watchpoint } from './watchpoint.mjs';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const BINARY = process.env.STREAMGATE_BIN ?? path.join(ROOT, 'target/debug/streamgate');

/**
 * Starts the demo origin and a gateway in front of it.
 *
 * @param {import('./processes.mjs').House} house
 * @param {object} options
 * @param {number} options.limit streams at once per account
 * @param {'deny_newest' | 'terminate_oldest'} [options.whenExceeded]
 * @param {object} [options.streams] the `streams` section of the configuration
 * @param {'split' | 'refuse' | 'allow'} [options.sharing] what happens to two clients on one play session
 * @param {string} [options.dash] host:port of a second origin, which gets everything below /dash/
 * @param {'listener' | 'proxy'} [options.tls] viewers speak TLS with the gateway's own listener, or with a proxy in front of it
 * @param {string[]} [options.tokens] where tokens are
 * @param {Record<string, {path?: string, tenant?: string, policies?: string[]}>} [options.applications] which application
 *   serves what is below a path; one tenant's `tv` serves all. One without a path declares its streams
 */
export async function startGateway(house, {
  limit, whenExceeded = 'deny_newest', streams, sharing, dash, tls, tokens = ['query:token'], applications = { tv: { path: '/' } },
}) {
  await access(BINARY).catch(() => {
    throw new Error(`no gateway to test at ${BINARY}: run \`cargo build\`, or name one in STREAMGATE_BIN`);
  });
  const [origin, listener, control] = [await freePort(), await freePort(), await freePort()];
  const folder = await house.folder();
  await writeFile(path.join(folder, 'token.key'), randomBytes(48).toString('base64'));
  await writeFile(path.join(folder, 'session.key'), randomBytes(48).toString('base64'));

  const certificate = tls && await makeCertificate(folder);

  // JSON is YAML.
  const file = path.join(folder, 'streamgate.yaml');
  const origins = { main: { servers: [`127.0.0.1:${origin}`] } };
  if (dash) origins.dash = { servers: [dash] };
  const application = ([id, { path: below, tenant, policies = ['household'] }]) => [id, below === undefined ? {
    stream_source: 'api', policies,
  } : {
    name: `${id} app`,
    ...(tenant && { tenant }),
    routes: [{ path: below, origin: 'main' }, ...(dash ? [{ path: '/dash/', origin: 'dash' }] : [])],
    identity: {
      token: { in: tokens, jwt: { keys: [{ alg: 'HS256', secret: { file: 'token.key' } }] } },
      idp: 'acme',
      subject: 'claim:sub',
      device: 'claim:device',
      stream: 'minted',
    },
    anonymous: 'refuse',
    ...(sharing && { sharing }),
    policies,
  }];
  await writeFile(file, JSON.stringify({
    listeners: [{ address: `127.0.0.1:${listener}`, ...(tls === 'listener' && { tls: { certificate: 'tls.crt', key: 'tls.key' } }) }],
    control: { address: `127.0.0.1:${control}` },
    // Watchpoints tell where their players are.
    trusted_proxies: { networks: ['127.0.0.0/8'] },
    origins,
    applications: Object.fromEntries(Object.entries(applications).map(application)),
    policies: {
      household: { mode: 'enforce', rules: [{ name: 'household-limit', limit, when_exceeded: whenExceeded }] },
    },
    sessions: { keys: [{ id: 1, secret: { file: 'session.key' } }] },
    ...(streams && { streams }),
  }, null, 2));

  const demoOrigin = house.start(BINARY, ['demo-origin', '--address', `127.0.0.1:${origin}`]);
  const process_ = house.start(BINARY, ['run', '--config', file]);
  await up(demoOrigin, `http://127.0.0.1:${origin}/vod/master.m3u8`);
  await up(process_, `http://127.0.0.1:${control}/readyz`);
  const [plain, controlUrl, originUrl] = [listener, control, origin].map((port) => `http://127.0.0.1:${port}`);
  const url = tls === 'listener' ? plain.replace('http:', 'https:') : plain;
  return new Gateway(house, file, url, controlUrl, originUrl, process_, certificate);
}

/** A certificate for this machine that vouches for itself, in a folder and as the TLS server of node takes it. */
async function makeCertificate(folder) {
  const [cert, key] = ['tls.crt', 'tls.key'].map((name) => path.join(folder, name));
  await promisify(execFile)('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1',
    '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert,
  ]);
  return { cert: await readFile(cert), key: await readFile(key) };
}

/** Waits until `url` answers 200, or says at once what the program said when it ended. */
async function up(program, url) {
  await eventually(`${program.name} answers on ${url}`, async () => {
    if (!program.runs) throw new GiveUp(`${program.name} ended with ${program.code}:\n${program.stdout}${program.stderr}`);
    return (await fetch(url)).ok;
  });
}

class Gateway {
  #house;
  #config;
  #certificate;

  constructor(house, config, url, control, origin, running, certificate) {
    this.#house = house;
    this.#config = config;
    this.#certificate = certificate;
    this.url = url;
    this.control = control;
    this.origin = origin;
    /** The program, for tests that take it away. */
    this.running = running;
  }

  /** The sum of a metric over its series whose labels contain `labels`. */
  async metric(name, labels = '') {
    const text = await (await fetch(`${this.control}/metrics`)).text();
    const series = text.split('\n').filter((line) => /^[{ ]/.test(line.slice(name.length)) && line.startsWith(name) && line.includes(labels));
    return series.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** Somebody at `address` with the entry of another's play session, which is a URL and can be passed on. */
  async guest(address, playSession) {
    const { url, log } = await watchpoint(this.#house, this.url, address);
    return { log, url: url + playSession };
  }

  /** A token for one device of one account, or one that names none; each is another one. */
  async token(subject, device, application = 'tv') {
    const { stdout } = await promisify(execFile)(BINARY, [
      'token', '--config', this.#config, '--application', application, '--subject', subject, ...(device ? ['--device', device] : []),
    ]);
    return stdout.trim();
  }

  /**
   * A viewer on one device, at an address, with a log of every request its player makes. The token is the viewer's own, if none
   * is given; where there is no device it names none.
   */
  async viewer(subject, device, address, application = 'tv', token = undefined) {
    const { url, log } = await watchpoint(this.#house, this.url, address, this.#certificate);
    const own = token ?? await this.token(subject, device, application);
    return {
      device,
      log,
      token: own,
      entry: (asset) => `${url}${asset}?token=${own}`,
      /** The same with a token that was issued for this start alone. */
      fresh: async (asset) => `${url}${asset}?token=${await this.token(subject, device, application)}`,
    };
  }

  /** What the operator's API says of an account. */
  async account(subject, idp = 'acme') {
    const response = await fetch(`${this.control}/api/accounts/${idp}/${subject}`);
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return response.json();
  }

  /** Asks for an asset's entry manifest as a player would that starts on `device`. */
  async ask(subject, device, asset, application = 'tv') {
    const response = await fetch(`${this.url}${asset}?token=${await this.token(subject, device, application)}`);
    return { status: response.status, type: response.headers.get('content-type') ?? '', body: await response.text() };
  }
}
