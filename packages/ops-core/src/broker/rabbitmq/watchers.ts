interface Member {
  readonly taskIds: Set<string>;
  /** `performance.now()` */
  heardAt: number;
}

const nobody: ReadonlySet<string> = new Set();

/** Which other process watches which tasks, as far as it was heard. */
export class Watchers {
  readonly #members = new Map<string, Member>();
  readonly #byTask = new Map<string, Set<string>>();

  of(taskId: string): ReadonlySet<string> {
    // Asked for every task of every commit: mostly nobody watches anything.
    return this.#byTask.size === 0 ? nobody : (this.#byTask.get(taskId) ?? nobody);
  }

  /** This is all that the member watches. */
  replace(memberId: string, taskIds: readonly string[]): void {
    this.forget(memberId);
    if (taskIds.length > 0) this.change(memberId, { begun: taskIds, ended: [] });
  }

  change(memberId: string, { begun, ended }: { begun: readonly string[]; ended: readonly string[] }): void {
    const member = this.#members.get(memberId) ?? { taskIds: new Set(), heardAt: 0 };
    this.#members.set(memberId, member);
    member.heardAt = performance.now();
    for (const taskId of begun) {
      member.taskIds.add(taskId);
      this.#byTask.set(taskId, (this.#byTask.get(taskId) ?? new Set()).add(memberId));
    }
    for (const taskId of ended) this.#end(memberId, member, taskId);
    if (member.taskIds.size === 0) this.#members.delete(memberId);
  }

  /** It is gone, or watches nothing any more. */
  forget(memberId: string): void {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    for (const taskId of member.taskIds) this.#end(memberId, member, taskId);
    this.#members.delete(memberId);
  }

  /** Forgets members that said nothing for so long: a process that was killed says no good-bye. */
  forgetSilent(silentMs: number): void {
    const before = performance.now() - silentMs;
    for (const [memberId, { heardAt }] of this.#members) if (heardAt < before) this.forget(memberId);
  }

  clear(): void {
    this.#members.clear();
    this.#byTask.clear();
  }

  #end(memberId: string, member: Member, taskId: string): void {
    member.taskIds.delete(taskId);
    const members = this.#byTask.get(taskId);
    members?.delete(memberId);
    if (members?.size === 0) this.#byTask.delete(taskId);
  }
}
