// The time. A phone's clock may be hours off, and leases and permissions end by the server's: that one counts.

const TOLERATED_SECONDS = 5; // answers take a while, and tell whole seconds

let ahead = 0; // how far the server's clock is before this machine's, seconds

/** Takes the time at which the server answered, its Date header. */
export function followClock(date) {
  const now = Math.round((Date.parse(date) - Date.now()) / 1000);
  if (Math.abs(now - ahead) > TOLERATED_SECONDS) ahead = now;
}

/** Unix seconds by the server's clock, by this machine's until it has answered. */
export const unixNow = () => Math.floor(Date.now() / 1000) + ahead;
