import { z } from 'zod';
import { callable, checkOptions } from '../check-options.ts';
import type { Json } from '../json.ts';
import { callsOf, type Message, textOf, userMessage } from '../message.ts';
import { splitAtPrompt } from './conversation.ts';
import type { Planner, RunState } from './planner.ts';

/** A value, or how it comes out of what happened so far: a pure function, since it is asked again after a crash. */
type FromState<T> = T | ((state: RunState) => T);

export interface PlannedCall {
  tool: string;
  input?: FromState<Json>;
}

/** One line of a script. */
export type ScriptLine =
  /** Calls a tool, or several side by side, without asking the model. */
  | { call: PlannedCall | readonly PlannedCall[] }
  /** Asks the model, and takes its answer; with `tools` it may call them on the way. */
  | { ask: FromState<string>; tools?: boolean };

const callSchema = z.strictObject({
  tool: z.string(),
  input: z.unknown().optional(),
} satisfies Record<keyof PlannedCall, z.ZodType>);
const linesSchema = z.array(
  z.union(
    [
      z.strictObject({
        call: z.union([callSchema, z.array(callSchema).min(1, 'must name a tool, or several')]),
      }),
      z.strictObject({ ask: z.union([z.string(), callable]), tools: z.boolean().optional() }),
    ],
    'must be { call } with one or several { tool, input }, or { ask, tools }',
  ),
);

/**
 * Carries out the lines one after another, whatever the model thinks of it: for procedures that are known beforehand. The
 * result is what the last line came to: the answer, or the output of its call (of several: a list). A call that failed
 * ends nothing: the lines that follow can look at it.
 */
export function scripted(lines: readonly ScriptLine[]): Planner {
  checkOptions('The script', linesSchema, lines);
  return {
    name: 'scripted',
    next(state) {
      if (state.pendingCalls.length > 0) return { do: 'call_tools', calls: state.pendingCalls };
      const { said, done } = follow(state, lines);
      const line = lines[done];
      if (line === undefined) return { do: 'finish', output: resultOf(said) };
      if ('call' in line) {
        const calls = 'tool' in line.call ? [line.call] : line.call;
        return {
          do: 'take_turn',
          calls: calls.map(({ tool, input = {} }) => ({ tool, input: read(input, state) })),
        };
      }
      const answer = done === lines.length - 1 ? 'final' : 'interim';
      return { do: 'call_model', messages: said, offerTools: line.tools === true, answer };
    },
  };
}

/** The conversation with what the script asks in between, and how many lines are done. */
function follow(state: RunState, lines: readonly ScriptLine[]): { said: Message[]; done: number } {
  const { before: said, after } = splitAtPrompt(state);
  let done = 0;
  const ask = (): void => {
    const line = lines[done];
    if (line !== undefined && 'ask' in line)
      said.push(userMessage(read(line.ask, { ...state, messages: [...said] })));
  };
  ask();
  for (const message of after) {
    said.push(message);
    const line = lines[done];
    const isDone =
      line !== undefined && 'call' in line
        ? message.role === 'tool'
        : message.role === 'assistant' && callsOf(message).length === 0;
    if (!isDone) continue;
    done += 1;
    ask();
  }
  return { said, done };
}

const read = <T extends Json>(value: FromState<T>, state: RunState): T =>
  typeof value === 'function' ? value(state) : value;

function resultOf(said: readonly Message[]): Json {
  const last = said.at(-1);
  if (last?.role === 'assistant') return textOf(last);
  const outputs = last?.role === 'tool' ? last.content.map(({ output }) => output) : [];
  return outputs.length === 1 ? (outputs[0] as Json) : outputs;
}
