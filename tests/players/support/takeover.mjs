// What the tests of take-overs share: accounts whose tokens name no device, and what is to be seen of a take-over.

import assert from 'node:assert/strict';

/** How long a start that took another stream's place is on trial in these tests, in seconds. */
export const VERIFY = 3;
/** The segments of all that is played here, in seconds. */
export const SEGMENT = 2;

/** The `streams` section: short trials, everything else as it comes. */
export const STREAMS = { takeover: { verify: `${VERIFY}s` } };

/** How a viewer's starts are told apart: by nothing, by their tokens, or not at all because tokens name the device. */
export const TOKENS = {
  'one token': { device: undefined, url: (viewer, asset) => viewer.entry(asset) },
  'a token for each start': { device: undefined, url: (viewer, asset) => viewer.fresh(asset) },
  'a device claim': { device: 'tv-1', url: (viewer, asset) => viewer.fresh(asset) },
};

/** Nobody was refused anything. */
export function assertNothingRefused(log) {
  assert.deepEqual(log.refused.map(({ path, body }) => `${path.slice(-60)}: ${body}`), [], `refused; the log ends with\n${log}`);
}

/** A stream was ended, and its player is told by which rule and why. */
export function assertIsTermination({ status, body }) {
  assert.equal(status, 403, body);
  const problem = JSON.parse(body);
  assert.equal(problem.type, 'urn:streamgate:problem:stream-terminated', body);
  assert.equal(problem.status, 403);
  assert.ok(problem.title.length > 0 && problem.detail.length > 0, body);
  assert.ok(body.includes('household-limit'), `the rule is named: ${body}`);
}
