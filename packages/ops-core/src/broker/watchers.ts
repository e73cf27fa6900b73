interface Member {
  readonly taskIds: Set<string>;
  /** `performance.now()` */
  heardAt: number;
}

const nobody: ReadonlySet<string> = new Set();

/** Which other processes watch which tasks, where each of them says so itself and may end without a word. */
export class Watchers {
  readonly #members = new Map<string, Member>();
  readonly #byTask = new Map<string, Set<string>>();

  isWatched(taskId: string): boolean {
    return this.of(taskId).size > 0;
  }

  /** The members that watch the task. */
  of(taskId: string): ReadonlySet<string> {
    // Asked for every task of every commit: mostly nobody watches anything.
    return this.#byTask.size === 0 ? nobody : (this.#byTask.get(taskId) ?? nobody);
  }

  watch(memberId: string, taskId: string): void {
    this.#heard(memberId).taskIds.add(taskId);
    const members = this.#byTask.get(taskId) ?? new Set();
    this.#byTask.set(taskId, members.add(memberId));
  }

  unwatch(memberId: string, taskId: string): void {
    const { taskIds } = this.#heard(memberId);
    if (taskIds.delete(taskId)) this.#leave(memberId, taskId);
    if (taskIds.size === 0) this.#members.delete(memberId);
  }

  /** This is all that the member watches. */
  replace(memberId: string, taskIds: readonly string[]): void {
    this.forget(memberId);
    for (const taskId of taskIds) this.watch(memberId, taskId);
  }

  /** It is gone. */
  forget(memberId: string): void {
    for (const taskId of this.#members.get(memberId)?.taskIds ?? []) this.#leave(memberId, taskId);
    this.#members.delete(memberId);
  }

  /** Forgets the members that did not say for so long that they still watch something. */
  forgetSilent(silentMs: number): void {
    for (const [memberId, { heardAt }] of this.#members) {
      if (performance.now() - heardAt >= silentMs) this.forget(memberId);
    }
  }

  clear(): void {
    this.#members.clear();
    this.#byTask.clear();
  }

  #heard(memberId: string): Member {
    const member = this.#members.get(memberId) ?? { taskIds: new Set(), heardAt: 0 };
    member.heardAt = performance.now();
    this.#members.set(memberId, member);
    return member;
  }

  #leave(memberId: string, taskId: string): void {
    const members = this.#byTask.get(taskId);
    members?.delete(memberId);
    if (members?.size === 0) this.#byTask.delete(taskId);
  }
}
