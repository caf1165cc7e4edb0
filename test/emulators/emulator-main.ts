// Runs one emulator on a folder, as a process that can be killed: `emulator-main.ts <service> <folder>`.
import { startDynamoDb } from '../../local/dynamodb/server.ts';
import { startS3 } from '../../local/s3/server.ts';
import { startSqs } from '../../local/sqs/server.ts';

export type Service = keyof typeof starters;

export const starters = {
  dynamodb: (dir: string) => startDynamoDb({ path: dir }),
  s3: (dir: string) => startS3({ dir, region: 'eu-west-1' }),
  sqs: (dir: string) => startSqs({ dir, region: 'eu-west-1' }),
} as const;

if (process.argv[1] === import.meta.filename) {
  const server = await starters[process.argv[2] as Service](String(process.argv[3]));
  console.log(server.endpoint);
}
