/** What `npm start` serves: the examples together. */
import { defineConfig } from '@opspawn/ops-core';
import durableFunction from './durable-function/opspawn.config.ts';
import folderReport from './folder-report/opspawn.config.ts';

export default defineConfig({ ...durableFunction, ...folderReport });
