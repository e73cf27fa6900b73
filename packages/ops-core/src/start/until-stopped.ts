/**
 * Resolves at the first SIGTERM or SIGINT, with its name. From then on a second one ends the process at once, with
 * 128 + its number as a shell expects it.
 */
export function untilStopped(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  const exitCodes = { SIGINT: 130, SIGTERM: 143 };
  for (const [name, exitCode] of Object.entries(exitCodes) as [keyof typeof exitCodes, number][]) {
    process.once(name, () => {
      resolve(name);
      for (const signal of Object.keys(exitCodes)) process.once(signal, () => process.exit(exitCode));
    });
  }
  return promise;
}
