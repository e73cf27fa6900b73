/**
 * `node scripts/services/supervise.ts NAME FOLDER [leash]`: keeps one service running in a new FOLDER, which it removes
 * at the end. Writes one line of JSON to stdout, `{ url }` or `{ missing }`. Ends on SIGTERM and, with `leash`, when
 * its stdin ends: then the service goes within a moment of the process that wanted it, however that one died.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { services } from './kinds.ts';
import { ServiceMissing } from './service.ts';

const [name, folder, leash] = process.argv.slice(2);
const kind = services[name as keyof typeof services];
if (kind === undefined || folder === undefined) throw new Error('Usage: supervise.ts NAME FOLDER [leash]');

const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
const ended = new Promise<unknown>((resolve) => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, resolve);
  if (leash === 'leash') process.stdin.on('end', resolve).on('error', resolve).resume();
});
// Whoever read the first line may be gone.
process.stdout.on('error', () => {});

mkdirSync(folder, { mode: 0o755 });
try {
  await using service = await kind.start(folder);
  say({ url: service.url });
  await ended;
} catch (thrown) {
  if (!(thrown instanceof ServiceMissing)) throw thrown;
  say({ missing: thrown.message });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
