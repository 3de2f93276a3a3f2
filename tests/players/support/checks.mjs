// What every play through the gateway must show.

import assert from 'node:assert/strict';

import { carriesPlaySession } from './watchpoint.mjs';

/** Every segment was asked for under a play session and answered, and there were at least `atLeast` of them. */
export function assertPlayedUnderItsPlaySession(log, { atLeast }) {
  const answered = log.segments.filter(({ method }) => method === 'GET');
  assert.ok(answered.length >= atLeast, `only ${answered.length} segments:\n${log}`);
  assert.deepEqual(answered.filter((segment) => !carriesPlaySession(segment)), [], 'segments without a play session');
  assert.deepEqual(log.answers.filter(({ status }) => status >= 400), [], 'answers that are errors');
  assert.equal(new Set(answered.map(({ path }) => path.split('/')[2])).size, 1, 'one play, one play session');
}

/**
 * The player has played what there is: it says so, or it has all of it in its buffer and stands within a second of the end. dash.js
 * pauses its element when less than its stall threshold is buffered, and does not always go on for the last half second.
 */
export function hasPlayedToItsEnd({ ended, time, duration, buffered }) {
  const hasAll = (buffered?.at(-1)?.[1] ?? 0) >= duration - 0.1;
  return ended || hasAll && time >= duration - 1;
}

/** Another device of the account is refused at the entry manifest, because of the streams on `holders`. */
export async function assertRefused(gateway, { subject, device, asset, holders }) {
  const { status, type, body } = await gateway.ask(subject, device, asset);
  assertIsRefusal({ status, type, body, holders });
}

/** A refusal as a page or a client reads it: 403, a problem document, the rule, and the devices that hold the slots. */
export function assertIsRefusal({ status, type, body, holders }) {
  assert.equal(status, 403, body);
  assert.match(type, /^application\/problem\+json/);
  const problem = JSON.parse(body);
  assert.equal(problem.status, 403);
  assert.equal(typeof problem.type, 'string');
  assert.ok(body.includes('household-limit'), `the rule is named: ${body}`);
  for (const holder of holders) assert.ok(body.includes(`"${holder}"`), `${holder} holds a slot: ${body}`);
}
