// An app declares its streams, and an ffmpeg player passes the gateway. Both are of one account, which may watch two.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { assertRefused } from './support/checks.mjs';
import { watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';

const LIVE = '/live/master.m3u8';

const house = new House();
let gateway;

before(async () => {
  gateway = await startGateway(house, { limit: 2, applications: { tv: { path: '/' }, app: {} } });
});
after(() => house.close());

/** A call of the app about an account. */
async function call(method, what, subject, headers = {}) {
  const response = await fetch(`${gateway.control}/v2/${what}/acme/${subject}`, {
    method, headers: { authorization: `Basic ${btoa('app:')}`, ...headers },
  });
  const body = await response.text();
  return { status: response.status, location: response.headers.get('location'), json: body && JSON.parse(body) };
}

describe('an app that speaks version 2 and an ffmpeg player', () => {
  it('share one limit, and the app stops the player within one segment', async () => {
    const subject = 'household-1';
    const viewer = await gateway.viewer(subject, 'tv-1');
    const player = watch(house, viewer.entry(LIVE));
    await player.until(2);

    const first = await call('POST', 'sessions', subject, { 'x-client-version': '1.0' });
    assert.equal(first.status, 202);
    const refused = await call('POST', 'sessions', subject);
    assert.equal(refused.status, 409);
    assert.equal(Object.keys(refused.json.associatedAdvice[0].conflicts).length, 2);
    await assertRefused(gateway, { subject, device: 'tv-2', asset: LIVE, holders: ['tv-1'] });

    const { json: { runningStreams } } = await call('GET', 'runningStreams', subject);
    const seen = runningStreams.find(({ applicationId }) => applicationId === 'tv');
    assert.deepEqual(seen.metadata, { contentType: 'live', deviceId: 'tv-1' });
    const second = await call('POST', 'sessions', subject, { 'x-terminate': seen.terminationCode });
    assert.equal(second.status, 202);

    const killed = Date.now();
    await viewer.log.until('the player is refused', (log) => log.refused.length > 0, 15_000);
    const later = viewer.log.since(killed);
    assert.deepEqual(later.segments.filter(({ status }) => status !== 403), [], 'no segment was given out');
    assert.ok(later.refused[0].asked - killed < 6_000, 'at its next request');
    await player.stop();
    const left = await call('GET', 'runningStreams', subject);
    assert.deepEqual(left.json.runningStreams.map(({ sessionId }) => sessionId), [first.location, second.location]);
  });
});
