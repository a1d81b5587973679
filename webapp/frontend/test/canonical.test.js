import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, utf8 } from '../src/bytes.js';
import { answerDigest, canonicalJson } from '../src/canonical.js';
import { golden } from './golden.js';

test('canonical JSON and answer digests equal the golden vectors', () => {
  assert.ok(golden.json.length && golden.answers.length);
  for (const { value, bytes } of [...golden.json, ...golden.answers]) {
    assert.equal(hex(utf8(canonicalJson(value))), bytes);
  }
  for (const { value, digest } of golden.answers) assert.equal(hex(answerDigest(value)), digest);
});

test('members are sorted by UTF-16 code units at every depth', () => {
  assert.equal(canonicalJson({ b: [{ z: 1, a: 2 }], '\u{1F600}': 3, '\uFB33': 4, a: null }), '{"a":null,"b":[{"a":2,"z":1}],"\u{1F600}":3,"\uFB33":4}');
});

test('what has no canonical form is refused', () => {
  for (const value of [0.5, 2 ** 53, NaN, undefined, [undefined], '\ud800', 1n]) {
    assert.throws(() => canonicalJson(value), TypeError);
  }
});
