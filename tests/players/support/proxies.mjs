// Proxies that are not ours, with the configurations that we give operators: only ports and folders are other ones.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { eventually, GiveUp } from './eventually.mjs';
import { freePort } from './processes.mjs';

const FOLDER = fileURLToPath(new URL('../../../deploy/authz/', import.meta.url));

/** How each is started: program and arguments, and what else has to be another in its configuration. */
const PROXIES = {
  nginx: {
    file: 'nginx.conf',
    adapt: (text, folder) => text.replace('http {', `http {\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `    ${name}_temp_path ${folder}/${name};`).join('\n')}\n    access_log off;`),
    command: (file, folder) => ['nginx', [
      '-p', folder, '-c', file, '-e', 'stderr',
      '-g', `daemon off; pid ${folder}/nginx.pid;${process.getuid() === 0 ? ' user root;' : ''}`,
    ]],
  },
  haproxy: {
    file: 'haproxy.cfg',
    adapt: (text, folder) => text.replace('/etc/haproxy/streamgate.lua', `${folder}/streamgate.lua`),
    besides: ['streamgate.lua'],
    command: (file) => ['haproxy', ['-db', '-f', file]],
  },
  varnish: {
    file: 'streamgate.vcl',
    adapt: (text) => text,
    command: (file, folder, port) => ['varnishd', [
      '-F', '-j', 'none', '-n', path.join(folder, 'varnish'), '-s', 'malloc,32m', '-f', file, '-a', `127.0.0.1:${port}`,
    ]],
  },
};

/**
 * Starts a proxy that asks `gateway` about the requests for its origin.
 *
 * @param {import('./processes.mjs').House} house
 * @param {keyof typeof PROXIES} name
 * @returns {Promise<string>} its base URL
 */
export async function startProxy(house, name, { origin, control }) {
  const { file, adapt, besides = [], command } = PROXIES[name];
  const [folder, port] = [await house.folder(), await freePort()];
  const ports = { 8000: new URL(origin).port, 8080: port, 9090: new URL(control).port };
  for (const each of [file, ...besides]) {
    const text = await readFile(path.join(FOLDER, each), 'utf8');
    const adapted = adapt(text, folder).replace(/\b(8000|8080|9090)\b/g, (known) => ports[known]);
    await writeFile(path.join(folder, each), adapted);
  }
  const [program, args] = command(path.join(folder, file), folder, port);
  const path_ = `${process.env.PATH}:/usr/sbin`;
  const running = house.start(program, args, { cwd: folder, env: { ...process.env, PATH: path_ } });
  const url = `http://127.0.0.1:${port}`;
  await eventually(`${name} answers`, async () => {
    if (!running.runs) throw new GiveUp(`${name} ended with ${running.code}:\n${running.stdout}${running.stderr}`);
    // Its page of what is not there is an answer too; the origin's is 404.
    return (await fetch(`${url}/no-such-thing.txt`)).status === 404;
  });
  return url;
}
