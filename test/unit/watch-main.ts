// A process that watches a run as the harness does, for tests that see it killed.
// Arguments: the table's endpoint, what its main thread does, and the watch's grace in milliseconds.
import { writeSync } from 'node:fs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { keys } from '../../core/table.ts';
import { startWatch } from '../../runners/sdk/watch.ts';

const [endpoint = '', what = '', graceMs = '0', limitMs] = process.argv.slice(2);
const client = new DynamoDBClient({
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
});
const watch = await startWatch(
  client,
  {
    table: 'jobs',
    key: keys.run('free_job', 1),
    token: 't1',
    graceMs: Number(graceMs),
    limitAt: limitMs === undefined ? undefined : Date.now() + Number(limitMs),
    remainingMs: 60_000,
  },
  (why) => writeSync(1, `stop: ${why}\n`),
);
writeSync(1, 'watching\n');
// Ends by itself when nobody kills it.
const end = Date.now() + 15_000;
while (what === 'busy' && Date.now() < end);
if (what === 'idle') setTimeout(() => {}, 15_000);
if (what === 'stopped') {
  await watch.stop();
  writeSync(1, 'not watching\n');
  process.stdin.once('data', () => process.exit(0));
}
