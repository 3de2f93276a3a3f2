// `terminate_oldest`: the newest device is admitted and the oldest stream ends.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';

const LIVE = '/live/master.m3u8';

const house = new House();
let gateway;

before(async () => {
  gateway = await startGateway(house, { limit: 2, whenExceeded: 'terminate_oldest', streams: { min_tenure: '1s' } });
});
after(() => house.close());

/** Starts ffmpeg on a device and waits until it plays. */
async function play(device) {
  const viewer = await gateway.viewer('alice', device);
  const player = watch(house, viewer.entry(LIVE));
  await player.until(2);
  return { ...viewer, player };
}

describe('terminate_oldest', () => {
  it('stops the oldest of two at its next request when a third starts, and the others play on', async () => {
    const oldest = await play('tv-1');
    const second = await play('tv-2');
    assert.deepEqual([...oldest.log.refused, ...second.log.refused], [], 'two are within the limit');

    const third = await play('tv-3');
    const admitted = third.log.entries[0];
    assert.equal(admitted.status, 200);
    // What the oldest asked for once the third was playing: a segment of its own was the third's first sign of playing.
    const playing = third.log.segments[0].asked;
    await oldest.log.until('the oldest is stopped', (log) => log.since(playing).answers.length > 0);
    for (const { status, path } of oldest.log.since(playing).answers) assert.equal(status, 403, path);
    const served = oldest.log.since(admitted.asked).segments.filter(({ status }) => status === 200);
    assert.ok(served.length <= 1, `it stopped within one segment, not after ${served.length}`);

    // For two more segments each, nobody else is stopped and the oldest stays out.
    for (const { log, player } of [second, third]) {
      const so_far = log.segments.length;
      await log.until('the others play on', ({ segments }) => segments.length >= so_far + 2, 30_000);
      assert.deepEqual(log.refused, []);
      assert.ok(player.running.runs, player.complaints);
    }
    for (const { status, path } of oldest.log.since(playing).answers) assert.equal(status, 403, path);
    for (const { player } of [oldest, second, third]) await player.stop();
  });
});
