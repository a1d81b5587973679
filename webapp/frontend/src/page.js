// Small helpers for the page's elements and texts.

export const element = (id) => document.getElementById(id);

/** Builds an element; `properties` are set on it, `children` are nodes or texts (never HTML). */
export function build(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Servers' reasons begin in lower case and end without a stop. */
export function sentence(text) {
  return text && text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? '' : '.');
}

export function notify(text) {
  element('error').textContent = '';
  element('notice').textContent = text;
}

export function complain(error) {
  // What is no error of ours is a bug: show that something broke, and keep the cause for the console.
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) console.error(error);
  element('notice').textContent = '';
  element('error').textContent = sentence(error?.message) || 'Something broke in this page. Reload it; your answers are kept.';
}

/** Read aloud by screen readers, shown to nobody. */
export function speak(text) {
  element('spoken').textContent = text;
}

/** Shows one panel and moves focus into it; marks the step it belongs to. */
export function show(panel) {
  for (const node of document.querySelectorAll('[data-panel]')) node.hidden = node.dataset.panel !== panel;
  const step = { loading: 'connect', exam: 'label', wait: 'label', review: 'label' }[panel] ?? panel;
  document.body.dataset.step = panel === 'label' || panel === 'review' ? 'label' : step;
  if (panel === 'wait' || panel === 'exam') document.body.dataset.step = 'wait';
  let done = true;
  for (const item of element('steps').children) {
    const current = item.dataset.step === step;
    done &&= !current;
    item.classList.toggle('done', done);
    if (current) item.setAttribute('aria-current', 'step');
    else item.removeAttribute('aria-current');
  }
}

export function focusHeading(panel) {
  document.querySelector(`[data-panel="${panel}"] h3`)?.focus();
}

/** Runs `action` while its button is disabled; errors are shown. */
export async function whileBusy(button, action) {
  button.disabled = true;
  try {
    await action();
  } catch (error) {
    complain(error);
  } finally {
    button.disabled = false;
  }
}

/** Base units (decimal text) as tokens, cut to six decimals, never rounded up. */
export function tokens(amount, { decimals, symbol }) {
  const digits = String(amount).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, ',');
  const fraction = digits.slice(digits.length - decimals).slice(0, 6).replace(/0+$/, '');
  return `${whole}${fraction && '.' + fraction} ${symbol}`;
}

/** An estimate to two significant digits, cut. */
export function about(amount, network) {
  const text = String(amount);
  return `about ${tokens(text.slice(0, 2).padEnd(text.length, '0'), network)}`;
}

export const short = (address) => `${address.slice(0, 6)}…${address.slice(-4)}`;
