// Waiting for something that can only be asked for, with a deadline.

import { setTimeout as pause } from 'node:timers/promises';

/**
 * Asks until the answer is truthy and returns it.
 *
 * @param {string} what what is waited for, as it reads in "… did not happen"
 * @param {() => any} ask may throw and may be async; a throw counts as "not yet"
 * @param {{within?: number, every?: number}} times milliseconds
 */
export async function eventually(what, ask, { within = 20_000, every = 100 } = {}) {
  const deadline = Date.now() + within;
  let last;
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
      last = undefined;
    } catch (error) {
      if (error instanceof GiveUp) throw error;
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: did not happen within ${within} ms${last ? ` (${last.message})` : ''}`);
    }
    await pause(every);
  }
}

/** Thrown by a question that knows it is not worth asking again. */
export class GiveUp extends Error {}
