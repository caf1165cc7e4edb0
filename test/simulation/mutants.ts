import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { SFNClient } from '@aws-sdk/client-sfn';
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { Witness } from '../../core/ending.ts';
import type { Board } from '../../core/job.ts';
import type { RunRef } from '../../functions/end.ts';
import type { Definition } from './execution.ts';
import type { StartWatch } from './harness.ts';
import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

/** A bug, planted around the service's own code. */
export interface Mutant {
  readonly name: string;
  /** Which service it is known from, or what in the design it takes away. */
  readonly origin?: string;
  readonly table?: (client: DynamoDBClient, process: Process, world: World) => DynamoDBClient;
  readonly machine?: (client: SFNClient, process: Process) => SFNClient;
  readonly doorbell?: (client: SQSClient) => SQSClient;
  readonly definition?: (definition: Definition) => Definition;
  readonly watch?: (watch: StartWatch) => StartWatch;
  readonly end?: (
    world: World,
    ref: RunRef,
    witness: Witness | undefined,
    end: (witness: Witness | undefined) => Promise<Board>,
  ) => Promise<Board>;
  readonly noSweep?: boolean;
  readonly noEvents?: boolean;
}

export const healthy: Mutant = { name: 'none' };
