// What /static/regions.js and /static/regions.css hold.

import '@annotorious/annotorious/annotorious.css';

export { RegionEditor } from './regions.js';
