import type { ProgressCallback } from '@modelcontextprotocol/client';

const minProgressGapMs = 50;

/** Progress as a line of text; a flood of it is thinned out. */
export function progressReporter(report: (message: string) => void): ProgressCallback {
  let lastAt = Number.NEGATIVE_INFINITY;
  return ({ progress, total, message }) => {
    const now = performance.now();
    if (now - lastAt < minProgressGapMs) return;
    lastAt = now;
    const count = total === undefined ? `${progress}` : `${progress}/${total}`;
    report(message === undefined ? count : `${count} ${message}`);
  };
}
