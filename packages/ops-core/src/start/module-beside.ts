import { extname } from 'node:path';

/**
 * URL of the module `name` beside the one that asks: `.ts` in the checkout, `.js` where it was compiled. A compiler
 * mends the paths of imports only, so that modules that are started by their URL are named through this.
 */
export const moduleBeside = (name: string, importMetaUrl: string): URL =>
  new URL(`./${name}${extname(new URL(importMetaUrl).pathname)}`, importMetaUrl);
