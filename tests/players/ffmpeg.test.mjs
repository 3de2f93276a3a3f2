// ffmpeg plays through the gateway. The account may watch one stream, so each play also shows that it is counted.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { assertPlayedUnderItsPlaySession, assertRefused } from './support/checks.mjs';
import { watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';

const house = new House();
let gateway;

before(async () => {
  gateway = await startGateway(house, { limit: 1 });
});
after(() => house.close());

const plays = [
  { asset: '/vod/master.m3u8', what: 'VOD HLS with fragmented MP4 to the end' },
  { asset: '/vod/ts/master.m3u8', what: 'VOD HLS with MPEG-TS to the end' },
  { asset: '/vod/manifest.mpd', what: 'VOD DASH to the end' },
  { asset: '/live/master.m3u8', what: 'live HLS for more than two windows', seconds: 24 },
];

describe('ffmpeg', { concurrency: true }, () => {
  for (const [index, { asset, what, seconds }] of plays.entries()) {
    it(`plays ${what}, and meanwhile a second device is refused`, async () => {
      const subject = `ffmpeg-${index}`;
      const viewer = await gateway.viewer(subject, 'tv-1');
      const player = watch(house, viewer.entry(asset), { seconds });
      await player.until(2);
      await assertRefused(gateway, { subject, device: 'tv-2', asset, holders: ['tv-1'] });

      assert.equal(await player.ended, 0, player.complaints);
      assert.ok(Math.abs(player.seconds - 24) < 0.5, `24 s are decoded, not ${player.seconds}`);
      assertPlayedUnderItsPlaySession(viewer.log, { atLeast: 12 });
    });
  }
});
