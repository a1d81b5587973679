import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followClock, unixNow } from '../src/clock.js';

const machine = () => Math.floor(Date.now() / 1000);
const answeredAt = (seconds) => new Date(1000 * seconds).toUTCString();
const near = (found, wanted) => assert.ok(Math.abs(found - wanted) <= 2, `${found} instead of ${wanted}`);

test("the server's clock counts where this machine's is off, and neither seconds nor nonsense move it", () => {
  near(unixNow(), machine());
  for (const off of [7200, -40 * 86_400]) {
    followClock(answeredAt(machine() + off));
    near(unixNow(), machine() + off);
    const before = unixNow() - machine();
    followClock(answeredAt(machine() + off + 3));
    for (const nonsense of [null, '', 'yesterday']) followClock(nonsense);
    near(unixNow() - machine(), before);
  }
  followClock(answeredAt(machine()));
  near(unixNow(), machine());
});
