import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import fc from 'fast-check';
import { arbitraryProgram, type Style } from './simulation/arbitrary-program.ts';
import { turns } from './simulation/random.ts';
import { Simulation, type SimulationOptions } from './simulation/simulation.ts';

const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);

const optionally = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const number = (max: number) => fc.integer({ min: 1, max });

const arbitraryOptions = fc
  .record({
    seed: fc.integer(),
    crashAt: fc.array(number(40), { maxLength: 6 }),
    stopAt: fc.array(number(40), { maxLength: 1 }),
    noise: fc.boolean(),
    lingerMs: fc.constantFrom(0, 10, 1e9),
    cancelAt: optionally(number(12)),
    pauseAt: optionally(number(12)),
    retries: fc.constantFrom(0, 0, 1, 2),
  })
  .map((options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)));

describe('random programs', () => {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  before(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    process.on('unhandledRejection', onRejection);
  });
  after(() => {
    mock.timers.reset();
    process.off('unhandledRejection', onRejection);
  });

  const seen = { attempts: 0, suspensions: 0, entries: 0, outcomes: new Map<string, number>() };

  async function runs(style: Style, numRuns: number): Promise<void> {
    const property = fc.asyncProperty(arbitraryProgram(style), arbitraryOptions, async (program, options) => {
      const simulation = new Simulation(program, {
        ...(options as unknown as SimulationOptions),
        hasIo: style === 'io',
      });
      await simulation.run();
      await turns(2);
      seen.attempts += simulation.attempts;
      seen.suspensions += simulation.suspensions;
      seen.entries += simulation.task.journal.length;
      const kind = simulation.outcome?.kind ?? 'none';
      seen.outcomes.set(kind, (seen.outcomes.get(kind) ?? 0) + 1);
      assert.deepEqual(simulation.problems, []);
      assert.deepEqual(rejections.splice(0), []);
    });
    const seed = process.env.OPSPAWN_TEST_SEED;
    await fc.assert(property, { numRuns, ...(seed === undefined ? {} : { seed: Number(seed) }) });
  }

  const promise = 'a replay is the live run again, whatever crashes, waits and cancels came between';
  it(`${promise}: with branches`, async (t) => {
    await runs('branches', 400 * scale);
    t.diagnostic(JSON.stringify({ ...seen, outcomes: Object.fromEntries(seen.outcomes) }));
  });
  it(`${promise}: with plain promises`, async () => await runs('plain', 400 * scale));
  it(`${promise}: with I/O outside steps`, async () => await runs('io', 200 * scale));
});
