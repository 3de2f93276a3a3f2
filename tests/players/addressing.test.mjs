// DASH in every way of addressing media, played through the gateway by every player: what it plays directly, it plays here.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { DYNAMIC, STATIC, startAddressing } from './support/addressing.mjs';
import { startBrowser } from './support/browser.mjs';
import { assertPlayedUnderItsPlaySession } from './support/checks.mjs';
import { playToTheEnd } from './support/desktop.mjs';
import { watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';
import { carriesPlaySession } from './support/watchpoint.mjs';

const BROWSER = ['shaka', 'dash.js', 'video.js'];
const DESKTOP = ['ffmpeg', 'mpv', 'vlc', 'gstreamer'];

/** What a player does not play from its origin either (docs/players.md). */
const LOST = {
  nested: ['ffmpeg', 'mpv'],
};

const house = new House();
const gateways = {};
let open;

before(async () => {
  const dash = await startAddressing(house);
  for (const tls of [undefined, 'listener', 'proxy']) gateways[tls] = await startGateway(house, { limit: 1, dash, tls });
  open = await startBrowser(house);
});
after(() => house.close());

async function playInBrowser(viewer, player, asset, seconds) {
  const page = await open();
  await page.play(player, viewer.entry(asset));
  await page.until(`${player} plays`, ({ advanced, ended }) => ended || advanced > seconds);
  await page.close();
}

/** One play of a device of its own account, on demand. */
async function playOnDemand(scheme, player, tls) {
  const viewer = await gateways[tls].viewer(`${scheme}-${player}`, 'tv-1');
  const asset = `/dash/${scheme}/manifest.mpd`;
  if (BROWSER.includes(player)) {
    await playInBrowser(viewer, player, asset, 3);
  } else {
    const { code, said } = await playToTheEnd(house, player, viewer.entry(asset));
    assert.equal(code, 0, said);
  }
  assertPlayed(viewer.log, scheme);
}

/** Two files, or two segments of each and what they begin with. Queries are not told apart from the entry by their path. */
function assertPlayed(log, scheme) {
  if (scheme !== 'query') return assertPlayedUnderItsPlaySession(log, { atLeast: scheme === 'single' ? 2 : 6 });
  const media = log.answers.filter(carriesPlaySession);
  assert.ok(media.length >= 6, `${log}`);
  assert.deepEqual(log.answers.filter(({ status }) => status >= 400), []);
}

describe('DASH on demand', { concurrency: 3 }, () => {
  for (const scheme of STATIC) {
    for (const player of [...DESKTOP, ...BROWSER].filter((player) => !LOST[scheme]?.includes(player))) {
      it(`${player} plays ${scheme}`, () => playOnDemand(scheme, player));
    }
  }
});

describe('DASH on demand over TLS', { concurrency: 3 }, () => {
  for (const tls of ['listener', 'proxy']) {
    for (const player of ['ffmpeg', 'mpv', ...BROWSER]) {
      it(`${player} plays a base of each representation, with TLS of the ${tls}`, () => playOnDemand('representation', player, tls));
    }
  }
});

describe('live DASH', { concurrency: 3 }, () => {
  /** Longer than the window. */
  const SECONDS = 14;
  for (const scheme of DYNAMIC) {
    for (const player of ['ffmpeg', ...BROWSER]) {
      it(`${player} plays ${scheme}`, async () => {
        const viewer = await gateways.undefined.viewer(`${scheme}-${player}`, 'tv-1');
        const asset = `/dash/${scheme}/${player}/manifest.mpd`;
        if (player === 'ffmpeg') {
          const playing = watch(house, viewer.entry(asset), { seconds: SECONDS });
          assert.equal(await playing.ended, 0, playing.complaints);
          assert.ok(playing.seconds > SECONDS - 1, `${playing.seconds} s are decoded`);
        } else {
          await playInBrowser(viewer, player, asset, SECONDS);
          // The refreshes carry the play session, too.
          const refreshes = viewer.log.entries.slice(1);
          assert.ok(refreshes.length > 3, `${viewer.log}`);
          assert.deepEqual(refreshes.filter((refresh) => !carriesPlaySession(refresh)), []);
        }
        assertPlayedUnderItsPlaySession(viewer.log, { atLeast: 10 });
      });
    }
  }
});
