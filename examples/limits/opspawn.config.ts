import { defineConfig } from '@opspawn/ops-core';
import { answerQuestion, renderReport, syncCustomer } from './report-center.ts';

export default defineConfig({ functions: [answerQuestion, renderReport, syncCustomer] });
