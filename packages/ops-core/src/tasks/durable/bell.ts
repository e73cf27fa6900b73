/** Wakes the one who waits for something to happen. */
export class Bell {
  /** How often it rang: the same number before and after a pause means that nothing happened meanwhile. */
  rings = 0;
  #wake: ((isRung: boolean) => void) | undefined;

  ring(): void {
    this.rings += 1;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.(true);
  }

  /** Until it rings, at most `timeoutMs` when given. Whether it rang. */
  wait(timeoutMs?: number): Promise<boolean> {
    return new Promise((resolve) => {
      if (timeoutMs === undefined) {
        this.#wake = resolve;
        return;
      }
      const timer = setTimeout(() => {
        this.#wake = undefined;
        resolve(false);
      }, timeoutMs);
      const wake = (isRung: boolean): void => {
        clearTimeout(timer);
        resolve(isRung);
      };
      this.#wake = wake;
    });
  }
}
