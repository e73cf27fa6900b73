/**
 * `npm run bench -- NAME [argument…]`: runs bench/NAME.ts. Each one prints what it measured beside the floor of the
 * same run; absolute figures move from machine to machine, the ratios hold.
 */
import { readdirSync } from 'node:fs';

interface Bench {
  /** Absent: the file measures when it is loaded. */
  run?(args: readonly string[]): Promise<void>;
}

const names = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.ts') && file !== 'main.ts')
  .map((file) => file.slice(0, -'.ts'.length));

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  process.stderr.write(`Usage: npm run bench -- NAME [argument…]\nNames: ${names.join(', ')}\n`);
  process.exitCode = 2;
} else {
  const bench = (await import(`./${name}.ts`)) as Bench;
  await bench.run?.(args);
}
