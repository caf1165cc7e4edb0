import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import type { ExecutionInput } from '../core/job.ts';

export interface StateMachine {
  readonly client: SFNClient;
  readonly arn: string;
}

export const openMachine = (arn: string): StateMachine => ({ client: new SFNClient({}), arn });

/** Job and token name an execution: at most 80 characters of 0-9A-Za-z_- (Step Functions, StartExecution). */
export const executionName = ({ job, token }: Pick<ExecutionInput, 'job' | 'token'>) => `job-${job}-${token}`;

/** The input as the state machine's states expect it: `last` says which segment comes first, in the shape of a caught error. */
export function renderInput({ job, type, token, runner, correlation }: ExecutionInput): string {
  return JSON.stringify({
    job,
    type,
    token,
    runner,
    correlation,
    last: { Error: 'JobContinue', Cause: '{"errorMessage":"1"}' },
  });
}

/**
 * Starts a run's execution, or finds that it was started: while one of that name is open with the same input,
 * StartExecution succeeds again; once it is closed, it says ExecutionAlreadyExists (StartExecution API reference).
 *
 * @returns `closed` when the execution has ended, with its status; a terminal status is the only proof of an end here
 */
export async function ensureStarted(
  machine: StateMachine,
  input: ExecutionInput,
): Promise<{ readonly state: 'open' } | { readonly state: 'closed'; readonly status: string }> {
  const name = executionName(input);
  try {
    await machine.client.send(
      new StartExecutionCommand({ stateMachineArn: machine.arn, name, input: renderInput(input) }),
    );
    return { state: 'open' };
  } catch (error) {
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
  }
  try {
    const { status = 'RUNNING' } = await machine.client.send(
      new DescribeExecutionCommand({ executionArn: `${machine.arn.replace(':stateMachine:', ':execution:')}:${name}` }),
    );
    return status === 'RUNNING' || status === 'PENDING_REDRIVE' ? { state: 'open' } : { state: 'closed', status };
  } catch (error) {
    // DescribeExecution is eventually consistent: it may not know yet what StartExecution knows.
    if (error instanceof ExecutionDoesNotExist) return { state: 'open' };
    throw error;
  }
}
