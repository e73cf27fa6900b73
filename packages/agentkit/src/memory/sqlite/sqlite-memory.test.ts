import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { scriptedEmbedder } from '../../testing/scripted-embedder.ts';
import { memoryCases, memoryClock } from '../contract.ts';
import { memoryOver } from '../memory-over.ts';
import type { MemoryStore } from '../memory-store.ts';
import { loadVectorSearch } from './load-vector-search.ts';
import { memoryTables } from './memory-tables.ts';
import { openSqliteMemory } from './open-sqlite-memory.ts';
import { prepareMemories, type SyncMemoryStore } from './prepare-memories.ts';

const folder = mkdtempSync(join(tmpdir(), 'opspawn-memory-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = (): string => join(folder, `${++files}.db`);
const source = { by: 'test', isFromOutside: false };

describe('memory in SQLite', () => {
  for (const { promise, run } of memoryCases) {
    it(promise, async () => {
      const path = newPath();
      const sessions = await openSqliteMemory({ path });
      const database = new DatabaseSync(path);
      const store = asynchronous(prepareMemories(database, false));
      await run({
        clock: memoryClock(),
        open: (options) => ({ ...sessions, ...memoryOver(store, options) }),
      });
      database.close();
      await sessions[Symbol.asyncDispose]();
    });
  }

  it('outlives the process, and is shared by those that have it open', async () => {
    const path = newPath();
    const scope = { namespace: 'a' };
    {
      await using memory = await openSqliteMemory({ path });
      await using other = await openSqliteMemory({ path });
      await memory.remember({ text: 'Ada likes tea', scope, source });
      assert.equal((await other.recall(scope, 'tea')).length, 1);
    }
    await using memory = await openSqliteMemory({ path });
    assert.equal((await memory.recall(scope, 'tea')).length, 1);
  });

  it('ranks by meaning with and without the vector extension alike', async () => {
    const embedder = scriptedEmbedder('m', [
      ['tea', 'drink'],
      ['car', 'vehicle'],
      ['red', 'colour'],
    ]);
    const found = await Promise.all(
      [true, false].map(async (isAllowed) => {
        const database = new DatabaseSync(':memory:', { allowExtension: true });
        database.exec(memoryTables);
        const hasVectorSearch = isAllowed && (await loadVectorSearch(database));
        assert.equal(hasVectorSearch, isAllowed, 'sqlite-vec loads on the systems that we test on');
        const memory = memoryOver(asynchronous(prepareMemories(database, hasVectorSearch)), { embedder });
        for (const text of ['tea', 'a red car', 'tea in a red car', 'nothing of it'])
          await memory.remember({ text, scope: { namespace: 'a' }, source });
        const items = await memory.recall({ namespace: 'a' }, 'drink vehicle');
        database.close();
        return items.map(({ text }) => text);
      }),
    );
    assert.equal(found[0]?.[0], 'tea in a red car');
    assert.deepEqual(found[0], found[1]);
  });

  it('is not put into the file of another program', async () => {
    const path = newPath();
    const database = new DatabaseSync(path);
    database.exec('create table theirs (x)');
    database.close();
    await assert.rejects(openSqliteMemory({ path }), { code: 'config_invalid' });
    const text = newPath();
    writeFileSync(text, 'no database at all, but text that is long enough to be read as one'.repeat(20));
    await assert.rejects(openSqliteMemory({ path: text }), { code: 'unavailable' });
  });
});

function asynchronous(store: SyncMemoryStore): MemoryStore {
  const entries = Object.entries(store).map(([name, call]) => [
    name,
    async (...args: never[]) => (call as (...each: never[]) => unknown)(...args),
  ]);
  return Object.fromEntries(entries) as MemoryStore;
}
