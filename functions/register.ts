import type { CloudFormationCustomResourceEvent } from 'aws-lambda';
import { openTable } from '../aws/clients.ts';
import { openLambda } from '../aws/versions.ts';
import { internal, log } from './bundle.ts';
import { readEnv, registerEnv } from './env.ts';
import {
  type Registrar,
  registerTypes,
  registrarOf,
  retireTypes,
  type TypeRegistration,
  writeLimit,
} from './registration.ts';
import { registeredRunners, tidyVersions } from './versions.ts';

const env = readEnv(registerEnv);
const table = openTable(env.TABLE);
const lambda = openLambda();

/** CloudFormation refuses an answer above 4,096 bytes. */
const longestReason = 2_000;

/**
 * Writes settings and job types at deploy, as custom resources (CloudFormation, "Custom resource reference"). It
 * always answers: what went wrong is the answer's Reason, which whoever deploys reads. Throws only when the answer
 * could not be delivered, so that Lambda tries again; every write may be repeated.
 */
export const handler = internal(async (event: CloudFormationCustomResourceEvent): Promise<void> => {
  const physicalId = physicalIdOf(event);
  try {
    const before = await registeredRunners(table);
    await write(event);
    await answer(event, physicalId, { Status: 'SUCCESS' });
    await tidy(event, before);
  } catch (error) {
    log.error('A registration failed.', { error, resource: event.LogicalResourceId });
    const reason = error instanceof Error ? error.message : String(error);
    await answer(event, physicalId, { Status: 'FAILED', Reason: reason.slice(0, longestReason) });
  }
});

/** An owner's types are one resource: with another owner they are another one, and the old one's are retired. */
function physicalIdOf(event: CloudFormationCustomResourceEvent): string {
  if (event.RequestType === 'Delete') return event.PhysicalResourceId;
  return event.ResourceType === 'Custom::JobTypes' ? `types:${senderOf(event).owner}` : 'settings';
}

const senderOf = (event: CloudFormationCustomResourceEvent): Registrar =>
  registrarOf(event.StackId, env.STACK_ID, String(event.ResourceProperties['Owner']));

async function write(event: CloudFormationCustomResourceEvent): Promise<void> {
  const { RequestType, ResourceType, ResourceProperties: given } = event;
  switch (ResourceType) {
    case 'Custom::JobThreadCount':
      if (senderOf(event).stack !== undefined)
        throw new Error("Only the service's own stack sets how many jobs run at once: its setting job_thread_count.");
      // The table outlives the stack, and so do its settings.
      if (RequestType !== 'Delete') await writeLimit(table, Number(given['Limit']));
      return;
    case 'Custom::JobTypes': {
      const sender = senderOf(event);
      const now = Date.now();
      if (RequestType === 'Delete') return retireTypes(table, sender.owner, [], now);
      const types = (given['Types'] as readonly string[]).map((text) => JSON.parse(text) as TypeRegistration);
      const elsewhere = (given['Elsewhere'] ?? []) as readonly string[];
      return registerTypes(table, { ...sender, runner: String(given['Runner']), types }, now, elsewhere);
    }
    default:
      throw new Error(`The register function does not know resources of type ${ResourceType}.`);
  }
}

/** After the answer: what stays costs some storage, and the next deploy tries again. */
async function tidy(event: CloudFormationCustomResourceEvent, before: readonly string[]): Promise<void> {
  if (event.ResourceType !== 'Custom::JobTypes' || event.RequestType === 'Delete') return;
  const runner = String(event.ResourceProperties['Runner']);
  // CloudFormation's word on what was before, too: when this invocation is a repetition, the table no longer knows.
  const old = event.RequestType === 'Update' ? [String(event.OldResourceProperties['Runner'])] : [];
  try {
    const deleted = await tidyVersions(table, lambda, runner, [...before, ...old]);
    if (deleted.length > 0) log.info('Versions that no job needs are deleted.', { runner, deleted });
  } catch (error) {
    log.warn('Versions that no job needs could not be deleted.', { runner, error });
  }
}

type Said = { readonly Status: 'SUCCESS' } | { readonly Status: 'FAILED'; readonly Reason: string };

async function answer(event: CloudFormationCustomResourceEvent, physicalId: string, said: Said): Promise<void> {
  const { StackId, RequestId, LogicalResourceId } = event;
  const body = { ...said, StackId, RequestId, LogicalResourceId, PhysicalResourceId: physicalId };
  const response = await fetch(event.ResponseURL, {
    method: 'PUT',
    body: JSON.stringify(body),
    // The URL is signed for no content type; fetch would add one of its own.
    headers: { 'content-type': '' },
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`CloudFormation did not take the answer: HTTP ${response.status}.`);
}
