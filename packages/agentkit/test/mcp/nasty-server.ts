/** Servers that break the protocol, each in the way that its first argument names. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

interface Request {
  id?: number | string;
  method: string;
}

const send = (message: object): boolean =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const initialized = {
  protocolVersion: '2025-06-18',
  capabilities: { tools: {} },
  serverInfo: { name: 'nasty', version: '1.0.0' },
};
const complete = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };
const discovered = { ...complete, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
const work = { name: 'work', inputSchema: { type: 'object' } };

/** Deeper than what checks by calling itself can take. */
let deep: object = { type: 'string' };
for (let level = 0; level < 5_000; level += 1) deep = { type: 'object', properties: { deep } };

/** Serves the older protocol by hand; `work` does what the way says. */
function serve(
  call: (request: Request) => void,
  before: (request: Request) => void = () => {},
  tools: readonly object[] = [work],
): void {
  createInterface({ input: process.stdin }).on('line', (line) => {
    const request = JSON.parse(line) as Request;
    const { id, method } = request;
    before(request);
    if (id === undefined) return;
    if (method === 'initialize') send({ id, result: initialized });
    else if (method === 'tools/list') send({ id, result: { tools } });
    else if (method === 'tools/call') call(request);
    else send({ id, error: { code: -32601, message: 'Method not found' } });
  });
}

const answer = ({ id }: Request): boolean =>
  send({ id, result: { content: [{ type: 'text', text: 'worked' }] } });

const ways: Record<string, () => void> = {
  'exits at once': () => {
    process.stderr.write('Error: no database given\n');
    process.exit(3);
  },
  'never answers': () => process.stdin.resume(),
  'prints a banner': () => {
    process.stdout.write('Welcome to Nasty 1.0!\n\n{"half": \n');
    serve(answer);
  },
  'floods stdout': () => serve(() => setInterval(() => process.stdout.write(`${'spam '.repeat(2000)}\n`), 0)),
  'sends an endless line': () =>
    serve(() => setInterval(() => process.stdout.write('x'.repeat(1_000_000)), 0)),
  'answers nonsense': () => serve(({ id }) => send({ id, result: { content: 'not a list' } })),
  'answers the start with nonsense': () => {
    createInterface({ input: process.stdin }).on('line', (line) =>
      send({ id: (JSON.parse(line) as Request).id, result: 7 }),
    );
  },
  'keeps the checker of its results busy': () => {
    const properties = { a: { type: 'string', pattern: '^(a+)+$' } };
    const structuredContent = { a: `${'a'.repeat(60)}!` };
    serve(({ id }) => send({ id, result: { content: [], structuredContent } }), undefined, [
      { ...work, outputSchema: { type: 'object', properties } },
    ]);
  },
  'lists tools that are none': () =>
    serve(answer, undefined, [
      { name: 'no_schema' },
      { name: 'list', inputSchema: { type: 'array' } },
      { inputSchema: { type: 'object' } },
      { name: 7, inputSchema: { type: 'object' } },
      null as unknown as object,
      [] as object,
      { name: 'deep', inputSchema: deep },
      { name: 'lost', inputSchema: { type: 'object', properties: { a: { $ref: '#/$defs/none' } } } },
      {
        name: 'untold',
        inputSchema: { type: 'object' },
        outputSchema: { type: 'object', properties: { a: { type: 'string', pattern: '(' } } },
      },
      { name: 'odd', inputSchema: { type: 'object', properties: { a: 1 } } },
      { name: 'hints', inputSchema: { type: 'object' }, annotations: { readOnlyHint: 'yes' } },
      work,
    ]),
  'answers no unknown request': () => {
    createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method } = JSON.parse(line) as Request;
      process.stderr.write(`${method}\n`);
      if (method === 'ping') send({ id, result: {} });
      if (method === 'initialize') send({ id, result: initialized });
      if (method === 'tools/list') send({ id, result: { tools: [work] } });
      if (method === 'tools/call') answer({ id: id ?? 0, method });
    });
  },
  'is slow to tell its era': () => {
    const lines = createInterface({ input: process.stdin });
    lines.on('line', (line) => {
      const { id, method } = JSON.parse(line) as Request;
      if (method === 'ping') send({ id, error: { code: -32601, message: 'Method not found' } });
      if (method === 'server/discover') setTimeout(() => send({ id, result: discovered }), 1_300);
      if (method === 'initialize') process.exit(1);
      if (method === 'tools/list') send({ id, result: { ...complete, tools: [work] } });
      if (method === 'tools/call')
        send({ id, result: { ...complete, content: [{ type: 'text', text: 'worked' }] } });
    });
  },
  'dies of unknown requests': () =>
    serve(answer, ({ method }) => method === 'server/discover' && process.exit(1)),
  'floods stderr': () => {
    serve((request) => {
      for (let line = 0; line < 5_000; line += 1) process.stderr.write(`${line} ${'x'.repeat(20_000)}\n`);
      answer(request);
    });
  },
  'does not end': () => {
    process.on('SIGTERM', () => {});
    setInterval(() => {}, 60_000);
    const stubborn =
      "process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {}); setInterval(() => {}, 60000)";
    spawn(process.execPath, ['-e', stubborn], { stdio: 'inherit' });
    serve(answer);
  },
};

ways[process.argv[2] ?? '']?.();
