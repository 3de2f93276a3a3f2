// One viewer of an account that may watch one stream reloads the page, pauses, and uses an application whose player has another
// name than the application: none of it is refused, although tokens name no device.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { startBrowser } from './support/browser.mjs';
import { hasPlayedToItsEnd } from './support/checks.mjs';
import { liveDash, watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';
import { assertNothingRefused, STREAMS, TOKENS } from './support/takeover.mjs';

const RELOADS = 5;
/** Loads so little ahead that recorded content is asked for as it plays. */
const SHALLOW = { buffer: 4 };

const house = new House();
let gateway;
let open;

before(async () => {
  gateway = await startGateway(house, { limit: 1, streams: STREAMS, dash: await liveDash(house) });
  open = await startBrowser(house);
});
after(() => house.close());

/** Player, what it plays, what tokens say, and how many seconds are between reloads. */
const reloads = [
  ['hls.js', '/live/master.m3u8', 'a token for each start', 20],
  ['dash.js', '/dash/live.mpd', 'one token', 20],
  ['shaka', '/vod/manifest.mpd', 'a token for each start', 20],
  ['hls.js', '/vod/master.m3u8', 'one token', 7],
  ['dash.js', '/vod/manifest.mpd', 'a token for each start', 7],
  ['shaka', '/live/master.m3u8', 'one token', 7],
  ['shaka', '/dash/live.mpd', 'a token for each start', 7],
  ['hls.js', '/live/master.m3u8', 'a device claim', 7],
  ['hls.js', '/live/master.m3u8', 'one token', 1.5],
  ['hls.js', '/vod/ts/master.m3u8', 'a token for each start', 1.5],
  ['dash.js', '/dash/live.mpd', 'a token for each start', 1.5],
  ['shaka', '/vod/master.m3u8', 'a token for each start', 1.5],
];

describe('one viewer at a limit of one', { concurrency: 6 }, () => {
  for (const [nth, [player, asset, tokens, gap]] of reloads.entries()) {
    it(`reloads ${RELOADS} times, every ${gap} s, and is never refused (${player}, ${asset}, ${tokens})`, async () => {
      const { device, url } = TOKENS[tokens];
      const viewer = await gateway.viewer(`reloads-${nth}`, device);
      const page = await open();
      await page.play(player, await url(viewer, asset), SHALLOW);
      for (let reload = 0; reload < RELOADS; reload += 1) {
        await page.until('it plays', ({ advanced }) => advanced > 0);
        await pause(gap * 1000);
        await page.reload();
        await page.play(player, await url(viewer, asset), SHALLOW);
        assertNothingRefused(viewer.log);
      }
      await page.until('the last one plays on', ({ advanced }) => advanced > 6);
      assertNothingRefused(viewer.log);
      await page.close();
    });
  }

  for (const [player, asset] of [['hls.js', '/vod/master.m3u8'], ['shaka', '/vod/manifest.mpd'], ['dash.js', '/vod/manifest.mpd']]) {
    it(`pauses for 40 s and goes on (${player}, ${asset})`, async () => {
      const viewer = await gateway.viewer(`pauses-${player}`);
      const page = await open();
      await page.play(player, viewer.entry(asset), SHALLOW);
      await page.until('it plays', ({ advanced }) => advanced > 2);
      await page.pause();
      await pause(40_000);
      await page.resume();
      await page.until('it plays to its end', hasPlayedToItsEnd);
      assertNothingRefused(viewer.log);
      assert.ok(viewer.log.segments.length >= 12, 'every segment was asked for');
      await page.close();
    });
  }

  for (const asset of ['/live/master.m3u8', '/vod/master.m3u8']) {
    for (const tokens of ['one token', 'a token for each start']) {
      it(`has an application that asks for the entry, and a player with another name that plays it (${asset}, ${tokens})`, async () => {
        const viewer = await gateway.viewer(`application-${asset.split('/')[1]}-${tokens.replaceAll(' ', '-')}`);
        const { url } = TOKENS[tokens];
        const look = async () => {
          const response = await fetch(await url(viewer, asset), { headers: { 'user-agent': 'Application/1.0' } });
          assert.equal(response.status, 200, await response.text());
        };
        await look();
        const player = watch(house, await url(viewer, asset), { agent: 'MediaStack/18' });
        await player.until(4);
        assertNothingRefused(viewer.log);
        // It looks again while its player plays, as for what is on next.
        await look();
        await player.until(12);
        assertNothingRefused(viewer.log);
        assert.ok(player.running.runs, player.complaints);
        await player.stop();
        // And again, once the player has gone: the player comes back.
        await look();
        const again = watch(house, await url(viewer, asset), { agent: 'MediaStack/18' });
        await again.until(4);
        assertNothingRefused(viewer.log);
        await again.stop();
      });
    }
  }
});
