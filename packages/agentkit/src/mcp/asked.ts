import { randomUUID } from 'node:crypto';
import type { CallToolResult } from '@modelcontextprotocol/client';
import { z } from 'zod';
import type { Json } from '../json.ts';
import { InputRequired, type ResumedCall } from '../tool/input-required.ts';
import { asInputRequest, replyOf } from './elicitation.ts';
import type { Answered, OpenCall } from './open-call.ts';
import type { Elicitation } from './parse-elicitation.ts';

/**
 * What a server wants to know before it answers a request, and how the request goes on then. `rounds`: it is made again,
 * with the answers and the server's own state (the newer era). `held`: it is under way and waits for them (the older
 * one). `anew`: it was refused until a person has been somewhere, and is made again.
 */
export class Asked {
  readonly elicitations: Readonly<Record<string, Elicitation>>;
  readonly way:
    | { kind: 'rounds'; requestState?: string }
    | { kind: 'held'; call: HeldCall }
    | { kind: 'anew' };

  constructor(elicitations: Asked['elicitations'], way: Asked['way']) {
    this.elicitations = elicitations;
    this.way = way;
  }
}

/** How a request goes on, made of what it left in the journal and of the answers. */
export interface Continuation {
  /** In the words of the newer protocol. */
  rounds?: { inputResponses: { [name: string]: object }; requestState?: string };
  /** The call that waits for the replies, where it is still there. */
  held?: { call: HeldCall; replies: readonly Answered['reply'][] };
  /** All that was answered so far, for a call that is made anew. */
  answered: readonly Answered[];
}

type HeldCall = OpenCall<CallToolResult>;

const elicitation = z.custom<Elicitation>();
const stateSchema = z.object({
  kind: z.enum(['rounds', 'held', 'anew']),
  elicitations: z.record(z.string(), elicitation),
  requestState: z.string().optional(),
  token: z.string().optional(),
  answered: z.array(z.custom<Answered>()),
});
type State = z.infer<typeof stateSchema>;

const maxHeld = 1_000;

/** The calls to one server that wait for a person, in this process. */
export class HeldCalls {
  readonly #calls = new Map<string, HeldCall>();

  /** What a tool gives in place of a result. */
  ask(
    server: string,
    asked: Asked,
    { answered, patienceMs }: { answered: readonly Answered[]; patienceMs: number },
  ) {
    const { elicitations, way } = asked;
    const state: State = { kind: way.kind, elicitations, answered: [...answered] };
    if (way.kind === 'rounds' && way.requestState !== undefined) state.requestState = way.requestState;
    if (way.kind === 'held') state.token = this.#hold(way.call);
    const requests = Object.entries(elicitations).map(([name, each]) => {
      return [name, asInputRequest(server, each, patienceMs)] as const;
    });
    return new InputRequired(Object.fromEntries(requests), state as unknown as Json);
  }

  isHeld(state: Json): boolean {
    const { kind, token } = stateSchema.parse(state);
    return kind !== 'held' || (token !== undefined && this.#calls.has(token));
  }

  letGo(state: Json): void {
    this.#take(stateSchema.parse(state).token)?.letGo();
  }

  continue(resumed: ResumedCall | undefined): Continuation {
    if (resumed === undefined) return { answered: [] };
    const { kind, elicitations, requestState, token, answered } = stateSchema.parse(resumed.state);
    const now = Object.entries(elicitations).map(([name, each]) => {
      const answer = resumed.answers[name] ?? { outcome: 'unanswered' as const };
      return { name, elicitation: each, reply: replyOf(each, answer) };
    });
    const all = [...answered, ...now.map(({ elicitation: each, reply }) => ({ elicitation: each, reply }))];
    if (kind === 'rounds') {
      const inputResponses = Object.fromEntries(now.map(({ name, reply }) => [name, reply]));
      return {
        answered: all,
        rounds: { inputResponses, ...(requestState !== undefined && { requestState }) },
      };
    }
    const call = this.#take(token);
    if (call === undefined) return { answered: all };
    return { answered: all, held: { call, replies: now.map(({ reply }) => reply) } };
  }

  #hold(call: HeldCall): string {
    const token = randomUUID();
    const [oldest] = this.#calls.keys();
    if (oldest !== undefined && this.#calls.size >= maxHeld) this.#take(oldest)?.letGo();
    this.#calls.set(token, call);
    return token;
  }

  #take(token: string | undefined): HeldCall | undefined {
    const call = token === undefined ? undefined : this.#calls.get(token);
    if (token !== undefined) this.#calls.delete(token);
    return call;
  }
}
