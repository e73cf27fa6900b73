/** What a user of our MCP host does, for each scenario of the conformance tool: lists, calls, logs in, answers. */
import assert from 'node:assert/strict';
import {
  createMcpHost,
  type Json,
  loginToMcpServer,
  type McpHost,
  type McpServerInput,
  memoryCredentials,
  memorySteps,
  OpspawnError,
  parseMcpServers,
  runAgent,
  type Tool,
  type ToolInput,
  type Tools,
} from '@opspawn/agentkit';
import { callTool, memoryEnvironment, scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';

export const scenarioSchema = z.object({
  scenario: z.string(),
  url: z.url(),
  context: z.looseObject({
    client_id: z.string().optional(),
    client_secret: z.string().optional(),
    issuer: z.string().optional(),
    toolCalls: z
      .array(z.object({ name: z.string(), arguments: z.record(z.string(), z.json()).default({}) }))
      .optional(),
  }),
});
type Scenario = z.infer<typeof scenarioSchema>;

/** Throws when the client could not do what a user wants of it; some scenarios are there for that. */
export async function playScenario({ scenario, url, context }: Scenario): Promise<void> {
  const credentials = memoryCredentials();
  const servers = parseMcpServers({
    it: {
      url,
      // for machines that do much else at the same time
      startTimeoutMs: 200_000,
      callTimeoutMs: 200_000,
      restart: { maxAttempts: 1, maxDelayMs: 1 },
      ...(scenario.startsWith('auth/') && { oauth: oauthOf(scenario, context) }),
    },
  });
  await using host = createMcpHost({ servers, credentials });
  const login = (): Promise<void> =>
    loginToMcpServer({ server: 'it', config: servers.it as never, credentials, open: visit });
  for (let logins = 0; ; logins += 1) {
    try {
      await useAll(host, context.toolCalls);
      return;
    } catch (thrown) {
      if (logins === maxLogins || !wantsLogin(thrown)) throw thrown;
      await login();
    }
  }
}

const maxLogins = 3;

function oauthOf(
  scenario: string,
  { client_id, client_secret, issuer }: Scenario['context'],
): McpServerInput['oauth'] {
  const client = {
    ...(client_id !== undefined && { clientId: client_id }),
    ...(client_secret !== undefined && { clientSecret: client_secret }),
    ...(issuer !== undefined && { issuer }),
  };
  if (scenario.startsWith('auth/client-credentials')) return { grant: 'client_credentials', ...client };
  if (client_id !== undefined) return client;
  return { clientMetadataUrl: 'https://conformance-test.local/client-metadata.json' };
}

/** A browser: it goes where it is sent, and comes back to us. */
async function visit(page: URL): Promise<void> {
  const answer = await fetch(page, { redirect: 'manual' });
  const back = answer.headers.get('location');
  assert.ok(back, `${page} sent the browser nowhere`);
  await fetch(back);
}

function wantsLogin(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause)
    if (error instanceof OpspawnError && error.details.reason === 'login_required') return true;
  return false;
}

/** Whatever the server has, once. */
async function useAll(host: McpHost, calls: Scenario['context']['toolCalls']): Promise<void> {
  const tools = await host.tools(['it']);
  await readAll(host);
  if (calls !== undefined) {
    for (const call of calls) await callAsTold(tools, call);
    return;
  }
  for (const [tool, { input }] of Object.entries(tools)) {
    const schema = toolNamed(tools, 'it__json_schema_2020_12_tool')?.input;
    const isEcho = tool === 'it__json_schema_echo' && schema !== undefined && 'jsonSchema' in schema;
    await callInRun(host, tool, isEcho ? { schema: schema.jsonSchema as Json } : sample(input));
  }
}

const toolNamed = (tools: Tools, name: string): Tool | undefined => tools[name];

async function readAll(host: McpHost): Promise<void> {
  const { resources, prompts } = await host.offers('it');
  for (const { uri } of resources) await host.readResource('it', uri);
  for (const { name, arguments: takes = [] } of prompts)
    await host.getPrompt('it', name, Object.fromEntries(takes.map((each) => [each.name, 'text'])));
}

/** With these very arguments: a run would not let those through that the tool's own schema refuses. */
async function callAsTold(tools: Tools, { name, arguments: input }: { name: string; arguments: object }) {
  const tool = toolNamed(tools, `it__${name}`);
  if (tool === undefined || !('execute' in tool)) return;
  const { signal } = new AbortController();
  const call = { callId: 'call', idempotencyKey: 'run:call', signal, secrets: {}, progress: () => {} };
  await tool.execute(input as never, call);
}

/** A person who is asked accepts, with an empty form. */
async function callInRun(host: McpHost, tool: string, input: Json): Promise<void> {
  const model = scriptedModel({ name: 'model', steps: [callTool(tool, input), 'done'] });
  const agent = { name: 'user', instructions: 'Use it.', model, mcp: { servers: ['it'] } };
  const steps = memorySteps({ onQuestion: () => ({}) });
  await runAgent(agent, { prompt: 'Go' }, memoryEnvironment({ mcp: host, steps }));
  const failed = steps.history().find(({ kind, outcome }) => kind === 'tool' && !outcome.ok);
  if (failed?.outcome.ok !== false || !/log in/.test(failed.outcome.error.message)) return;
  const details = { reason: 'login_required' };
  throw new OpspawnError('mcp_failed', failed.outcome.error.message, { details });
}

/** Arguments that a schema takes. */
function sample(input: ToolInput): { [key: string]: Json } {
  const { jsonSchema } = input as { jsonSchema: { properties?: Record<string, { type?: string }> } };
  const values: Record<string, Json> = { string: 'text', number: 1, integer: 1, boolean: true };
  return Object.fromEntries(
    Object.entries(jsonSchema.properties ?? {}).map(([name, { type = '' }]) => [name, values[type] ?? null]),
  );
}
