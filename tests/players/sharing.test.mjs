// One play session is a URL, and URLs are passed on. Two ffmpeg clients use one at the same time, from two networks.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';

import { eventually } from './support/eventually.mjs';
import { watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';

const LIVE = '/live/master.m3u8';
const HOME = '192.0.2.1';
const ELSEWHERE = '203.0.113.9';
/** Long enough for a hand-over in this test; real ones are given a minute. */
const STREAMS = { sharing_overlap: '4s' };

const house = new House();
after(() => house.close());

/** Somebody plays the live channel at home, and somebody elsewhere has the address of their media playlist. */
async function shared(gateway, subject) {
  const owner = await gateway.viewer(subject, 'tv-1', HOME);
  const first = watch(house, owner.entry(LIVE), { agent: 'Television/7' });
  await first.until(2);
  const { path } = owner.log.answers.find((answer) => answer.path.startsWith('/~s/') && answer.path.endsWith('.m3u8'));
  const guest = await gateway.guest(ELSEWHERE, path);
  return { owner, first, guest };
}

const played = (log) => log.segments.filter(({ status }) => status < 300).length;
/** Enough for any verdict: both ask for a segment about every two seconds. */
const LONG = 25;

describe('two clients on one play session', { concurrency: true }, () => {
  it('are two streams of the account where sharing splits', async () => {
    const gateway = await startGateway(house, { limit: 2, streams: STREAMS });
    const { owner, first, guest } = await shared(gateway, 'split');
    const second = watch(house, guest.url, { agent: 'Telephone/3' });
    await eventually('the second takes a slot', async () => await gateway.metric('streamgate_streams') === 2, { within: 60_000 });
    assert.equal(await gateway.metric('streamgate_session_sharing_total', 'action="split"'), 1);
    await second.until(LONG);
    assert.deepEqual([...owner.log.refused, ...guest.log.refused], [], 'there is a slot for each');
    const { status, body } = await gateway.ask('split', 'tv-3', LIVE);
    assert.equal(status, 403, body);
    await Promise.all([first.stop(), second.stop()]);
  });

  it('is one too many where the account has one slot, and the first is not disturbed', async () => {
    const gateway = await startGateway(house, { limit: 1, streams: STREAMS });
    const { owner, first, guest } = await shared(gateway, 'one');
    const second = watch(house, guest.url, { agent: 'Telephone/3' });
    await guest.log.until('the second is refused', (log) => log.refused.length > 0, 60_000);
    const before = first.seconds;
    await first.until(before + 8);
    assert.deepEqual(owner.log.refused, []);
    assert.equal(await gateway.metric('streamgate_streams'), 1);
    await Promise.all([first.stop(), second.stop()]);
  });

  it('is refused with its reason where sharing is refused', async () => {
    const gateway = await startGateway(house, { limit: 2, streams: STREAMS, sharing: 'refuse' });
    const { owner, first, guest } = await shared(gateway, 'refuse');
    const second = watch(house, guest.url, { agent: 'Telephone/3' });
    await guest.log.until('the second is refused', (log) => log.refused.length > 0, 60_000);
    const answer = await fetch(guest.url, { headers: { 'user-agent': 'Telephone/3' } });
    assert.equal(answer.status, 403);
    assert.equal(JSON.parse(await answer.text()).type, 'urn:streamgate:problem:session-in-use');
    await first.until(first.seconds + 8);
    assert.deepEqual(owner.log.refused, []);
    await Promise.all([first.stop(), second.stop()]);
  });

  it('go on as one stream where sharing is allowed', async () => {
    const gateway = await startGateway(house, { limit: 1, streams: STREAMS, sharing: 'allow' });
    const { owner, first, guest } = await shared(gateway, 'allow');
    const second = watch(house, guest.url, { agent: 'Telephone/3' });
    await second.until(LONG);
    assert.deepEqual([...owner.log.refused, ...guest.log.refused], []);
    assert.equal(await gateway.metric('streamgate_streams'), 1);
    await Promise.all([first.stop(), second.stop()]);
  });

  it('are one viewer where the first falls silent: a hand-over is not sharing', async () => {
    const gateway = await startGateway(house, { limit: 1, streams: STREAMS, sharing: 'refuse' });
    const { first, guest } = await shared(gateway, 'hand-over');
    const second = watch(house, guest.url, { agent: 'Telephone/3' });
    await second.until(2);
    await first.stop();
    await second.until(LONG);
    assert.deepEqual(guest.log.refused, []);
    assert.ok(played(guest.log) > 8, guest.log.toString());
    assert.equal(await gateway.metric('streamgate_session_sharing_total'), 0);
    await second.stop();
  });
});
