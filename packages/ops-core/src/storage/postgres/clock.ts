/**
 * The time that this process knows of: the database's, but never before what was given out. `floor` goes along with
 * every write, so that a clock that is set back stands still for this process until it has caught up.
 */
export class StoreClock {
  /** Unix ms. */
  floor = 0;

  /** A time that the database told; gives it, or the floor when that is later. */
  note(at: number): number {
    if (at > this.floor) this.floor = at;
    return this.floor;
  }
}
