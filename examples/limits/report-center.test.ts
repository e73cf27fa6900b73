import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Client, createClient, type Task } from '@opspawn/sdk';
import { eventually, type Service, startOpspawn } from '../../test/cli/opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'opspawn-limits-'));

let server: Service<{ url: string }>;
let client: Client;
before(async () => {
  const args = ['start', '--port', '0', '--capacity', '2', '--config', config];
  server = await startOpspawn(args, { cwd });
  client = createClient({ baseUrl: server.facts.url });
});
after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(cwd, { recursive: true });
});

const ended = (taskId: string): Promise<Task> =>
  eventually(`the end of ${taskId}`, async () => {
    const task = await client.tasks.get(taskId);
    return task.finishedAt === undefined ? undefined : task;
  });

async function submit(requests: Parameters<Client['tasks']['createMany']>[0]['tasks']): Promise<string[]> {
  const { items } = await client.tasks.createMany({ tasks: requests });
  return items.map((item) => ('taskId' in item ? item.taskId : assert.fail(item.error.message)));
}

describe('the report center', () => {
  it('answers a question behind hundreds of pages, as each queue has its share', async () => {
    const pages = await submit(
      Array.from({ length: 300 }, (_, page) => ({ name: 'render-report', input: { page } })),
    );
    const [question = ''] = await submit([{ name: 'answer-question' }]);
    const { status, finishedAt = '' } = await ended(question);
    assert.equal(status, 'completed');
    const last = await client.tasks.get(pages.at(-1) ?? '');
    assert.ok(last.finishedAt === undefined || last.finishedAt > finishedAt);
  });

  it('holds the reports back while their queue is paused, and says who did it', async () => {
    await client.queues.update('reports', { paused: true, reason: 'The printer is out of paper' });
    const [page = ''] = await submit([{ name: 'render-report', input: { page: 1 } }]);
    const { reasons } = await client.tasks.why(page);
    assert.match(reasons[0]?.message ?? '', /which local paused at .*: The printer is out of paper$/);
    assert.equal((await ended((await submit([{ name: 'answer-question' }]))[0] ?? '')).status, 'completed');
    await client.tasks.cancel(page);
    assert.equal((await ended(page)).status, 'cancelled');
    await client.queues.update('reports', { paused: false, weight: 3 });
  });

  it('calls the CRM two at a time, and gives up what waited too long', async () => {
    const ids = await submit([
      ...Array.from({ length: 4 }, (_, customer) => ({ name: 'sync-customer', input: { customer } })),
      { name: 'sync-customer', input: { customer: 5 }, timeoutMs: 1, priority: 9 },
    ]);
    const tasks = await Promise.all(ids.map(ended));
    assert.deepEqual(
      tasks.slice(0, 4).map(({ status }) => status),
      ['completed', 'completed', 'completed', 'completed'],
    );
    assert.deepEqual(tasks[0]?.limits, [
      { key: 'crm', maxRunning: 2 },
      { key: 'crm-starts', rate: { count: 10, intervalMs: 1_000 } },
    ]);
    assert.equal(tasks[4]?.error?.code, 'deadline_exceeded');
  });
});
