/**
 * The least that the loop can cost: `fetch`, JSON and an array of messages. With a journal, each answer and each tool
 * result is inserted and committed before the run goes on; what comes in one turn of the event loop is one
 * transaction.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { storedBytes } from '../measuring/embedded.ts';
import { instructions, type OpenAgentLoop, prompt, toolDescription, weatherAt } from './agent-loop.ts';

interface Answer {
  content: string | null;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
}

type Append = (runId: string, entry: unknown) => Promise<void>;

const tools = [
  {
    type: 'function',
    function: {
      name: 'weather',
      description: toolDescription,
      parameters: { type: 'object', properties: { station: { type: 'number' } }, required: ['station'] },
    },
  },
];

export const fetchFloor: OpenAgentLoop = async ({ modelUrl }) => ({
  run: (steps) => runLoop(modelUrl, steps, async () => {}),
  async [Symbol.asyncDispose]() {},
});

export const fetchJournalFloor: OpenAgentLoop = async ({ modelUrl, folder }) => {
  const path = join(folder, 'journal.db');
  const journal = openJournal(path);
  return {
    run: (steps) => runLoop(modelUrl, steps, journal.append),
    storedBytes: () => storedBytes(path),
    async [Symbol.asyncDispose]() {
      journal.database.close();
    },
  };
};

async function runLoop(modelUrl: string, steps: number, append: Append): Promise<string> {
  const runId = randomUUID();
  const messages: object[] = [
    { role: 'system', content: instructions },
    { role: 'user', content: prompt },
  ];
  for (;;) {
    const answer = await ask(modelUrl, { model: `steps-${steps}`, messages, tools, tool_choice: 'auto' });
    await append(runId, answer);
    messages.push({ role: 'assistant', ...answer });
    if (answer.tool_calls === undefined) return answer.content ?? '';
    for (const { id, function: call } of answer.tool_calls) {
      const result = weatherAt((JSON.parse(call.arguments) as { station: number }).station);
      await append(runId, result);
      messages.push({ role: 'tool', tool_call_id: id, content: JSON.stringify(result) });
    }
  }
}

async function ask(modelUrl: string, request: object): Promise<Answer> {
  const response = await fetch(`${modelUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  const { choices } = (await response.json()) as { choices: { message: Answer }[] };
  return choices[0]?.message ?? { content: '' };
}

function openJournal(path: string): { database: DatabaseSync; append: Append } {
  const database = new DatabaseSync(path);
  database.exec(`
    pragma journal_mode = wal;
    pragma synchronous = full;
    create table journal (run text, seq integer, data text, at integer, primary key (run, seq)) without rowid;
  `);
  const insert = database.prepare('insert into journal values (?, ?, ?, ?)');
  let waiting: { values: [string, number, string, number]; resolve: () => void }[] = [];
  const flush = (): void => {
    const batch = waiting;
    waiting = [];
    database.exec('begin immediate');
    for (const { values } of batch) insert.run(...values);
    database.exec('commit');
    for (const { resolve } of batch) resolve();
  };
  let seq = 0;
  const append: Append = (runId, entry) =>
    new Promise((resolve) => {
      seq += 1;
      waiting.push({ values: [runId, seq, JSON.stringify(entry), Date.now()], resolve });
      if (waiting.length === 1) setImmediate(flush);
    });
  return { database, append };
}
