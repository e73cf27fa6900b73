import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineAgent, defineTool } from '@opspawn/agentkit';
import { callTool, say, scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';
import { openOpspawn } from '../../../test/opspawn.ts';
import { localPrincipal } from '../../auth/principal.ts';
import { openMemoryBus } from '../../broker/memory/bus.ts';
import type { Attempt } from './attempt.ts';
import { Pulse } from './pulse.ts';

it('a long run that nobody watches does not stream: its own worker is no watcher', async (t) => {
  const streamed = Promise.withResolvers<boolean>();
  const model = scriptedModel({
    name: 'slow',
    steps: [
      callTool('wait'),
      ({ onDelta }) => {
        streamed.resolve(onDelta !== undefined);
        return say('done');
      },
    ],
  });
  // Longer than a worker lets an attempt run before it listens for what other processes post to it.
  const wait = defineTool({
    description: 'Takes a while',
    input: z.object({}),
    execute: () => sleep(300).then(() => 'waited'),
  });
  const agents = [defineAgent({ name: 'slow', instructions: 'Wait', model, tools: { wait } })];
  const { engine } = await openOpspawn(t, { agents });
  await engine.submit(localPrincipal, { name: 'slow', input: 'Go' });
  assert.equal(await streamed.promise, false);
});

it('says of an inbox that cannot be read only while its attempt goes on', async () => {
  await using bus = openMemoryBus();
  const errors: unknown[] = [];
  using pulse = new Pulse({ live: bus.live, onError: (error) => void errors.push(error) });
  const running = (taskId: string): Attempt =>
    ({ taskId, task: { claimedAt: 0 }, reloadInbox: () => Promise.reject(new Error(taskId)) }) as Attempt;
  const [over, going] = [running('over'), running('going')];
  for (const attempt of [over, going]) pulse.add(attempt, 60_000, performance.now());
  pulse.posted(['over', 'going']);
  pulse.remove(over);
  await sleep(1);
  assert.deepEqual(errors.map(String), ['Error: going']);
});

it('reads no inbox of an attempt that lives for a moment only', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  await using bus = openMemoryBus();
  using pulse = new Pulse({ live: bus.live, onError: () => {} });
  let reads = 0;
  const reloadInbox = async (): Promise<void> => {
    reads += 1;
  };
  pulse.add({ taskId: 'new', task: { claimedAt: 0 }, reloadInbox } as unknown as Attempt, 60_000, 0);
  t.mock.timers.tick(100);
  assert.equal(reads, 0);
  now = 110;
  t.mock.timers.tick(100);
  assert.equal(reads, 1);
});
