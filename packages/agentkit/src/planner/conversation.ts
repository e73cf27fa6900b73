import { type Message, textOf } from '../message.ts';
import type { RunState } from './planner.ts';

/** The conversation up to the prompt of this run, and what came after it. */
export function splitAtPrompt({ messages, goal }: RunState): { before: Message[]; after: Message[] } {
  const index = messages.map((each) => each.role === 'user' && textOf(each) === goal).lastIndexOf(true) + 1;
  return { before: messages.slice(0, index), after: messages.slice(index) };
}
