import {
  type AgentDefinition,
  type Json,
  jsonSchema,
  messageSchema,
  OpspawnError,
  type RunEnvironment,
  type RunInput,
  runAgent,
  type Steps,
} from '@opspawn/agentkit';
import { z } from 'zod';

/** What all agents of a process share. */
export type AgentEnvironment = Omit<RunEnvironment, 'steps' | 'isWatched' | 'onEvent' | 'extraTools'>;

const content = messageSchema.options[1].shape.content.min(1);
/** What agentkit takes as a prompt, so that an empty one is refused when it is submitted. */
const text = z.string().regex(/\S/, 'must not be empty');

const askedSchema = z.strictObject({
  prompt: z.union([text, content]),
  /** Of work that another agent handed on: how many agents stand above. */
  depth: z.int().nonnegative().optional(),
  /** Of the same: the tools through which content from outside reached that agent. */
  taintedBy: z.array(z.string()).optional(),
  /** Whose memories the agent may see and write, beside its own and those of the session. */
  userId: z.string().min(1).optional(),
  injectMcpProxy: z.boolean().optional(),
  inject_mcp_proxy: z.boolean().optional(),
});

/** Input of an agent's task. `inject_mcp_proxy` is the earlier name of `injectMcpProxy`. */
export const agentInputSchema = z.union([text, askedSchema]);

/** What servers check the input of an agent's task by. */
export const agentInputJsonSchema = (): Json =>
  jsonSchema.parse(z.toJSONSchema(agentInputSchema, { io: 'input' }));

export interface AgentRunOptions {
  agent: AgentDefinition;
  input: Json | undefined;
  sessionId: string | undefined;
  injectMcpProxy: boolean | undefined;
  isWatched: () => boolean;
}

/** Runs an agent as the body of a task; its output is the task's. Throws what `runAgent` does. */
export async function runAgentTask(
  steps: Steps,
  environment: AgentEnvironment,
  { agent, input, sessionId, injectMcpProxy, isWatched }: AgentRunOptions,
): Promise<Json> {
  const parsed = agentInputSchema.safeParse(input);
  if (!parsed.success) {
    const message = `The input of the agent ${agent.name} is a string or { "prompt": … }`;
    throw new OpspawnError('invalid_argument', message, { cause: parsed.error, details: { path: '/input' } });
  }
  const asked: z.infer<typeof askedSchema> =
    typeof parsed.data === 'string' ? { prompt: parsed.data } : parsed.data;
  const run: RunInput = { prompt: asked.prompt };
  // What agents say to each other is no part of the conversation that the session remembers.
  if (asked.taintedBy !== undefined) run.taintedBy = asked.taintedBy;
  if (asked.depth !== undefined) run.depth = asked.depth;
  else if (sessionId !== undefined) run.sessionId = sessionId;
  if (asked.userId !== undefined) run.userId = asked.userId;
  if (injectMcpProxy || asked.injectMcpProxy || asked.inject_mcp_proxy) run.injectMcpProxy = true;
  const { output } = await runAgent(agent, run, { ...environment, steps, isWatched });
  return output;
}
