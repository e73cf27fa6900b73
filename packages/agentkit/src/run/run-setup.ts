import { z } from 'zod';
import type { AgentDefinition } from '../agent.ts';
import { OpspawnError } from '../errors.ts';
import { defaultMaxToolTokens, isOverCeiling } from '../mcp/tool-ceiling.ts';
import { type Message, messageSchema, userMessage } from '../message.ts';
import { checkModel } from '../model/check-model.ts';
import { fallbackModel } from '../model/fallback-model.ts';
import type { Model } from '../model/model.ts';
import { strictest } from '../security/strictest.ts';
import type { Steps } from '../steps.ts';
import { shownSchemaOf } from '../tool/json-schema.ts';
import { refuseBrokenSchemas } from '../tool/refuse-broken-schemas.ts';
import type { Tools } from '../tool/tool.ts';
import { createToolManager } from '../tool/tool-manager.ts';
import { settleCompaction } from './run-compaction.ts';
import type { EventSinks, RunContext, Speaker } from './run-context.ts';
import type { RunEnvironment, RunInput } from './run-environment.ts';
import { RunLimits } from './run-limits.ts';
import { recallEarlier, withMemory } from './run-memory.ts';
import { settleTurn } from './run-model.ts';
import { foldHistory, RunProgress } from './run-state.ts';

/**
 * Brings together what a run needs and folds what is recorded of it. Throws `config_invalid` or `invalid_argument` for
 * what cannot be run, and what the model registry, the memory or the MCP host throw.
 */
export async function openRun(
  agent: AgentDefinition,
  input: RunInput,
  environment: RunEnvironment,
  sinks: EventSinks,
): Promise<RunContext> {
  const { steps } = environment;
  const earlier = await recallEarlier(agent, input, environment);
  const opened = new Map<AgentDefinition, Speaker>();
  const openSpeaker = async (next: AgentDefinition): Promise<Speaker> => {
    const speaker =
      opened.get(next) ?? (await speakerFor(next, { agent, input, environment, state: () => state }));
    opened.set(next, speaker);
    return speaker;
  };
  const begin = (): RunProgress =>
    new RunProgress(agent, earlier, promptOf(input), (speaker, tool) => {
      return opened.get(speaker)?.tools.bringsOutside?.(tool) ?? true;
    });
  for (const speaker of rehearse(begin(), steps)) await openSpeaker(speaker);
  const state = begin();
  for (const tool of input.taintedBy ?? []) state.taintedBy.add(tool);
  const lastTurn = foldHistory(state, steps.history());
  const speaker = await openSpeaker(state.speaker);
  const run: RunContext = {
    ...sinks,
    ...speaker,
    first: agent,
    steps,
    openSpeaker,
    limits: new RunLimits(agent.limits, steps, state, speaker.model),
    state,
    outputSchema: agent.output === undefined ? undefined : shownSchemaOf(agent.output),
    depth: input.depth ?? 0,
    resumedAtTurn: steps.history().length > 0 ? state.turns : undefined,
    isWatched: environment.isWatched ?? (() => true),
  };
  if (lastTurn !== undefined) await settleTurn(run, lastTurn);
  await settleCompaction(run);
  return run;
}

/** All who speak in what is recorded. Their tools have to be open before it is taken in, to know what came from outside. */
function rehearse(state: RunProgress, steps: Steps): Iterable<AgentDefinition> {
  if (Object.values(state.speaker.tools ?? {}).some((tool) => 'handoff' in tool))
    foldHistory(state, steps.history());
  return state.speakers;
}

/** What an agent needs to take its turn. The memory is that of the agent which the run began with. */
async function speakerFor(speaker: AgentDefinition, run: Parameters<typeof withMemory>[1]): Promise<Speaker> {
  const { input, environment } = run;
  const { secrets, security, toolContext = {} } = environment;
  const { toolManager = createToolManager } = speaker;
  const bound = mergeTools(withMemory(await toolsOf(speaker, input, environment), run));
  await refuseBrokenSchemas(bound, speaker.output);
  return {
    agent: speaker,
    model: await modelOf(speaker, environment),
    tools: toolManager({ tools: bound, secrets, toolContext }),
    security: strictest(security, speaker.security),
  };
}

async function modelOf(agent: AgentDefinition, { models }: RunEnvironment): Promise<Model> {
  const { model = 'default' } = agent;
  const chain = (Array.isArray(model) ? model : [model]) as readonly (string | Model)[];
  const [first, ...others] = await Promise.all(
    chain.map(async (each) =>
      typeof each === 'string' ? checkModel(each, await models.resolve(each)) : each,
    ),
  );
  return others.length === 0 ? (first as Model) : fallbackModel(first as Model, ...others);
}

