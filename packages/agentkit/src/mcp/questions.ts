import { OpspawnError } from '../errors.ts';
import type { ElicitReply } from './elicitation.ts';
import type { OpenCall, Question } from './open-call.ts';
import { parseElicitation } from './parse-elicitation.ts';

/** A call that is under way or about to be. */
type Place = Pick<OpenCall<unknown>, 'owner' | 'isAsking'>;

/**
 * Finds the call to which a question of a server of the older era belongs: that protocol does not say. A question is
 * put to nobody but the run whose calls alone are under way; calls that are asking already ask something else. Once a
 * server has asked, it gets the calls of one run at a time. Questions that came before that, and that nobody can tell
 * apart, are cancelled: another tenant's question must not be shown to anybody.
 */
export class Questions {
  readonly #places = new Set<Place>();
  readonly #unclaimed = new Set<Question>();
  readonly #queue = new Set<() => void>();
  #hasAsked = false;

  /**
   * Resolves when a call of this run may begin, with what `watch` takes. Throws `mcp_failed` when that takes longer than
   * `patienceMs`, or the signal's reason; nothing was sent then.
   */
  async admit(
    owner: string,
    { signal, patienceMs }: { signal: AbortSignal; patienceMs: number },
  ): Promise<Place> {
    const until = performance.now() + patienceMs;
    while (this.#hasAsked && this.#busy().some((place) => place.owner !== owner)) {
      await this.#turn(signal, until - performance.now());
      if (performance.now() < until) continue;
      throw new OpspawnError('mcp_failed', 'It asks people, and so gets one call at a time: no turn came', {
        details: { outcome: 'not_done' },
      });
    }
    const place = { owner, isAsking: false };
    this.#places.add(place);
    return place;
  }

  /** The call takes its place, until it ends. */
  watch(call: OpenCall<unknown>, place: Place): void {
    this.#places.delete(place);
    this.#places.add(call);
    call.onEnd(() => this.leave(call));
  }

  leave(place: Place): void {
    this.#places.delete(place);
    this.#assign();
  }

  /** Resolves with what a person says. Throws `tool_failed` for what is no question; rejects when it is taken back. */
  ask(params: unknown, signal: AbortSignal): Promise<ElicitReply> {
    const elicitation = parseElicitation(params);
    this.#hasAsked = true;
    return new Promise((resolve, reject) => {
      const question = { elicitation, reply: resolve };
      const onAbort = (): void => {
        reject(signal.reason);
        this.#withdraw(question);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#unclaimed.add(question);
      this.#assign();
    });
  }

  #withdraw(question: Question): void {
    this.#unclaimed.delete(question);
    for (const place of this.#places)
      if ('withdraw' in place) (place as OpenCall<unknown>).withdraw(question);
    this.#assign();
  }

  /** Those that a new question may be from. */
  #busy(): Place[] {
    return [...this.#places].filter((place) => !place.isAsking);
  }

  #assign(): void {
    for (const question of this.#unclaimed) {
      const busy = this.#busy();
      const candidates = busy.length > 0 ? busy : [...this.#places];
      if (new Set(candidates.map(({ owner }) => owner)).size > 1) {
        // as many questions as calls: none of them will end by itself
        if (this.#unclaimed.size >= busy.length) this.#cancelAll();
        break;
      }
      this.#unclaimed.delete(question);
      const call = candidates.find((place) => 'ask' in place) as OpenCall<unknown> | undefined;
      if (call === undefined) question.reply({ action: 'cancel' });
      else call.ask(question);
    }
    for (const resume of this.#queue) resume();
  }

  #cancelAll(): void {
    for (const question of this.#unclaimed) question.reply({ action: 'cancel' });
    this.#unclaimed.clear();
  }

  async #turn(signal: AbortSignal, ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms);
      const queue = this.#queue;
      function done(): void {
        clearTimeout(timer);
        queue.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      }
      queue.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
    signal.throwIfAborted();
  }
}
