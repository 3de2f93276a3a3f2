// hls.js and Shaka play through the gateway. The account may watch one stream, so each play also shows that it is counted.

import { after, before, describe, it } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { assertPlayedUnderItsPlaySession, assertRefused, hasPlayedToItsEnd } from './support/checks.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';

const house = new House();
let gateway;
let open;

before(async () => {
  gateway = await startGateway(house, { limit: 1 });
  open = await startBrowser(house);
});
after(() => house.close());

/** The segments of the VOD: twelve of two seconds. */
const VOD_SEGMENTS = 12;
/** The live playlist holds five segments of two seconds. */
const LIVE_WINDOW = 10;

async function started({ player, asset, subject }) {
  const viewer = await gateway.viewer(subject, 'tv-1');
  const page = await open();
  await page.play(player, viewer.entry(asset));
  await page.until(`${player} starts`, ({ advanced }) => advanced > 0);
  await assertRefused(gateway, { subject, device: 'tv-2', asset, holders: ['tv-1'] });
  return { page, log: viewer.log };
}

const vod = [
  { player: 'hls.js', asset: '/vod/master.m3u8', what: 'HLS with fragmented MP4' },
  { player: 'hls.js', asset: '/vod/ts/master.m3u8', what: 'HLS with MPEG-TS' },
  { player: 'shaka', asset: '/vod/master.m3u8', what: 'HLS with fragmented MP4' },
  { player: 'shaka', asset: '/vod/manifest.mpd', what: 'DASH' },
];

describe('VOD in the browser', { concurrency: 2 }, () => {
  for (const [index, { player, asset, what }] of vod.entries()) {
    it(`${player} plays ${what} to the end, and meanwhile a second device is refused`, async () => {
      const { page, log } = await started({ player, asset, subject: `vod-${index}` });
      await page.until('the video ends', hasPlayedToItsEnd);
      assertPlayedUnderItsPlaySession(log, { atLeast: VOD_SEGMENTS });
      await page.close();
    });
  }
});

describe('live in the browser', { concurrency: true }, () => {
  for (const player of ['hls.js', 'shaka']) {
    it(`${player} plays live HLS for more than two windows, and meanwhile a second device is refused`, async () => {
      const { page, log } = await started({ player, asset: '/live/master.m3u8', subject: `live-${player}` });
      await page.until('two windows are played', ({ advanced }) => advanced > 2 * LIVE_WINDOW + 2);
      assertPlayedUnderItsPlaySession(log, { atLeast: LIVE_WINDOW });
      await assertRefused(gateway, {
        subject: `live-${player}`, device: 'tv-2', asset: '/live/master.m3u8', holders: ['tv-1'],
      });
      await page.close();
    });
  }
});
