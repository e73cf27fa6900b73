/** A worker that runs an agent whose conversation does not fit its window, and is killed before or after its first summary is written. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { callsOf, defineAgent, defineTool, type ModelRequest } from '@opspawn/agentkit';
import { callTool, scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';
import { localPrincipal } from '../../src/auth/principal.ts';
import { createLog } from '../../src/observe/log.ts';
import { startWorker } from '../../src/start/start.ts';
import { interceptStore } from '../../src/storage/faults/intercept.ts';
import { defineConfig } from '../../src/tasks/definitions/user-config.ts';
import { testSettings } from '../opspawn.ts';

const [folder = '', moment = 'never'] = process.argv.slice(2);
const pages = 5;

const kill = (): Promise<never> => {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
};

const read = defineTool({
  description: 'Reads a page',
  input: z.object({ page: z.number() }),
  annotations: { readOnlyHint: true },
  execute: ({ page }) => `page ${page}: ${'lorem ipsum dolor sit amet '.repeat(120)}`,
});

const lastPage = ({ messages }: ModelRequest): number =>
  messages
    .flatMap((message) => (message.role === 'assistant' ? callsOf(message) : []))
    .map((call) => (call.input as { page: number }).page)
    .at(-1) ?? 0;

const model = scriptedModel({
  name: 'reader',
  contextTokens: 3_000,
  reply(request) {
    if (JSON.stringify(request.messages.at(-1)).includes('[This is not from the user.]'))
      return 'what was read so far';
    const page = lastPage(request) + 1;
    if (page <= pages) return callTool('read', { page }, `call_${page}`);
    return createHash('sha256').update(JSON.stringify(request.messages)).digest('hex');
  },
});

const agent = defineAgent({ name: 'reader', instructions: 'Read.', model, tools: { read } });
await using running = await startWorker({
  settings: testSettings(folder),
  log: createLog({ level: 'silent' }),
  loaded: { path: join(folder, 'opspawn.config.ts'), config: defineConfig({ agents: [agent] }) },
  wrapStore: (store) =>
    interceptStore(store, async (method, args, call) => {
      const isSummary = method === 'write' && JSON.stringify(args).includes('"compact:');
      if (isSummary && moment === 'before') return await kill();
      const result = await call();
      return isSummary && moment === 'after' ? await kill() : result;
    }),
});
const { engine } = running;
const { task } = await engine.submit(localPrincipal, {
  name: 'reader',
  input: 'Read it',
  idempotencyKey: 'one',
});
const completed: string[] = [];
const { signal } = new AbortController();
for await (const followed of engine.follow(localPrincipal, task.id, { after: 0, signal })) {
  if (followed.type === 'entry' && followed.entry.type === 'step.completed')
    completed.push(followed.entry.name ?? '');
}
const { status, output, usage } = await engine.get(localPrincipal, task.id);
process.stdout.write(JSON.stringify({ status, output, usage, completed }));
