import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3';
import type { Doorbell } from '../../aws/doorbell.ts';
import type { Table } from '../../aws/dynamo.ts';
import type { StateMachine } from '../../aws/executions.ts';
import type { TableRequest } from './database.ts';
import type { Mutant } from './planting.ts';
import type { DoorbellQueue } from './platform.ts';
import type { Process } from './scheduler.ts';
import { type TableNetwork, tableClient } from './table-client.ts';
import type { World } from './world.ts';

/** The AWS clients of each simulated process, in the shapes that the service takes. */
export class Clients {
  readonly #world: World;
  readonly #mutant: Mutant;
  readonly #network: TableNetwork;
  readonly #doorbells: DoorbellQueue;

  constructor(world: World, doorbells: DoorbellQueue) {
    const { scheduler, database, faults, invariants, mutant } = world;
    this.#world = world;
    this.#mutant = mutant;
    this.#network = { scheduler, database, faults, observer: invariants, underWay: new Map() };
    this.#doorbells = doorbells;
  }

  /** Requests that are answered at once, for those who look from outside. */
  get outside(): Table {
    const send = async (command: { readonly input: object }) =>
      this.#world.database.apply(
        { kind: command.constructor.name.replace(/Command$/, ''), input: command.input } as TableRequest,
        { allSeeing: true },
      );
    return { client: { send } as unknown as DynamoDBClient, name: 'jobs' };
  }

  table(process: Process): Table {
    const client = tableClient(this.#network, process);
    return { client: this.#mutant.table?.(client, process, this.#world) ?? client, name: 'jobs' };
  }

  machine(process: Process): StateMachine {
    const client = this.#world.machine.client(process);
    return {
      client: this.#mutant.machine?.(client, process) ?? client,
      arn: 'arn:aws:states:us-east-1:1:stateMachine:jobs',
    };
  }

  doorbell(process: Process): Doorbell {
    const client = this.#doorbells.client(process);
    return { client: this.#mutant.doorbell?.(client) ?? client, queueUrl: 'queue', lanes: 2 };
  }

  /** An object that is sent gets there, whatever becomes of its sender. */
  files(process: Process): S3Client {
    const { scheduler, objects } = this.#world;
    const send = ({ input }: { readonly input: PutObjectCommandInput }) =>
      new Promise((resolve) => {
        const thereMs = scheduler.random.between(5, 60);
        scheduler.after(thereMs, () => objects.set(input.Key ?? '', Buffer.from(input.Body as Uint8Array).toString()));
        scheduler.after(thereMs, () => resolve({}), process);
      });
    return { send } as unknown as S3Client;
  }
}
