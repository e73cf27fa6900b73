import { appendFile } from 'node:fs/promises';
import { defineFunction } from '@opspawn/ops-core';
import { z } from 'zod';

const days = (count: number): number => count * 24 * 3_600_000;

const orderSchema = z.object({
  orderId: z.string().min(1),
  items: z.array(z.object({ sku: z.string(), pieces: z.int().positive() })).min(1),
});

/** An order from its acceptance to the carrier. Everything that is awaited on `ctx` survives a crash. */
export const fulfilOrder = defineFunction({
  name: 'fulfil-order',
  description: 'Reserves the goods, waits for the payment, and hands the parcel to the carrier',
  input: orderSchema,
  async run(ctx, { orderId, items }) {
    const reserved = await ctx.map(items, ({ sku, pieces }) =>
      ctx.step('reserve', () => ({ sku, pieces, shelf: shelfOf(sku) })),
    );
    ctx.log('info', `Order ${orderId} is reserved and waits for its payment`);

    // Holds no worker, whether it takes a second or three days.
    const payment = await ctx.signal<{ cents: number }>('paid', { timeoutMs: days(3) });

    // The carrier collects at the full second.
    await ctx.sleep(1_000 - (ctx.now() % 1_000));

    // Must not happen twice: a crash in the middle leaves it in doubt until a person or a probe decides.
    const parcel = await ctx.step(
      'hand to the carrier',
      async ({ idempotencyKey }) => {
        const shipment = { parcel: `P-${orderId}`, idempotencyKey };
        await appendFile(process.env.SHIPMENTS ?? 'shipments.jsonl', `${JSON.stringify(shipment)}\n`);
        return shipment.parcel;
      },
      { effect: 'once' },
    );
    return { orderId, parcel, paidCents: payment.cents, shelves: reserved.map(({ shelf }) => shelf) };
  },
});

const shelfOf = (sku: string): number => [...sku].reduce((sum, char) => sum + char.charCodeAt(0), 0) % 40;
