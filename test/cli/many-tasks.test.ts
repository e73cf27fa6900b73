import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createClient, type Failure, type NamespaceSettings, type Task } from '@opspawn/sdk';
import { eventually, opspawn, type Service, startOpspawn } from './opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'opspawn-many-'));
let server: Service<{ url: string }>;

before(async () => {
  server = await startOpspawn(['start', '--port', '0', '--config', config], { cwd });
});
after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(cwd, { recursive: true });
});

const run = (args: readonly string[], stdin?: string | Buffer) =>
  opspawn(args, {
    cwd,
    env: { OPSPAWN_URL: server.facts.url },
    ...(stdin === undefined ? {} : { stdin }),
  });

async function json<T>(...args: string[]): Promise<T[]> {
  const { code, stdout, stderr } = await run([...args, '--json']);
  assert.equal(code, 0, stderr);
  const lines = stdout.split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as T);
}

const untilThere = (count: number, filter: { name?: string; status: Task['status'][] }) =>
  eventually(`${count} ${JSON.stringify(filter)}`, async () => {
    const { items } = await createClient({ baseUrl: server.facts.url }).tasks.list({
      ...filter,
      limit: 200,
    });
    return items.length === count ? items : undefined;
  });

const write = (name: string, lines: readonly object[]): string => {
  writeFileSync(join(cwd, name), lines.map((line) => `${JSON.stringify(line)}\n`).join('\n'));
  return name;
};

describe('opspawn task create --batch', () => {
  it('creates a task for every line, and with a key prefix none twice', async () => {
    const lines = Array.from({ length: 40 }, () => ({ name: 'patient', queue: 'later' }));
    const file = write('patient.jsonl', lines);
    const first = await run(['task', 'create', '--batch', file, '--key-prefix', 'p']);
    assert.deepEqual([first.code, first.stdout], [0, '40 created, 0 were there\n'], first.stderr);
    const again = await run(['task', 'create', '--batch', file, '--key-prefix', 'p']);
    assert.equal(again.stdout, '0 created, 40 were there\n');
    const [item] = await json<{ line: number; outcome: string }>(
      'task',
      'create',
      '--batch',
      file,
      '--key-prefix',
      'p',
    );
    assert.deepEqual([item?.line, item?.outcome], [1, 'existing']);
  });

  it('names the line that is wrong, and takes nothing of its batch', async () => {
    const wrong = await run(['task', 'create', '--batch', '-'], '{"name":"patient"}\n\n{"name":"nobody"}\n');
    assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
    assert.match(wrong.stderr, /line 3: \/name No worker has registered .*"nobody"/);
    const broken = await run(['task', 'create', '--batch', '-'], '{"name":');
    assert.equal(broken.code, 2);
    assert.match(broken.stderr, /--batch: line 1: the value is not JSON/);
    const latin1 = await run(
      ['task', 'create', '--batch', '-'],
      Buffer.from('{"name":"patient","input":"caf\xe9"}', 'latin1'),
    );
    assert.deepEqual([latin1.code, latin1.stdout], [2, '']);
    assert.match(latin1.stderr, /--batch: - cannot be read: .* utf-8/);
    const missing = await run(['task', 'create', '--batch', 'nowhere.jsonl']);
    assert.deepEqual([missing.code, missing.stdout], [2, '']);
    assert.deepEqual(await json<Task>('task', 'list', '--queue', 'default'), []);
  });

  it('says what earlier batches came to when a later one is refused', async () => {
    const lines = [
      ...Array.from({ length: 10_000 }, () => ({ name: 'patient', queue: 'early' })),
      { name: 'nobody' },
    ];
    const refused = await run(['task', 'create', '--batch', write('refused.jsonl', lines)]);
    assert.deepEqual([refused.code, refused.stdout], [2, '']);
    assert.match(refused.stderr, /line 20001: .*"nobody".*\n10000 were created before that and 0 were there/);
    await json('task', 'cancel', '--queue', 'early', '--yes');
  });
});

