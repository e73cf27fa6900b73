/**
 * `npm run simulate [-- --seeds 10000] [--from 1] [--seed N]`: runs of the scheduler under seeded faults. One seed prints
 * its whole trace. Exits with 1 when a promise was broken, and says how to run that seed again.
 */
import { parseArgs } from 'node:util';
import { DatabasePool } from '../test/simulation/database.ts';
import { simulate } from '../test/simulation/simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
});

/** Throws for what is no whole number from 1. */
function wholeNumber(name: string, text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new Error(`--${name} ${text}: a whole number from 1`);
  return Number(text);
}

const first = values.seed === undefined ? wholeNumber('from', values.from) : wholeNumber('seed', values.seed);
const count = values.seed === undefined ? wholeNumber('seeds', values.seeds) : 1;
const startedAt = performance.now();
using pool = new DatabasePool();
let failed = 0;
for (let seed = first; seed < first + count; seed += 1) {
  const { trace, problems } = await simulate(seed, pool);
  if (values.seed !== undefined) process.stdout.write(`${trace.join('\n')}\n`);
  if (problems.length === 0) continue;
  failed += 1;
  process.stdout.write(`seed ${seed}: ${problems.join('; ')}\n`);
}
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
process.stdout.write(`${count - failed} of ${count} seeds passed in ${seconds} s\n`);
process.exitCode = failed === 0 ? 0 : 1;
