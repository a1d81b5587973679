// The server's JSON interface. Every failure becomes an error whose message can be shown to a person.

import { followClock } from './clock.js';

const ANSWER_MS = 60_000; // a server that never answers is as good as one that can't be reached

let account = null;

/** From here on requests are for this account alone: another tab of the browser may sign in with another one. */
export function actAs(address) {
  account = address;
}

export class ApiError extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

export class Offline extends Error {
  constructor(options) {
    super("The server can't be reached. Your answers are kept in this browser; we try again by ourselves.", options);
  }
}

/** Whether trying the same again later may work. */
export function isTemporary(error) {
  return error instanceof Offline || (error instanceof ApiError && (error.status >= 500 || error.status === 429));
}

export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(body && { 'Content-Type': 'application/json' }), ...(account && { 'DDLP-Account': account }) },
      body: body && JSON.stringify(body),
      credentials: 'same-origin',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch {
    throw new Offline();
  }
  followClock(response.headers.get('Date'));
  if (response.status === 204) return null;
  let answer;
  try {
    answer = await response.json();
  } catch {
    if (response.ok) throw new Offline(); // the connection broke in the middle of the answer
    throw new ApiError(response.status, 'no_json', 'The server answered nonsense. Try again in a minute.');
  }
  if (!response.ok) throw new ApiError(response.status, answer.code, answer.detail);
  return answer;
}

export const get = (path) => call('GET', path);
export const post = (path, body = {}) => call('POST', path, body);
export const remove = (path) => call('DELETE', path);
