import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History } from '../src/editors/history.js';
import { cleaned, corners, insertedPoint, moved, started, withoutPoint } from '../src/editors/shapes.js';
import { wordsOf } from '../src/editors/spans.js';

test('history undoes and redoes whole states, and forgets what was undone after a change', () => {
  const history = new History([]);
  assert.equal(history.push([1]), true);
  assert.equal(history.push([1]), false);
  history.push([1, 2]);
  assert.equal(history.undo(), true);
  assert.deepEqual(history.state, [1]);
  assert.equal(history.redo(), true);
  assert.deepEqual(history.state, [1, 2]);
  history.undo();
  history.push([3]);
  assert.equal(history.redo(), false);
  history.undo();
  history.undo();
  assert.equal(history.undo(), false);
  assert.deepEqual(history.state, []);
});

test('history keeps a copy: what is changed later stays as it was', () => {
  const state = [{ box: [1] }];
  const history = new History([]);
  history.push(state);
  state[0].box[0] = 9;
  assert.deepEqual(history.state, [{ box: [1] }]);
});

test('a box moves as a whole and stops at the edges', () => {
  const region = { class: 'a', ...started('box', 100) };
  assert.deepEqual(region.box, [40, 40, 60, 60]);
  assert.deepEqual(moved(region, -1, -5, 3, 100).box, [35, 43, 55, 63]);
  assert.deepEqual(moved(region, -1, -500, 500, 100).box, [0, 80, 20, 100]);
});

test('a corner that passes the other keeps the box upright, and one on it is refused', () => {
  const region = { class: 'a', box: [40, 40, 60, 60] };
  assert.deepEqual(moved(region, 0, 30, 30, 100).box, [60, 60, 70, 70]);
  assert.equal(moved(region, 0, 20, 0, 100), null);
  assert.equal(cleaned({ class: 'a', box: [5, 5, 5, 9] }), null);
});

test('polygons gain and lose corners, but keep three and an area', () => {
  const region = { class: 'a', ...started('points', 100) };
  assert.equal(corners(region).length, 4);
  const more = insertedPoint(region, 0);
  assert.deepEqual(more.points[1], [55, 45]);
  assert.equal(insertedPoint(region, -1), null);
  const three = withoutPoint(region, 3);
  assert.equal(three.points.length, 3);
  assert.equal(withoutPoint(three, 0), null);
  assert.equal(cleaned({ class: 'a', points: [[0, 0], [5, 5], [9, 9]] }), null);
});

test('words are counted in code points, whatever the plane', () => {
  assert.deepEqual(wordsOf('Zoë, 😀 and Ada.'), [
    { start: 0, end: 3 },
    { start: 7, end: 10 },
    { start: 11, end: 14 },
  ]);
});
