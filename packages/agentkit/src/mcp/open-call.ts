import { canonicalJson, type Json } from '../json.ts';
import type { ElicitReply } from './elicitation.ts';
import type { Elicitation } from './parse-elicitation.ts';

/** What a server of the older era asks while it answers a call. */
export interface Question {
  elicitation: Elicitation;
  reply(reply: ElicitReply): void;
}

/** What a person said to a question before. */
export interface Answered {
  elicitation: Elicitation;
  reply: ElicitReply;
}

export interface OpenCallOptions {
  /** The run that made it: its people are asked, and no others. */
  owner: string;
  /** Time for the call itself. It does not run while a person is asked. */
  timeoutMs: number;
  /** How long a person may take, in ms. */
  patienceMs: number;
  /** Of an earlier call that was lost: the same question is not asked twice. */
  answered: readonly Answered[];
}

/** Beyond what a person may take, so that whoever asks hears of that first. */
const graceMs = 60_000;

/** A call of the older era that is under way, for as long as a person thinks if need be. */
export class OpenCall<Result> {
  readonly owner: string;
  readonly #options: OpenCallOptions;
  readonly #controller = new AbortController();
  readonly #result: Promise<Result>;
  readonly #questions: Question[] = [];
  #onQuestion: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #leftMs: number;
  #runsSince = 0;

  constructor(options: OpenCallOptions, send: (signal: AbortSignal) => Promise<Result>) {
    this.#options = options;
    this.owner = options.owner;
    this.#leftMs = options.timeoutMs;
    this.#runClock();
    this.#result = send(this.#controller.signal).finally(() => this.#end());
    // nobody may be listening while a person is asked
    this.#result.catch(() => {});
  }

  /** A person is asked something, and the call's time stands still. */
  get isAsking(): boolean {
    return this.#questions.length > 0;
  }

  ask(question: Question): void {
    const known = this.#options.answered.find(({ elicitation }) => isSame(elicitation, question.elicitation));
    if (known !== undefined) {
      question.reply(known.reply);
      return;
    }
    this.#questions.push(question);
    if (this.#questions.length === 1) this.#stopClock();
    this.#onQuestion();
  }

  /** The server takes the question back. */
  withdraw(question: Question): void {
    const at = this.#questions.indexOf(question);
    if (at !== -1) this.#questions.splice(at, 1);
    if (at !== -1 && !this.isAsking) this.#runClock();
  }

  /** The result, or what is to be asked before there can be one. Throws as the request does, or the signal's reason. */
  async next(signal: AbortSignal): Promise<Result | readonly Question[]> {
    const onAbort = (): void => this.#controller.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const asked = new Promise<readonly Question[]>((resolve) => {
        this.#onQuestion = () => setImmediate(() => resolve([...this.#questions]));
      });
      if (this.isAsking) this.#onQuestion();
      return await Promise.race([this.#result, asked]);
    } catch (thrown) {
      signal.throwIfAborted();
      throw thrown;
    } finally {
      this.#onQuestion = () => {};
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Answers what was asked, in that order. */
  answer(replies: readonly ElicitReply[]): void {
    for (const [index, question] of this.#questions.splice(0, replies.length).entries())
      question.reply(replies[index] as ElicitReply);
    if (!this.isAsking) this.#runClock();
  }

  /** Nobody waits for it any more. */
  letGo(): void {
    this.#controller.abort('nobody waits for it any more');
  }

  onEnd(listener: () => void): void {
    void this.#result.then(listener, listener);
  }

  #runClock(): void {
    this.#runsSince = performance.now();
    this.#setTimer(this.#leftMs, false);
  }

  #stopClock(): void {
    this.#leftMs = Math.max(1, this.#leftMs - (performance.now() - this.#runsSince));
    this.#setTimer(this.#options.patienceMs + graceMs, true);
  }

  #setTimer(ms: number, isIdle: boolean): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort('timed out'), Math.min(ms, 2 ** 31 - 1));
    // a question alone keeps no process
    if (isIdle) this.#timer.unref();
  }

  #end(): void {
    clearTimeout(this.#timer);
    for (const question of this.#questions.splice(0)) question.reply({ action: 'cancel' });
  }
}

const isSame = (one: Elicitation, other: Elicitation): boolean =>
  canonicalJson(one as unknown as Json) === canonicalJson(other as unknown as Json);
