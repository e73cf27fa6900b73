import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import fc from 'fast-check';
import { randomRuns } from '../../../test/random-runs.ts';
import { agentLoop } from './simulation/agent-loop.ts';
import { arbitraryProgram, type Style } from './simulation/arbitrary-program.ts';
import { perform } from './simulation/program.ts';
import { turns } from './simulation/random.ts';
import { type SimulatedBody, Simulation, type SimulationOptions } from './simulation/simulation.ts';

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
  .map(
    ({ cancelAt, pauseAt, ...options }): SimulationOptions => ({
      ...options,
      ...(cancelAt === undefined ? {} : { cancelAt }),
      ...(pauseAt === undefined ? {} : { pauseAt }),
    }),
  );

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

  const seen = {
    programs: 0,
    attempts: 0,
    suspensions: 0,
    entries: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
  };

  async function holds(simulation: Simulation): Promise<void> {
    await simulation.run();
    await turns(2);
    assert.deepEqual(simulation.problems, []);
    assert.deepEqual(rejections.splice(0), []);
    seen.programs += 1;
    seen.attempts += simulation.attempts;
    seen.suspensions += simulation.suspensions;
    seen.entries += simulation.task.journal.length;
    const kind = simulation.outcome?.kind;
    if (kind === 'completed' || kind === 'failed' || kind === 'cancelled') seen[kind] += 1;
  }

  const holdsForPrograms = (style: Style, numRuns: number): Promise<void> =>
    fc.assert(
      fc.asyncProperty(arbitraryProgram(style), arbitraryOptions, async (program, options) => {
        const isTraced = style !== 'io';
        await holds(new Simulation((scene) => perform(program, scene, ''), { ...options, isTraced }));
      }),
      randomRuns(numRuns),
    );

  const promise = 'a replay is the live run again, whatever crashes, waits and cancels came between';
  it(`${promise}: with branches`, async () => await holdsForPrograms('branches', 1_000));
  it(`${promise}: with plain promises`, async () => await holdsForPrograms('plain', 1_000));
  it(`${promise}: with I/O outside steps`, async () => await holdsForPrograms('io', 1_000));

  it('a loop that folds its history does nothing twice and comes to the same', async (t) => {
    const arbitraryLoop = fc.record({
      turnCount: fc.integer({ min: 1, max: 5 }),
      failBelow: fc.constantFrom(0, 0, 300),
    });
    const property = fc.asyncProperty(arbitraryLoop, arbitraryOptions, async (loop, options) => {
      const body: SimulatedBody = (scene, steps) => agentLoop(scene, steps, loop);
      await holds(new Simulation(body, { ...options, mode: 'history', isTraced: false }));
    });
    await fc.assert(property, randomRuns(1_000));
    t.diagnostic(JSON.stringify(seen));
  });
});
