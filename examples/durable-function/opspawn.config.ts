import { defineConfig } from '@opspawn/ops-core';
import { fulfilOrder } from './fulfil-order.ts';

export default defineConfig({ functions: [fulfilOrder] });
