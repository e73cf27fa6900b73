import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { defaultModelSpec, defineAgent, defineTool, type McpServerInput, moduleUrl } from '@opspawn/agentkit';
import { scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';
import { tools } from './exploration.ts';
import { nextMove } from './rules.ts';

const fileSchema = z.object({
  path: z.string(),
  size: z.string().describe('As the listing gave it, for instance "1.25 KB"'),
});
const todoSchema = z.object({ path: z.string(), line: z.int().positive(), text: z.string() });

const computeFigures = defineTool({
  description:
    'Counts and adds up files by type, finds the largest, and makes a Markdown table. Give it every file.',
  input: z.object({
    files: z.array(fileSchema),
    todos: z.array(todoSchema).describe('TODO and FIXME comments'),
  }),
  annotations: { readOnlyHint: true },
  isolation: 'process',
  module: moduleUrl('./figures', import.meta.url),
});

const instructions = `You write a report about the folder that your filesystem tools can see.

1. List the folder "." and then every folder in it, at most 60 in all. Skip .git and node_modules. Use relative paths.
2. Read the text files that matter, at most 30 and none above 64 KB; look for TODO and FIXME comments in them.
3. Call compute_figures once with every file that you saw and every TODO that you found.
4. Answer with the report in Markdown: a sentence on what the folder is, the table of files by type, the largest
   files, the TODOs as path:line with their text, and what you left out. Take figures from the tool, never guess one.`;

interface ReportOptions {
  /** How long the rules take for a turn, so that one can watch. Default 0. */
  turnMs?: number;
  /** Told at every turn of the rules. */
  onTurn?: (turn: number) => void;
}

/** Rules instead of a language model. */
const folderReportModel = ({ turnMs = 0, onTurn }: ReportOptions) =>
  scriptedModel({
    name: 'folder-report',
    reply: async ({ messages, signal }) => {
      onTurn?.(1 + messages.filter(({ role }) => role === 'assistant').length);
      if (turnMs > 0) await delay(turnMs, undefined, { signal });
      return nextMove(messages);
    },
  });

/** The agent. Uses the model that the environment configures, and the rules when there is none. */
export const folderReport = (options: ReportOptions = {}) =>
  defineAgent({
    name: 'folder-report',
    description: 'Explores a folder and writes a report on it',
    instructions,
    model: defaultModelSpec(process.env) ?? folderReportModel(options),
    tools: { [tools.figures]: computeFigures },
    mcp: { servers: ['filesystem'], allow: [tools.list, tools.read] },
    limits: { turns: 100, toolCalls: 400 },
  });

/** The MCP server for one folder. Its annotations are believed: reading again is harmless, and it says so. */
export function filesystemServer(folder: string, nodeOptions: readonly string[] = []): McpServerInput {
  const manifest = createRequire(import.meta.url).resolve(
    '@modelcontextprotocol/server-filesystem/package.json',
  );
  const server = join(dirname(manifest), 'dist', 'index.js');
  return { command: process.execPath, args: [...nodeOptions, server, folder], trusted: true };
}