describe('opspawn task cancel, with a filter', () => {
  it('counts, does nothing without a yes, and then tells as many as it counted', async () => {
    const filter = ['--name', 'patient', '--status', 'pending', '--queue', 'later'];
    const counted = await run(['task', 'cancel', ...filter, '--dry-run']);
    assert.deepEqual([counted.code, counted.stdout], [0, '40 tasks can be told to cancel\n']);
    const unasked = await run(['task', 'cancel', ...filter]);
    assert.equal(unasked.code, 2);
    assert.match(unasked.stderr, /40 tasks match\. Add --yes to cancel them\./);
    const cancelled = await json('task', 'cancel', ...filter, '--reason', 'moved', '--yes');
    assert.deepEqual(cancelled, [{ matched: 40, done: 40, skipped: 0 }]);
  });

  it('needs an id, a filter or --all, and not two of them', async () => {
    assert.equal((await run(['task', 'cancel'])).code, 2);
    assert.equal((await run(['task', 'retry', '0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01', '--all'])).code, 2);
    const impossible = await run(['task', 'retry', '--status', 'completed', '--dry-run']);
    assert.equal(impossible.code, 2);
    assert.match(impossible.stderr, /Only tasks that are failed can be told to retry/);
  });
});

describe('opspawn task failures', () => {
  it('groups what failed, with its error, and a group is retried', async () => {
    const file = write(
      'fragile.jsonl',
      Array.from({ length: 3 }, () => ({ name: 'fragile', retry: { maxAttempts: 1 } })),
    );
    await run(['task', 'create', '--batch', file]);
    await untilThere(3, { status: ['failed'] });
    const [group, ...others] = await json<Failure>('task', 'failures');
    assert.deepEqual(others, []);
    assert.deepEqual(
      [group?.count, group?.errorCode, group?.name, group?.latest.error.message],
      [3, 'wrong_state', 'fragile', 'It is broken'],
    );
    const shown = await run(['task', 'failures']);
    assert.match(
      shown.stdout,
      /^COUNT +ERROR +KIND +NAME +LAST +NEWEST +MESSAGE\n3 +wrong_state +function +fragile /,
    );
    writeFileSync(join(cwd, 'repaired'), '');
    const retried = await run(['task', 'retry', '--error-code', 'wrong_state', '--name', 'fragile', '-y']);
    assert.deepEqual([retried.code, retried.stdout], [0, '3 tasks told to retry\n'], retried.stderr);
    await untilThere(3, { name: 'fragile', status: ['completed'] });
    assert.equal((await run(['task', 'failures'])).stderr, 'Nothing failed.\n');
  });
});

describe('opspawn settings', () => {
  it('changes what is named, and leaves the rest', async () => {
    await run(['settings', 'set', '--keep-completed', '7', '--max-pending', '100000']);
    const { code, stderr } = await run(['settings', 'set', '--keep-failed', '0']);
    assert.deepEqual([code, /at least 1 day; say "forever"/.test(stderr)], [2, true], stderr);
    const changed = ['--keep-failed', 'forever', '--max-pending', 'none'];
    const [{ revision, ...settings } = {}] = await json<NamespaceSettings>('settings', 'set', ...changed);
    assert.match(revision ?? '', /^[0-9a-f]{16}$/);
    assert.deepEqual(settings, { retention: { completedMs: 604_800_000, failedMs: null }, quotas: {} });
    assert.match(
      (await run(['settings', 'get'])).stdout,
      /^keeps completed tasks +7 days\nkeeps failed tasks +for ever\n/,
    );
    assert.equal((await run(['settings', 'set', '--max-pending', 'many'])).code, 2);
    // The API takes milliseconds.
    const short = { completedMs: 86_400_000, failedMs: 90_000 };
    const client = createClient({ baseUrl: server.facts.url });
    await client.settings.set({ retention: short });
    await assert.rejects(client.settings.set({ retention: { completedMs: 0 } }), {
      code: 'invalid_argument',
      message: /null keeps them for ever/,
    });
    assert.match(
      (await run(['settings', 'get'])).stdout,
      /^keeps completed tasks +1 day\nkeeps failed tasks +1 min 30 s\n/,
    );
  });

  it('loses no change of those who set something else at the same time', async () => {
    const changes = ['--max-pending', '--max-per-minute', '--max-payload-bytes', '--weight'];
    const ends = await Promise.all(
      changes.map((option) => run(['settings', 'set', '--namespace', 'shared', option, '7'])),
    );
    for (const { code, stderr } of ends) assert.equal(code, 0, stderr);
    const [{ quotas, weight } = {}] = await json<NamespaceSettings>(
      'settings',
      'get',
      '--namespace',
      'shared',
    );
    assert.deepEqual(quotas, { pendingTasks: 7, submissionsPerMinute: 7, payloadBytes: 7 });
    assert.equal(weight, 7);
  });
});
