// What is shown of an item: image, text, audio; two sides of a comparison. Images can be zoomed.

import { build } from './page.js';

const ZOOMS = [1, 1.5, 2, 3, 4];

export class Stage {
  constructor(root, { failed }) {
    Object.assign(this, { root, failed, zoom: 0 });
  }

  show(item, url, place) {
    this.zoom = 0;
    const parts = [this.part(item.first, url(item, ''), `Item ${place}`, 'item-image')];
    if (item.second) parts.push(this.part(item.second, url(item, '/second'), `Item ${place}, right side`, 'item-second'));
    this.root.classList.toggle('pair', parts.length > 1);
    this.root.replaceChildren(...parts);
  }

  part({ text, media }, address, name, id) {
    const figure = build('figure', { className: 'item' });
    const kind = media?.split('/')[0];
    if (kind === 'image') {
      const image = build('img', { id, alt: `${name}. Look at it and choose an answer.` });
      image.addEventListener('error', () => this.failed());
      image.src = address;
      figure.append(build('div', { className: 'zoomable' }, build('div', { className: 'frame' }, image)));
      figure.classList.add('picture');
    } else if (kind === 'audio') {
      const audio = build('audio', { id, controls: true, preload: 'auto', src: address });
      audio.setAttribute('aria-label', name);
      audio.addEventListener('error', () => this.failed());
      figure.append(audio);
    }
    if (text !== null) figure.append(build('div', { className: 'item-text', dir: 'auto', textContent: text }));
    return figure;
  }

  get canZoom() {
    return Boolean(this.root.querySelector('.frame'));
  }

  zoomBy(step) {
    this.zoom = Math.max(0, Math.min(ZOOMS.length - 1, this.zoom + step));
    for (const frame of this.root.querySelectorAll('.frame')) {
      frame.style.width = `${100 * ZOOMS[this.zoom]}%`;
      // Who moves by keys must be able to scroll what has become larger.
      if (this.zoom) frame.parentElement.tabIndex = 0;
      else frame.parentElement.removeAttribute('tabindex');
    }
    return `${Math.round(100 * ZOOMS[this.zoom])} %`;
  }
}
