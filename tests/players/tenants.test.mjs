// Two tenants, each with an application of its own, agree on one policy: what an account plays on both counts together.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';

import { assertIsRefusal, assertPlayedUnderItsPlaySession } from './support/checks.mjs';
import { watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';

const LIVE = '/live/master.m3u8';
const FILM = '/vod/master.m3u8';

const house = new House();

after(() => house.close());

/** A gateway with live television of one tenant and films of another. */
function tenants(limit, policiesOfFilms) {
  return startGateway(house, {
    limit,
    applications: {
      tv: { path: '/live', tenant: 'acme' },
      films: { path: '/vod', tenant: 'globex', policies: policiesOfFilms },
    },
  });
}

/** Starts ffmpeg on a device and waits until it plays. */
async function play(gateway, device, asset, application) {
  const viewer = await gateway.viewer('alice', device, undefined, application);
  const player = watch(house, viewer.entry(asset));
  await player.until(2);
  return { ...viewer, player };
}

describe('a policy that applications of two tenants share', { concurrency: 2 }, () => {
  it('counts the streams of both, and refuses the third on either', async () => {
    const gateway = await tenants(2, ['household']);
    const live = await play(gateway, 'tv-1', LIVE, 'tv');
    const film = await play(gateway, 'tablet', FILM, 'films');
    for (const [application, asset] of [['tv', LIVE], ['films', FILM]]) {
      const viewer = await gateway.viewer('alice', `phone-${application}`, undefined, application);
      const third = watch(house, viewer.entry(asset));
      assert.notEqual(await third.ended, 0, 'ffmpeg gives up');
      assert.deepEqual(viewer.log.entries.map(({ status }) => status), [403]);
      const answer = await gateway.ask('alice', `phone-${application}`, asset, application);
      assertIsRefusal({ ...answer, holders: ['tv-1', 'tablet'] });
    }
    const violations = await gateway.metric('streamgate_policy_violations_total', 'policy="household"');
    assert.equal(violations, 4, 'each of the four was counted');
    // Somebody else's account is not concerned, and the two play on.
    assert.equal((await gateway.ask('bob', 'tv-1', FILM, 'films')).status, 200);
    for (const { log, player } of [live, film]) {
      await player.until(player.seconds + 4);
      assertPlayedUnderItsPlaySession(log, { atLeast: 2 });
      await player.stop();
    }
  });

  it('does not count what plays on an application that does not carry it', async () => {
    const gateway = await tenants(1, []);
    const live = await play(gateway, 'tv-1', LIVE, 'tv');
    const films = [await play(gateway, 'tablet', FILM, 'films'), await play(gateway, 'phone', FILM, 'films')];
    assertIsRefusal({ ...await gateway.ask('alice', 'tv-2', LIVE, 'tv'), holders: ['tv-1'] });
    for (const { player } of [live, ...films]) await player.stop();
  });
});
