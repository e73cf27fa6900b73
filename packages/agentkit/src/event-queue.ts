import type { AgentEvent, EventSink } from './event.ts';

/** Events between a run that tells them and one reader that takes its time. Holds what was not read yet. */
export class EventQueue {
  readonly #waiting: AgentEvent[] = [];
  readonly #alsoTold: EventSink | undefined;
  #wake: (() => void) | undefined;
  #isEnded = false;

  constructor(alsoTold?: EventSink) {
    this.#alsoTold = alsoTold;
  }

  /** Gives what the other sink gives, so that who calls it sees a promise that rejects. */
  readonly put: EventSink = (event) => {
    this.#waiting.push(event);
    this.#wake?.();
    return this.#alsoTold?.(event);
  };

  readonly end = (): void => {
    this.#isEnded = true;
    this.#wake?.();
  };

  async *read(): AsyncGenerator<AgentEvent, void> {
    for (;;) {
      yield* this.#waiting.splice(0);
      if (this.#waiting.length > 0) continue;
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
