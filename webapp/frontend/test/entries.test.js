import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, hex } from '../src/bytes.js';
import { checkHead, delegationEntry, label, readLease, skipEntry, submissionEntry } from '../src/entries.js';
import { golden, named } from './golden.js';

const domain = named(golden.structs, 'Head')[0].domain;
const gateway = golden.keys.gateway.address;
const logged = (vector) => ({
  position: Number(vector.position),
  entry: vector.bytes,
  before: vector.previousHead,
  head: vector.head,
  signature: vector.headSignature,
});

test('entries have the bytes of the golden vectors', () => {
  const [signed] = named(golden.entries, 'Delegation');
  assert.equal(hex(delegationEntry(signed.fields, fromHex(signed.fields.signature))), signed.bytes);
  for (const { fields, bytes } of named(golden.entries, 'Submission')) {
    assert.equal(hex(submissionEntry(fields, fromHex(fields.signature))), bytes);
  }
  for (const { fields, bytes } of named(golden.entries, 'Skip')) {
    assert.equal(hex(skipEntry(fields.contributor, fields.item, fields.reason)), bytes);
  }
});

test('a lease is read from its bytes, and only from them', () => {
  const leases = named(golden.entries, 'Lease');
  assert.ok(leases.length);
  for (const { fields, bytes } of leases) {
    assert.deepEqual(readLease(fromHex(bytes)), {
      contributor: fields.contributor,
      reward: BigInt(fields.reward),
      expiry: Number(fields.expiry),
      items: fields.items.map(Number),
    });
    assert.throws(() => readLease(fromHex(bytes + '00')), TypeError);
  }
  assert.throws(() => readLease(fromHex(named(golden.entries, 'Skip')[0].bytes)), TypeError);
});

test('label commitments equal the golden vectors', () => {
  for (const vector of golden.labels) {
    const commitment = label(fromHex(vector.item), vector.answer, fromHex(vector.seed), vector.index);
    assert.equal(hex(commitment), vector.label);
  }
});

test('every golden head verifies; a changed field, signer or entry does not', () => {
  for (const vector of golden.entries) {
    const good = { domain, campaign: vector.campaign, gateway, expected: fromHex(vector.bytes) };
    assert.equal(checkHead(logged(vector), good).head, vector.head);
    const flipped = (text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0');
    for (const field of ['entry', 'before', 'head', 'signature']) {
      const changed = { ...logged(vector), [field]: flipped(logged(vector)[field]) };
      assert.throws(() => checkHead(changed, { ...good, expected: null }), Error, field);
    }
    assert.throws(() => checkHead({ ...logged(vector), position: 99 }, good), /doesn't verify/);
    assert.throws(() => checkHead(logged(vector), { ...good, gateway: golden.keys.expert.address }), /doesn't verify/);
    assert.throws(() => checkHead(logged(vector), { ...good, campaign: '8' }), /doesn't verify/);
    assert.throws(() => checkHead(logged(vector), { ...good, expected: fromHex('0x00') }), /something else/);
  }
});
