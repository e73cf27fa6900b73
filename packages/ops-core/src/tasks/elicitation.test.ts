import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { defineAgent } from '@opspawn/agentkit';
import { callTool, scriptedModel } from '@opspawn/agentkit/testing';
import type { Task } from '@opspawn/sdk';
import { openOpspawn, temporaryFolder, untilFinished, untilStatus } from '../../test/opspawn.ts';
import { localPrincipal } from '../auth/principal.ts';
import type { OpspawnConfig } from './definitions/user-config.ts';

const askingServer = fileURLToPath(new URL('../../../agentkit/test/mcp/asking-server.ts', import.meta.url));

/** An agent that books a table at an inn whose server asks a person for whom. */
function inn(era: string, ledger: string, trusted = false): OpspawnConfig {
  const host = defineAgent({
    name: 'host',
    instructions: 'Book.',
    model: scriptedModel({
      name: 'host',
      steps: [
        callTool('inn__book', { table: '7' }),
        ({ messages }) => {
          const last = messages.at(-1);
          return last?.role === 'tool' ? String(last.content[0]?.output) : 'nothing';
        },
      ],
    }),
    mcp: { servers: ['inn'] },
  });
  return {
    agents: [host],
    mcp: { servers: { inn: { command: process.execPath, args: [askingServer, era, ledger], trusted } } },
  };
}

async function openInn(t: TestContext, era: string) {
  const folder = temporaryFolder(t);
  const ledger = join(folder, 'ledger');
  const config = inn(era, ledger);
  const start = () => openOpspawn(t, config, { folder });
  const first = await start();
  const { task } = await first.engine.submit(localPrincipal, { name: 'host', input: 'Go' });
  const waiting = await untilStatus(t, first.engine, task.id, 'waiting');
  return { start, first, waiting, booked: () => readFileSync(ledger, 'utf8') };
}

const onlyWait = ({ waits }: Task) => {
  assert.equal(waits.length, 1);
  return waits[0]!;
};

describe('a question of an MCP server in the midst of a call', { timeout: 300_000 }, () => {
  for (const era of ['modern', 'legacy']) {
    it(`of the ${era} era lets the task wait without a worker, refuses what does not fit, and goes on`, async (t) => {
      const { first, waiting, booked } = await openInn(t, era);
      const { engine } = first;
      const { kind, step, data } = onlyWait(waiting);
      assert.equal(kind, 'question');
      assert.match(JSON.stringify(data), /The MCP server inn asks:\\nWho comes to table 7\?/);
      const decide = (answer: { name: string; seats?: number }) =>
        engine.decide(localPrincipal, waiting.id, step, { approved: true, answer });
      await assert.rejects(decide({ name: 'A' }), {
        code: 'invalid_argument',
        message: /\/answer\/name: must NOT have fewer than 2 characters/,
      });
      await decide({ name: 'Ada', seats: 3 });
      const { task } = await untilFinished(t, engine, waiting.id);
      assert.equal(task.output, 'booked 7 for Ada and 3 seats');
      assert.equal(booked(), '7 Ada 3\n');
    });
  }

  it('can be declined', async (t) => {
    const { first, waiting } = await openInn(t, 'modern');
    const { step } = onlyWait(waiting);
    await first.engine.decide(localPrincipal, waiting.id, step, { approved: false, comment: 'no' });
    const { task } = await untilFinished(t, first.engine, waiting.id);
    assert.equal(task.output, 'no booking: decline');
  });

  it('of the modern era is answered to another process as well', async (t) => {
    const { first, start, waiting, booked } = await openInn(t, 'modern');
    await first[Symbol.asyncDispose]();
    const { engine } = await start();
    await engine.decide(localPrincipal, waiting.id, onlyWait(waiting).step, {
      approved: true,
      answer: { name: 'Ada' },
    });
    const { task } = await untilFinished(t, engine, waiting.id);
    assert.equal(task.output, 'booked 7 for Ada and 2 seats');
    assert.equal(booked(), '7 Ada 2\n');
  });

  it('of the legacy era is lost with its process: the call is in doubt, and made anew only when a person says so', async (t) => {
    const { first, start, waiting, booked } = await openInn(t, 'legacy');
    await first[Symbol.asyncDispose]();
    const { engine } = await start();
    await engine.decide(localPrincipal, waiting.id, onlyWait(waiting).step, {
      approved: true,
      answer: { name: 'Ada' },
    });
    const inDoubt = await untilWaitsFor(t, () => engine.get(localPrincipal, waiting.id), 'doubt');
    assert.throws(booked, 'nothing was booked');
    await engine.resolve(localPrincipal, waiting.id, onlyWait(inDoubt).step, { action: 'retry' });
    const { task } = await untilFinished(t, engine, waiting.id);
    assert.equal(task.output, 'booked 7 for Ada and 2 seats');
    assert.equal(booked(), '7 Ada 2\n', 'with the answer that was given before');
  });
});

async function untilWaitsFor(t: TestContext, look: () => Promise<Task>, kind: string): Promise<Task> {
  for (;;) {
    t.signal.throwIfAborted();
    const task = await look();
    if (task.status === 'waiting' && task.waits[0]?.kind === kind) return task;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