/** Throws `invalid_argument` for what is neither a text nor a list of parts, and for one that says nothing. */
function promptOf({ prompt }: RunInput): Extract<Message, { role: 'user' }> {
  if (typeof prompt === 'string') {
    if (prompt.trim() === '') throw emptyPrompt();
    return userMessage(prompt);
  }
  if (!Array.isArray(prompt))
    throw new OpspawnError(
      'invalid_argument',
      'The prompt is not valid: it must be a text, or a list of parts',
    );
  const parsed = messageSchema.safeParse({ role: 'user', content: prompt });
  if (!parsed.success)
    throw new OpspawnError('invalid_argument', `The prompt is not valid:\n${z.prettifyError(parsed.error)}`);
  const unread = prompt.findIndex((part) => part.type === 'file' && !isFileData(part.data));
  if (unread !== -1) throw notFileData(unread);
  if (prompt.every((part) => part.type === 'text' && part.text.trim() === '')) throw emptyPrompt();
  return { role: 'user', content: prompt };
}

/** Base64, also in a `data:` URL, or an address: of what kind is the provider's affair, but no file of this machine. */
const isFileData = (data: string): boolean =>
  /^(?!data:|file:)[a-z][a-z0-9+.-]+:/i.test(data)
    ? URL.canParse(data)
    : /^[\w+/=\s-]+$/.test(data.replace(/^data:[^,]{0,200};base64,/i, ''));

/** As a rule the path of a file. */
const notFileData = (index: number): OpspawnError =>
  new OpspawnError(
    'invalid_argument',
    `The prompt is not valid: [${index}].data: must be base64 (readFile(path, 'base64') gives it) or an http(s) address`,
  );

/** As a rule a variable that was not set; some providers would refuse it, others make something up. */
const emptyPrompt = (): OpspawnError =>
  new OpspawnError('invalid_argument', 'The prompt is empty: it must say something, or bring a file');

/** All tools of the run, wherever they come from. */
async function toolsOf(
  agent: AgentDefinition,
  input: RunInput,
  environment: RunEnvironment,
): Promise<Tools[]> {
  const { extraTools } = environment;
  const sources: Tools[] = [agent.tools ?? {}];
  sources.push(...(await mcpToolsOf(agent, input, environment)));
  if (extraTools !== undefined) sources.push(withoutHandoffs(extraTools));
  return sources;
}

/** Who spoke is found again in later runs by the agent's own tools: with others it would be told, and not happen. */
function withoutHandoffs(extraTools: Tools): Tools {
  const name = Object.keys(extraTools).find((each) => 'handoff' in (extraTools[each] as Tools[string]));
  if (name === undefined) return extraTools;
  throw new OpspawnError('invalid_argument', `extraTools.${name}: a handoff is a tool of an agent`, {
    details: { tool: name },
  });
}

/** Tools of MCP servers, or the proxy in their place where the agent wants that or their list would cost too much. */
async function mcpToolsOf(
  { name, mcp }: AgentDefinition,
  { injectMcpProxy = false }: RunInput,
  { steps, mcp: host }: RunEnvironment,
): Promise<Tools[]> {
  const { namespace, signal } = steps;
  const all = (): Tools[] =>
    injectMcpProxy
      ? [(host ?? missingHost('injectMcpProxy was asked for')).proxy(undefined, { namespace })]
      : [];
  if (mcp === undefined) return all();
  const { servers, as = 'tools', allow, maxToolTokens = defaultMaxToolTokens } = mcp;
  const selection = { namespace, ...(allow && { allow }) };
  const pool = host ?? missingHost(`The agent ${name} uses MCP servers`);
  if (as === 'proxy') return [pool.proxy(servers, selection)];
  const tools = await pool.tools(servers, { ...selection, signal });
  if (!(await isOverCeiling(tools, maxToolTokens))) return [tools, ...all()];
  const count = Object.keys(tools).length;
  steps.log('info', `${count} MCP tools are over ${maxToolTokens} tokens: the agent gets mcp_proxy`, {
    count,
  });
  return [pool.proxy(servers, selection)];
}

/** Throws `invalid_argument` when two of them have one name. */
function mergeTools(all: readonly Tools[]): Tools {
  const sources = all.filter((source) => Object.keys(source).length > 0);
  if (sources.length === 1) return sources[0] as Tools;
  const merged: Record<string, Tools[string]> = {};
  for (const [name, tool] of sources.flatMap((source) => Object.entries(source))) {
    if (Object.hasOwn(merged, name)) {
      throw new OpspawnError('invalid_argument', `Two tools are named ${name}`, { details: { tool: name } });
    }
    merged[name] = tool;
  }
  return merged;
}

function missingHost(why: string): never {
  throw new OpspawnError('config_invalid', `${why}, and the run has no MCP host`);
}
