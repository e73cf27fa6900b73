/** Preloaded into a process (`--import`): at its end it leaves the names of all modules that it loaded in the file MODULES_FILE. */
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const file = process.env.MODULES_FILE ?? '';
const urls: string[] = [];
registerHooks({
  load: (url, context, nextLoad) => {
    urls.push(url);
    return nextLoad(url, context);
  },
});
// What Node has of its own, with what was loaded by nobody's import.
const own = (process as { moduleLoadList?: readonly string[] }).moduleLoadList ?? [];
process.on('exit', () => writeFileSync(file, JSON.stringify([...urls, ...own])));
