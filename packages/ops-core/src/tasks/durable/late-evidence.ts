import { randomUUIDv7 } from 'node:crypto';
import { errorText } from './entry-data.ts';
import type { TaskPort } from './port.ts';
import type { Request } from './request.ts';
import type { StepEnd } from './step-execution.ts';

/**
 * How steps with effect `once` ended, until that is recorded. What this attempt cannot record any more is posted as
 * evidence for whoever has to decide about the effect.
 */
export class LateEvidence {
  readonly #port: TaskPort;
  readonly #unrecorded = new Map<Request, StepEnd>();
  #isOver = false;

  constructor(port: TaskPort) {
    this.#port = port;
  }

  /** The effect has ended; the entry about it is on its way. */
  hold(request: Request, end: StepEnd): void {
    if (this.#isOver) this.#post(request, end);
    else this.#unrecorded.set(request, end);
  }

  recorded(request: Request): void {
    this.#unrecorded.delete(request);
  }

  /** From here on this attempt records nothing. */
  release(): void {
    this.#isOver = true;
    for (const [request, end] of this.#unrecorded) this.#post(request, end);
    this.#unrecorded.clear();
  }

  #post(request: Request, end: StepEnd): void {
    const outcome = end.ok
      ? `"ok":true${end.text === undefined ? '' : `,"value":${end.text}`}`
      : `"ok":false,"error":${errorText(end.error)}`;
    this.#port.postEvidence({
      id: randomUUIDv7(),
      kind: 'evidence',
      key: `evidence:${request.hash}`,
      data: `{"attempt":${this.#port.attempt},${outcome}}`,
    });
  }
}
