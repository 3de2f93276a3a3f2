// Ten zaps in twenty seconds by one viewer of an account that may watch two streams: none is refused, whatever tokens say.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { startBrowser } from './support/browser.mjs';
import { liveDash } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';
import { assertNothingRefused, STREAMS, TOKENS } from './support/takeover.mjs';
import { carriesPlaySession } from './support/watchpoint.mjs';

const ZAPS = 10;
/** How long a viewer looks at each. */
const LOOKS = 2_000;

const house = new House();
let gateway;
let open;

before(async () => {
  gateway = await startGateway(house, { limit: 2, streams: STREAMS, dash: await liveDash(house) });
  open = await startBrowser(house);
});
after(() => house.close());

const ASSETS = {
  'hls.js': ['/vod/master.m3u8', '/live/master.m3u8', '/vod/ts/master.m3u8'],
  shaka: ['/vod/manifest.mpd', '/live/master.m3u8', '/dash/live.mpd', '/vod/master.m3u8'],
  'dash.js': ['/vod/manifest.mpd', '/dash/live.mpd'],
};

describe('ten zaps in twenty seconds at a limit of two', { concurrency: 4 }, () => {
  for (const [player, assets] of Object.entries(ASSETS)) {
    for (const [tokens, { device, url }] of Object.entries(TOKENS)) {
      it(`are not refused, and the last one plays on (${player}, ${tokens})`, async () => {
        const subject = `${player}-${tokens.replaceAll(' ', '-')}`;
        const viewer = await gateway.viewer(subject, device);
        const page = await open();
        for (let zap = 0; zap < ZAPS; zap += 1) {
          // The last one is live, so that it goes on for as long as it is looked at.
          const asset = assets[(zap + assets.length * ZAPS + 2 - ZAPS) % assets.length];
          await page.play(player, await url(viewer, asset));
          assertNothingRefused(viewer.log);
          await pause(LOOKS);
        }
        const { advanced } = await page.report();
        await page.until('the last one plays on', (report) => report.advanced > advanced + 8);

        assertNothingRefused(viewer.log);
        const starts = viewer.log.entries.filter((entry) => !carriesPlaySession(entry));
        assert.ok(starts.length >= ZAPS, `only ${starts.length} starts:\n${viewer.log}`);
        const { holding } = await gateway.account(subject);
        assert.ok(holding <= 2, `${holding} slots are held`);
        await page.close();
      });
    }
  }

  after(async () => {
    assert.equal(await gateway.metric('streamgate_takeovers_total', 'result="both_real"'), 0, 'nobody watched two');
  });
});
