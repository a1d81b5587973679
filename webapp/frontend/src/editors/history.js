// Undo and redo over whole states: small JSON values, copied.

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
