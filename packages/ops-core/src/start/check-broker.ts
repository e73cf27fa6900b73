import type { BusLink } from '../broker/bus.ts';

const ignore = (): void => {};

/**
 * Links up with the broker and leaves again; nothing is left there. Gives whether it is there now. Throws
 * `config_invalid` when it is and refuses.
 */
export async function checkBroker(url: string): Promise<BusLink> {
  const { openRabbitBus } = await import('../broker/rabbitmq/bus.ts');
  await using bus = await openRabbitBus({ url, log: { info: ignore, warn: ignore } });
  return bus.link;
}
