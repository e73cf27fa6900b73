import type { ClaimRequest } from '../../claim-request.ts';
import type { ClaimedTask } from '../../store.ts';
import { newTurn, type Turn } from '../../turn.ts';
import type { StoreClock } from '../database/clock.ts';
import type { Statement } from '../database/connections.ts';
import {
  type ClaimRow,
  claimedTasks,
  claimStatement,
  earlierClaim,
  encodeClaim,
  type LaneFacts,
  wasClaimedBefore,
} from './claim.ts';

interface ClaimsParts {
  readonly run: <Row>(query: Statement<Row>, values: readonly unknown[]) => Promise<Row[]>;
  readonly clock: StoreClock;
  readonly onClaim: (turn: Turn) => void;
}

/** Of one worker. */
interface Claimer {
  /** Numbers of claims that may have taken tasks of which nobody knows. */
  readonly unanswered: number[];
  /** The namespace behind which its next claim looks. */
  after: string;
}

/** The claims of the workers of this process. */
export class Claims {
  readonly #parts: ClaimsParts;
  readonly #claimers = new Map<string, Claimer>();
  /** Beyond those of a store that this process had open before. */
  #claimNo = Date.now() * 1000;

  constructor(parts: ClaimsParts) {
    this.#parts = parts;
  }

  forget(workerId: string): void {
    this.#claimers.delete(workerId);
  }

  /** Goes on behind what one statement looks at, and in place of what others took meanwhile. */
  async claim(request: ClaimRequest): Promise<readonly ClaimedTask[]> {
    const claimer = this.#claimerOf(request.workerId);
    const claimed: ClaimedTask[] = [];
    for (;;) {
      const { after } = claimer;
      const limit = request.limit - claimed.length;
      const { tasks, lanes } = await this.#claimOnce({ ...request, limit }, claimer);
      claimed.push(...tasks);
      claimer.after = lanes?.after ?? '';
      if (lanes === null || tasks.length >= limit) return claimed;
      if (after === '' && lanes.after === null && isAll(lanes, limit, tasks.length)) return claimed;
    }
  }

  async #claimOnce(request: ClaimRequest, claimer: Claimer) {
    const rows = await this.#answered(request, claimer);
    const at = rows[0]?.[0] ?? 0;
    this.#parts.clock.note(at);
    const turn = newTurn(at);
    const tasks = claimedTasks(rows, request, turn);
    this.#parts.onClaim(turn);
    return { tasks, lanes: rows[0]?.[3] ?? null };
  }

  /**
   * A claim cannot be made twice as a write can: when its answer was lost, it is sent again under its number, also by the
   * next call of this worker, and what it took the first time is looked for. One that a pause overtook took nothing, and is
   * made anew.
   */
  async #answered(request: ClaimRequest, { unanswered, after }: Claimer): Promise<ClaimRow[]> {
    const { run, clock } = this.#parts;
    for (;;) {
      const { floor } = clock;
      const claimNo = unanswered.shift() ?? ++this.#claimNo;
      try {
        const rows = await run(claimStatement(request), encodeClaim(request, { floor, claimNo, after }));
        if (!wasClaimedBefore(rows)) return rows;
        const earlier = await run(earlierClaim, [floor, request.workerId, claimNo]);
        if (earlier.length > 0) return earlier;
      } catch (thrown) {
        unanswered.push(claimNo);
        throw thrown;
      }
    }
  }

  #claimerOf(workerId: string): Claimer {
    const known = this.#claimers.get(workerId) ?? { unanswered: [], after: '' };
    this.#claimers.set(workerId, known);
    return known;
  }
}

/** Whether a claim that saw every lane took all that it could: it found less than was asked for, or others hold the rest. */
const isAll = ({ lanes, found }: LaneFacts, limit: number, taken: number): boolean =>
  taken === 0 || (lanes <= 4 && found < limit);
