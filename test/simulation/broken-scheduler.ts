/**
 * `node broken-scheduler.ts NAME SEEDS`: takes a guard out of the scheduler and runs seeds from 1 until a promise is
 * broken. Prints which seed found it and what it found; exits with 1 when none did.
 */
import { type MutationName, mutate } from './mutations.ts';

const [name, seeds] = process.argv.slice(2);
mutate(name as MutationName);
const { DatabasePool } = await import('./database.ts');
const { simulate } = await import('./simulate.ts');
using pool = new DatabasePool();
process.exitCode = 1;
for (let seed = 1; seed <= Number(seeds); seed += 1) {
  const { problems } = await simulate(seed, pool);
  if (problems.length === 0) continue;
  process.stdout.write(`seed ${seed}: ${problems[0]}\n`);
  process.exitCode = 0;
  break;
}
