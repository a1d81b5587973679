// Undo and redo over whole states (small JSON values, copied), and editors that have them.

const DEPTH = 200;

export class History {
  constructor(state) {
    this.past = [];
    this.future = [];
    this.state = structuredClone(state);
  }

  /** Takes a new state, unless it is the one there is; returns whether it was new. */
  push(state) {
    if (JSON.stringify(state) === JSON.stringify(this.state)) return false;
    this.past = [...this.past, this.state].slice(-DEPTH);
    this.future = [];
    this.state = structuredClone(state);
    return true;
  }

  undo() {
    if (!this.past.length) return false;
    this.future.push(this.state);
    this.state = this.past.pop();
    return true;
  }

  redo() {
    if (!this.future.length) return false;
    this.past.push(this.state);
    this.state = this.future.pop();
    return true;
  }
}

/** What editors share whose answer is a state with a history: they have `history`, `show()` and `changed()`. */
export class StatefulEditor {
  draft() {
    return this.history.state;
  }

  undo() {
    return this.step(this.history.undo());
  }

  redo() {
    return this.step(this.history.redo());
  }

  step(moved) {
    if (moved) {
      this.show();
      this.changed();
    }
    return moved;
  }
}
