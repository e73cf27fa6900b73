import { OpspawnError } from './errors.ts';

/**
 * The address of a module of one's own beside the calling one, named without its extension:
 * `moduleUrl('./worker', import.meta.url)` is `worker.ts` in sources and `worker.js` when compiled. A compiler rewrites
 * extensions in imports, but not in `new URL('./worker.ts', import.meta.url)`.
 */
export function moduleUrl(path: string, callerUrl: string): URL {
  if (typeof path !== 'string' || !URL.canParse(callerUrl))
    throw new OpspawnError('invalid_argument', "moduleUrl takes './NAME' and import.meta.url");
  const extension = /\.[cm]?[jt]s(?=$|[?#])/.exec(callerUrl)?.[0] ?? '.js';
  return new URL(path + extension, callerUrl);
}
