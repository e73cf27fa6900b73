import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { askingServer, everything, hostOf, type TestHost } from '../../test/mcp/hosting.ts';
import { agentWith, sayResults } from '../../test/tester.ts';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { MemoryStepsOptions, QuestionRequest } from '../memory-steps.ts';
import { runAgent } from '../run/run-agent.ts';
import { callTool, callTools, memoryEnvironment, replayingSteps } from '../testing.ts';
import type { McpServerInput } from './mcp-config.ts';
import type { McpHost } from './mcp-host.ts';

const book = (table: string) => ({ tool: 'inn__book', input: { table } });

/** Runs an agent that makes these calls and says their results. */
async function run(host: McpHost, calls: { tool: string; input: Json }[], stepOptions: MemoryStepsOptions) {
  const agent = agentWith([callTools(...calls), sayResults], { tools: {}, mcp: { servers: ['inn'] } });
  const environment = memoryEnvironment({ mcp: host, stepOptions });
  const { output } = await runAgent(agent, { prompt: 'x' }, environment);
  return { output, history: environment.steps.history() };
}

for (const era of ['modern', 'legacy'] as const) {
  describe(`what a server of the ${era} era asks in the midst of a call`, { timeout: 300_000 }, () => {
    let folder = '';
    let ledger = '';
    let host: TestHost;
    const inn = (options: Partial<McpServerInput> = {}): McpServerInput => ({
      ...askingServer(era, ledger),
      ...options,
    });
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'opspawn-asking-'));
      ledger = join(folder, 'ledger');
      host = hostOf({ inn: inn() });
    });
    after(async () => {
      await host[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    });

    it('is a question that names the server, with the form that the answer has to fit', async () => {
      const asked: QuestionRequest[] = [];
      const onQuestion = (question: QuestionRequest): Json => {
        asked.push(question);
        return { name: 'Ada', more: 'than was asked' };
      };
      const { output } = await run(host, [book('7')], { onQuestion });
      assert.equal(output, '"booked 7 for Ada and 2 seats"');
      assert.equal(asked.length, 1);
      assert.equal(asked[0]?.prompt, 'The MCP server inn asks:\nWho comes to table 7?');
      assert.match(JSON.stringify(asked[0]?.schema), /"required":\["name"\]/);
      assert.equal(await readFile(ledger, 'utf8'), '7 Ada 2\n');
    });

    it('is asked again, saying what was wrong, while the answer does not fit', async () => {
      const answers: Json[] = [{ name: 'A' }, { name: 'Bo', seats: 99 }, { name: 'Bo', seats: 3 }];
      const prompts: string[] = [];
      const onQuestion = ({ prompt }: QuestionRequest): Json => {
        prompts.push(prompt);
        return answers.shift() as Json;
      };
      const { output } = await run(host, [book('8')], { onQuestion });
      assert.equal(output, '"booked 8 for Bo and 3 seats"');
      assert.match(prompts[1] ?? '', /not as asked for:\n- \/name: must NOT have fewer than 2 characters/);
      assert.match(prompts[2] ?? '', /- \/seats: must be <= 8/);
    });

    it('gets "decline" when the person declines, and "cancel" when nobody can be asked', async () => {
      const onQuestion = (): never => {
        throw new OpspawnError('declined', 'no');
      };
      assert.equal((await run(host, [book('9')], { onQuestion })).output, '"no booking: decline"');
      assert.equal((await run(host, [book('9')], {})).output, '"no booking: cancel"');
    });

    it('lets the time of the call stand still', async () => {
      await using hasty = hostOf({ inn: inn({ callTimeoutMs: 2_000 }) });
      const onQuestion = async (): Promise<Json> => {
        await new Promise((resolve) => setTimeout(resolve, 2_200));
        return { name: 'Ada' };
      };
      const { output } = await run(hasty, [book('1')], { onQuestion });
      assert.equal(output, '"booked 1 for Ada and 2 seats"');
    });

    it('may be to visit a page, which is shown whole, with its host', async () => {
      let prompt = '';
      const visit = (answer: Json) => (question: QuestionRequest) => {
        ({ prompt } = question);
        return answer;
      };
      const pay = [{ tool: 'inn__pay', input: {} }];
      assert.equal((await run(host, pay, { onQuestion: visit(true) })).output, '"paid: accept"');
      assert.match(prompt, /^The MCP server inn asks you to open a page of pay\.example/);
      assert.match(prompt, /\nhttps:\/\/pay\.example\/4711\n/);
      assert.equal((await run(host, pay, { onQuestion: visit(false) })).output, '"paid: decline"');
    });

    it('may come from a tool that promises the form of its result, also through the proxy', async () => {
      const onQuestion = (): Json => ({});
      const direct = await run(host, [{ tool: 'inn__structured', input: {} }], { onQuestion });
      assert.equal(direct.output, '{"answer":"accept"}');
      const input = { server: 'inn', tool: 'structured', arguments: {} };
      const agent = agentWith([callTool('mcp_proxy', input), sayResults], { tools: {} });
      const environment = memoryEnvironment({ mcp: host, stepOptions: { onQuestion } });
      const proxied = await runAgent(agent, { prompt: 'x', injectMcpProxy: true }, environment);
      assert.equal(proxied.output, '{"answer":"accept"}');
    });

    it('reaches the run whose call it is, also when others call at the same time', async () => {
      const one = async (name: string): Promise<string> => {
        const wait = { tool: 'inn__wait', input: { ms: 200 } };
        const onQuestion = ({ prompt }: QuestionRequest): Json => {
          assert.match(prompt, new RegExp(`table ${name}`));
          return { name };
        };
        return (await run(host, [wait, book(name)], { onQuestion })).output as string;
      };
      const names = ['Ada', 'Bob', 'Cyd'];
      const outputs = await Promise.all(names.map(one));
      assert.deepEqual(
        outputs,
        names.map((name) => `"waited"; "booked ${name} for ${name} and 2 seats"`),
      );
    });

    it('is refused where the server may not ask a person, or wants a model', async () => {
      await using closed = hostOf({ inn: inn({ elicitation: false }) });
      const asking = await run(closed, [book('2')], { onQuestion: () => ({ name: 'Ada' }) });
      assert.match(asking.output as string, /^error /);
      const thinking = await run(closed, [{ tool: 'inn__think', input: {} }], {});
      assert.match(thinking.output as string, /^error .*sampling/);
    });

    it('is not asked twice after a crash, and a call that was lost with the process is not silently made anew', async () => {
      await rm(ledger, { force: true });
      await using other = hostOf({ inn: inn({ trusted: true }) });
      const afterCrash = async (made: { tool: string; input: Json }, answer: Json): Promise<unknown> => {
        const { history } = await run(host, [made], { onQuestion: () => answer });
        const answered = history.findIndex(({ kind }) => kind === 'question');
        const steps = replayingSteps(history.slice(0, answered + 1));
        const agent = agentWith([callTools(made), sayResults], { tools: {}, mcp: { servers: ['inn'] } });
        return (await runAgent(agent, { prompt: 'x' }, memoryEnvironment({ mcp: other, steps }))).output;
      };
      const booked = await afterCrash(book('3'), { name: 'Ada' });
      if (era === 'modern') assert.equal(booked, '"booked 3 for Ada and 2 seats"');
      else assert.match(booked as string, /^error .*may or may not have been done/);
      assert.equal(await readFile(ledger, 'utf8'), '3 Ada 2\n'.repeat(era === 'modern' ? 2 : 1));
      // it is idempotent: made anew, with the answer that is known
      assert.equal(await afterCrash({ tool: 'inn__structured', input: {} }, {}), '{"answer":"accept"}');
    });
  });
}

describe('a server of the older era that was not known to ask', { timeout: 300_000 }, () => {
  it('gets "cancel" for questions of several runs at once: nobody knows which is whose', async () => {
    await using host = hostOf({ inn: askingServer('legacy') });
    await host.tools(['inn']);
    const onQuestion = (): never => assert.fail('somebody was asked');
    const both = await Promise.all(['4', '5'].map((table) => run(host, [book(table)], { onQuestion })));
    assert.deepEqual(
      both.map(({ output }) => output),
      ['"no booking: cancel"', '"no booking: cancel"'],
    );
  });
});

describe('server-everything', { timeout: 300_000 }, () => {
  it('gets its form filled in, with its defaults', async () => {
    await using host = hostOf({ inn: everything });
    const calls = [{ tool: 'inn__trigger-elicitation-request', input: {} }];
    const { output } = await run(host, calls, { onQuestion: () => ({ name: 'Ada', integer: 7 }) });
    assert.match(output as string, /Ada/);
    assert.match(output as string, /It was a dark and stormy night/);
  });
});
