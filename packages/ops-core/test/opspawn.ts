/** A whole Opspawn in this process, for tests: the real store, bus, engine and worker. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Entry, Task } from '@opspawn/sdk';
import { localPrincipal } from '../src/auth/principal.ts';
import { readSettings, type Settings } from '../src/config.ts';
import { createLog } from '../src/observe/log.ts';
import { type RunningWorker, startWorker, type WorkerStartOptions } from '../src/start/start.ts';
import { defineConfig, type OpspawnConfig } from '../src/tasks/definitions/user-config.ts';
import type { Engine } from '../src/tasks/engine-interface.ts';

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Without a folder the store is in memory. */
export const testSettings = (folder?: string, overrides: Partial<Settings> = {}): Settings => ({
  ...readSettings(folder === undefined ? {} : { OPSPAWN_DATA_DIR: folder }),
  ...(folder === undefined ? { database: { kind: 'sqlite', path: ':memory:' } } : {}),
  logLevel: 'silent',
  port: 0,
  ...overrides,
});

export interface OpspawnOptions extends Omit<WorkerStartOptions, 'settings' | 'loaded'> {
  folder?: string;
  settings?: Partial<Settings>;
}

/** A node with a worker that runs these definitions until the test ends. */
export async function openOpspawn(
  t: TestContext,
  config: OpspawnConfig,
  { folder, settings, ...options }: OpspawnOptions = {},
): Promise<RunningWorker> {
  const running = await startWorker({
    log: createLog({ level: 'silent' }),
    ...options,
    settings: testSettings(folder, { shutdownGraceMs: 0, ...settings }),
    loaded: { path: join(folder ?? tmpdir(), 'opspawn.config.ts'), config: defineConfig(config) },
  });
  t.after(() => running[Symbol.asyncDispose]());
  return running;
}

/** Follows a task to its end and gives it with its whole journal. */
export async function untilFinished(
  t: TestContext,
  engine: Engine,
  taskId: string,
): Promise<{ task: Task; entries: Entry[] }> {
  const entries: Entry[] = [];
  for await (const followed of engine.follow(localPrincipal, taskId, { after: 0, signal: t.signal })) {
    if (followed.type === 'entry') entries.push(followed.entry);
  }
  return { task: await engine.get(localPrincipal, taskId), entries };
}

/** Submits a task by its definition's name and follows it to its end. */
export async function runTask(
  t: TestContext,
  engine: Engine,
  request: Parameters<Engine['submit']>[1],
): Promise<{ task: Task; entries: Entry[] }> {
  const { task } = await engine.submit(localPrincipal, request);
  return await untilFinished(t, engine, task.id);
}

/** Follows a task until it has this status. */
export async function untilStatus(
  t: TestContext,
  engine: Engine,
  taskId: string,
  status: Task['status'],
): Promise<Task> {
  for await (const followed of engine.follow(localPrincipal, taskId, { after: 0, signal: t.signal })) {
    if (followed.type === 'status' && followed.task.status === status) return followed.task;
  }
  return assert.fail(`task ${taskId} ended without being ${status}`);
}

export const typesOf = (entries: readonly Entry[]): string[] => entries.map(({ type }) => type);
