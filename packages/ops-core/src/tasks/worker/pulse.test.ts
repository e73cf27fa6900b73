import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineAgent, defineTool } from '@opspawn/agentkit';
import { callTool, say, scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';
import { openOpspawn } from '../../../test/opspawn.ts';
import { localPrincipal } from '../../auth/principal.ts';

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
