import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { add, defineAgent, handoff, type Message } from '@opspawn/agentkit';
import { callTool, callTools, scriptedModel } from '@opspawn/agentkit/testing';
import { createClient } from '@opspawn/sdk';
import { openOpspawn, temporaryFolder, untilFinished, untilStatus } from '../../test/opspawn.ts';
import { localPrincipal } from '../auth/principal.ts';
import { createHttpServer, listen } from '../http/server.ts';

const filesOf = (messages: readonly Message[]) =>
  messages.flatMap((message) =>
    message.role === 'user' ? message.content.filter((part) => part.type === 'file') : [],
  );

describe('a prompt of parts', () => {
  it('comes through REST, the journal and the session as it was, however big', async (t) => {
    const seer = defineAgent({
      name: 'seer',
      instructions: 'See.',
      model: scriptedModel({
        name: 'seer',
        reply: ({ messages }) =>
          filesOf(messages)
            .map(
              ({ mediaType, data, filename }) =>
                `${mediaType} ${filename} ${data.length} ${data.slice(0, 20)}`,
            )
            .join('; '),
      }),
    });
    const { engine } = await openOpspawn(t, { agents: [seer] }, { folder: temporaryFolder(t) });
    const app = createHttpServer({ engine });
    t.after(() => app.close());
    const client = createClient({ baseUrl: await listen(app, { host: '127.0.0.1', port: 0 }) });
    const image = 'iVBORw0KGgo='.padStart(3_000_000, 'A');
    const prompt = [
      { type: 'text', text: 'What is it?' },
      { type: 'file', mediaType: 'image/png', data: image, filename: 'cat.png' },
      { type: 'file', mediaType: 'image/jpeg', data: 'https://a.example/dog.jpg' },
    ];
    const seen = `image/png cat.png ${image.length} ${image.slice(0, 20)}; image/jpeg undefined 25 https://a.example/do`;
    const ask = async (input: NonNullable<Parameters<typeof client.tasks.create>[0]['input']>) => {
      const created = await client.tasks.create({ name: 'seer', sessionId: 'talk', input });
      return (await untilFinished(t, engine, created.id)).task.output;
    };
    assert.equal(await ask({ prompt }), seen);
    assert.equal(await ask('And again?'), seen, 'the session holds the files too');
    const wrong = [{ type: 'image', data: 'x' }];
    await assert.rejects(client.tasks.create({ name: 'seer', input: { prompt: wrong } }), {
      code: 'invalid_argument',
    });
  });
});

describe('an agent that goes in circles', () => {
  it('pauses with the evidence where it is told to, and goes on when it is resumed', async (t) => {
    const same = callTool('add', { a: 1, b: 1 });
    const stubborn = defineAgent({
      name: 'stubborn',
      instructions: 'Try.',
      model: scriptedModel({ name: 'stubborn', steps: [same, same, same, same, 'I see now'] }),
      tools: { add },
      limits: { noProgress: 'pause' },
    });
    const folder = temporaryFolder(t);
    const first = await openOpspawn(t, { agents: [stubborn] }, { folder });
    const { task } = await first.engine.submit(localPrincipal, { name: 'stubborn', input: 'Go' });
    const paused = await untilStatus(t, first.engine, task.id, 'paused');
    assert.equal(paused.pausedReason, 'no_progress');
    await first[Symbol.asyncDispose]();
    const { engine } = await openOpspawn(t, { agents: [stubborn] }, { folder });
    await engine.resume(localPrincipal, task.id);
    const { task: ended, entries } = await untilFinished(t, engine, task.id);
    assert.deepEqual([ended.status, ended.output], ['completed', 'I see now']);
    const pause = entries.find(({ type }) => type === 'task.paused');
    assert.match(JSON.stringify(pause?.data), /"reason":"no_progress".*"tool":"add".*"times":3/);
  });
});

describe('a conversation that was handed on', () => {
  it('goes on with the other agent in another process', async (t) => {
    const names: string[] = [];
    const clerk = defineAgent({
      name: 'clerk',
      instructions: 'Clerk.',
      model: scriptedModel({
        name: 'clerk',
        reply: ({ messages }) => {
          names.push('clerk');
          return messages.at(-1)?.role === 'user' || messages.length < 6
            ? callTool('wait', {})
            : 'done by the clerk';
        },
      }),
      tools: {
        wait: {
          description: 'Asks',
          input: { jsonSchema: { type: 'object' } },
          ask: () => ({ kind: 'question', prompt: 'Well?' }),
        },
      },
    });
    const desk = defineAgent({
      name: 'desk',
      instructions: 'Desk.',
      model: scriptedModel({
        name: 'desk',
        reply: () => {
          names.push('desk');
          return callTools({ tool: 'clerk', input: { reason: 'x' } });
        },
      }),
      tools: { clerk: handoff(clerk) },
    });
    const folder = temporaryFolder(t);
    const first = await openOpspawn(t, { agents: [desk] }, { folder });
    const { task } = await first.engine.submit(localPrincipal, { name: 'desk', input: 'Go' });
    const { waits = [] } = await untilStatus(t, first.engine, task.id, 'waiting');
    await first[Symbol.asyncDispose]();
    const { engine } = await openOpspawn(t, { agents: [desk] }, { folder });
    await engine.decide(localPrincipal, task.id, waits[0]!.step, { approved: true, answer: 'go on' });
    assert.equal((await untilFinished(t, engine, task.id)).task.output, 'done by the clerk');
    assert.deepEqual(names, ['desk', 'clerk', 'clerk']);
  });
});
