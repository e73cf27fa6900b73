import { createHash } from 'node:crypto';
import { OpspawnError } from '../errors.ts';
import { canonicalJson, type Json } from '../json.ts';
import { type AssistantMessage, callsOf, type ToolCall, type ToolResult, textOf } from '../message.ts';

interface RepeatedCall {
  call: ToolCall;
  result: ToolResult;
  /** In how many turns, since something new came. */
  times: number;
}

/** What is shown of arguments and results as evidence, in characters. */
const longestEvidence = 500;

/**
 * Notices that a run goes in circles. New is a call with a result that it did not have before, or an answer in words
 * that was not given before. A failing call is the same whatever its message says: messages hold times and ids.
 */
export class RunRepetition {
  readonly #seen = new Set<string>();
  readonly #sinceNew = new Map<string, RepeatedCall>();
  #idleTurns = 0;

  addTurn(message: AssistantMessage): void {
    this.#idleTurns += 1;
    if (callsOf(message).length === 0 && this.#isNew(keyOf(['', textOf(message)]))) this.startAnew();
  }

  /** All calls of a turn with their results, in call order. */
  addResults(calls: readonly ToolCall[], results: readonly ToolResult[]): void {
    const pairs = new Map<string, Omit<RepeatedCall, 'times'>>();
    for (const [index, call] of calls.entries()) {
      const result = results[index] as ToolResult;
      pairs.set(keyOf([call.tool, call.input, result.isError === true ? {} : [result.output]]), {
        call,
        result,
      });
    }
    const fresh = [...pairs.keys()].filter((key) => this.#isNew(key));
    if (fresh.length > 0) this.startAnew();
    for (const [key, pair] of pairs) {
      this.#sinceNew.set(key, { ...pair, times: (this.#sinceNew.get(key)?.times ?? 0) + 1 });
    }
  }

  /** `no_progress` when the same call came so often, or so many turns brought nothing new. */
  evidence({
    repeatedCalls,
    idleTurns,
  }: {
    repeatedCalls: number;
    idleTurns: number;
  }): OpspawnError | undefined {
    for (const repeated of this.#sinceNew.values())
      if (repeated.times >= repeatedCalls) return inCircles(repeated);
    if (this.#idleTurns < idleTurns) return undefined;
    return new OpspawnError(
      'no_progress',
      `${this.#idleTurns} turns brought nothing that was not there before`,
      {
        details: { turns: this.#idleTurns },
      },
    );
  }

  #isNew(key: string): boolean {
    return this.#seen.size < this.#seen.add(key).size;
  }

  /** Counts from here on: something new came, or somebody has looked at it and lets the run go on. */
  startAnew(): void {
    this.#idleTurns = 0;
    this.#sinceNew.clear();
  }
}

function inCircles({ call: { tool, input }, result, times }: RepeatedCall): OpspawnError {
  const shownInput = shortened(input);
  const ended = result.isError === true ? 'failed each time' : 'gave the same result each time';
  return new OpspawnError(
    'no_progress',
    `The tool ${tool} was called ${times} times with ${shownInput} and ${ended}, and nothing new came in between`,
    {
      details: {
        tool,
        input: shownInput,
        times,
        failed: result.isError === true,
        result: shortened(result.output),
      },
    },
  );
}

function shortened(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > longestEvidence ? `${text.slice(0, longestEvidence)}…` : text;
}

/** Results may be large: only their hash is kept. */
const keyOf = (value: Json): string => createHash('sha256').update(canonicalJson(value)).digest('base64url');
