// Proxies that are not ours deliver, and ask the gateway: nginx, HAProxy and Varnish, with the configurations in
// deploy/authz. Nobody watches through the gateway itself.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { eventually } from './support/eventually.mjs';
import { watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';
import { startProxy } from './support/proxies.mjs';

const LIVE = '/live/master.m3u8';
const OPTIONS = {
  limit: 2, tokens: ['header:authorization'], streams: { reserve: '3s', idle: { min: '3s', max: '5s' } },
};

const house = new House();
after(() => house.close());

for (const name of ['nginx', 'haproxy', 'varnish']) {
  describe(name, () => {
    let gateway;
    let proxy;

    before(async () => {
      gateway = await startGateway(house, OPTIONS);
      proxy = await startProxy(house, name, gateway);
    });

    const fields = async (subject, device) => ({ Authorization: `Bearer ${await gateway.token(subject, device)}` });
    const play = async (subject, device) => watch(house, proxy + LIVE, { headers: await fields(subject, device) });
    const ask = async (subject, device, path, more = {}) => (
      fetch(proxy + path, { ...more, headers: { ...await fields(subject, device), ...more.headers } })
    );

    it('lets two devices play, refuses the third, and lets it play when one has stopped', async () => {
      const [first, second] = [await play('alice', 'tv-1'), await play('alice', 'tv-2')];
      await first.until(1);
      await second.until(1);

      const third = await play('alice', 'tv-3');
      assert.notEqual(await third.ended, 0);
      assert.match(third.complaints, /403/);
      const other = await play('bob', 'tv-3');
      await other.until(1);
      await other.stop();

      await first.stop();
      const again = await eventually('the third device plays', async () => {
        const player = await play('alice', 'tv-3');
        await Promise.race([player.ended, player.until(1)]);
        return player.running.runs && player;
      }, { every: 500 });
      // Longer than an idle window: its playlists and segments are its heartbeats.
      await Promise.all([again.until(7), second.until(second.seconds + 7)]);
      assert.equal((await ask('alice', 'tv-1', LIVE)).status, 403);
      await again.stop();
      await second.stop();

      const started = await gateway.metric('streamgate_stream_events_total', 'event="admitted"');
      assert.equal(started, 4, 'each play was one stream, whatever playlists it fetched');
      assert.equal(await gateway.metric('streamgate_response_bytes_total'), 0, 'nobody watched through the gateway');
    });

    it('tells viewers why', async () => {
      const nobody = await fetch(proxy + LIVE);
      assert.equal(nobody.status, 401);
      for (const device of ['tv-1', 'tv-2']) assert.equal((await ask('carol', device, LIVE)).status, 200);
      const refused = await ask('carol', 'tv-3', LIVE);
      assert.equal(refused.status, 403);
      assert.equal(refused.headers.get('streamgate-reason'), 'stream-limit');
      assert.match(refused.headers.get('streamgate-refusal'), /^[0-9a-f]{16}$/);
      if (name !== 'nginx') assert.equal((await refused.json()).type, 'urn:streamgate:problem:stream-limit');
    });

    it('is not deceived by what a viewer writes in the name of a proxy', async () => {
      for (const device of ['tv-1', 'tv-2']) assert.equal((await ask('dave', device, LIVE)).status, 200);
      for (const headers of [
        { 'X-Original-URI': '/logo.png' },
        { 'X-Original-URL': 'http://x/logo.png' },
        { 'X-Forwarded-Uri': '/logo.png' },
        { 'X-Original-Method': 'OPTIONS' },
        { 'X-Forwarded-Method': 'OPTIONS' },
        { 'X-Forwarded-Host': 'elsewhere.example' },
        { 'Streamgate-State': 'ok', 'Streamgate-Away': 'yes' },
      ]) {
        const { status } = await ask('dave', 'tv-3', LIVE, { headers });
        assert.equal(status, 403, JSON.stringify(headers));
      }
    });

    it('does not take a request that is too large to ask about for a sign that Streamgate is away', async () => {
      const many = (length) => Object.fromEntries(Array.from({ length }, (_, nth) => [`X-${nth}`, 'x']));
      const large = (bytes) => ({ 'X-Filler': 'x'.repeat(bytes) });
      const counts = Array.from({ length: 70 }, (_, nth) => [`${nth + 35} fields`, LIVE, many(nth + 35)]);
      const sizes = Array.from({ length: 66 }, (_, nth) => [`${nth} half KB`, LIVE, large(nth * 512 + 1)]);
      const edges = Array.from({ length: 100 }, (_, nth) => [`${nth} times 20 B`, LIVE, large(14_000 + nth * 20)]);
      const lines = Array.from({ length: 32 }, (_, nth) => [`a URI of ${nth} half KB`, `${LIVE}?${'x'.repeat(nth * 512)}`, {}]);
      // These come back in the answer, and must not make that too large either.
      const echoes = Array.from({ length: 32 }, (_, nth) => [`an origin of ${nth} half KB`, LIVE, { Origin: `https://${'x'.repeat(nth * 512)}` }]);
      const passed = [];
      for (const [what, path, headers] of [...counts, ...sizes, ...edges, ...lines, ...echoes]) {
        const status = await fetch(proxy + path, { headers }).then((answer) => answer.status, () => 'closed');
        if (status < 400) passed.push(what);
      }
      assert.deepEqual(passed, []);
      assert.equal((await fetch(`${proxy}/no-such-thing.txt`)).status, 404, 'it goes on');
    });

    it('gives what one viewer may have, cached or not, to nobody else, and passes on what never counts', async () => {
      for (let nth = 0; nth < 3; nth += 1) assert.equal((await ask('erin', 'tv-1', '/vod/master.m3u8')).status, 200);
      assert.equal((await fetch(`${proxy}/vod/master.m3u8`)).status, 401);
      const preflight = { method: 'OPTIONS', headers: { Origin: 'https://player.example' } };
      const { status } = await fetch(proxy + LIVE, preflight);
      assert.equal(status, (await fetch(gateway.origin + LIVE, preflight)).status, 'the answer is the origin\'s');
    });

    it('lets everybody pass while Streamgate is away', async () => {
      gateway.running.child.kill('SIGKILL');
      await gateway.running.ended;
      assert.equal((await ask('frank', 'tv-1', LIVE)).status, 200);
      assert.equal((await fetch(proxy + LIVE)).status, 200);
    });
  });
}
