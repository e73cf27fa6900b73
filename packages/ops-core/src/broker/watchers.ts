interface Member {
  readonly taskIds: Set<string>;
  /** `performance.now()` */
  heardAt: number;
}

/** Which tasks other processes watch, where each of them says so itself and may end without a word. */
export class Watchers {
  readonly #members = new Map<string, Member>();
  readonly #counts = new Map<string, number>();

  isWatched(taskId: string): boolean {
    // Asked for every task of every commit: mostly nobody watches anything.
    return this.#counts.size > 0 && this.#counts.has(taskId);
  }

  watch(memberId: string, taskId: string): void {
    const member = this.#heard(memberId);
    if (member.taskIds.has(taskId)) return;
    member.taskIds.add(taskId);
    this.#count(taskId, 1);
  }

  unwatch(memberId: string, taskId: string): void {
    if (this.#heard(memberId).taskIds.delete(taskId)) this.#count(taskId, -1);
  }

  /** Forgets the members that did not say for so long that they still watch something. */
  forgetSilent(silentMs: number): void {
    for (const [memberId, { taskIds, heardAt }] of this.#members) {
      if (performance.now() - heardAt < silentMs) continue;
      this.#members.delete(memberId);
      for (const taskId of taskIds) this.#count(taskId, -1);
    }
  }

  #heard(memberId: string): Member {
    const member = this.#members.get(memberId) ?? { taskIds: new Set(), heardAt: 0 };
    member.heardAt = performance.now();
    this.#members.set(memberId, member);
    return member;
  }

  #count(taskId: string, change: 1 | -1): void {
    const count = (this.#counts.get(taskId) ?? 0) + change;
    if (count > 0) this.#counts.set(taskId, count);
    else this.#counts.delete(taskId);
  }
}
