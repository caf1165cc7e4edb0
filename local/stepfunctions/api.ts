// Step Functions' API over HTTP, as far as a service that starts, describes, lists and stops executions needs it.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_Operations.html
import type { ServiceRequest, ServiceResponse } from '../control.ts';
import { type Executions, ServiceError } from './executions.ts';
import type { ExecutionRecord, ExecutionStatus } from './journal.ts';

const prefix = 'AWSStepFunctions.';
const defaultPage = 100;

type Parameters = Readonly<Record<string, string | number | undefined>>;

/** Answers a request whose target is Step Functions; undefined for any other request. */
export async function answerStepFunctions(
  executions: Executions,
  request: ServiceRequest,
): Promise<ServiceResponse | undefined> {
  const target = request.headers['x-amz-target'];
  if (!target?.startsWith(prefix)) return undefined;
  try {
    const parameters = JSON.parse(request.body.toString() || '{}') as Parameters;
    const body = JSON.stringify(perform(executions, target.slice(prefix.length), parameters));
    return { status: 200, headers: { 'content-type': 'application/x-amz-json-1.0' }, body };
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const body = JSON.stringify({ __type: error.name, message: error.message });
    return { status: 400, headers: { 'content-type': 'application/x-amz-json-1.0' }, body };
  }
}

function perform(executions: Executions, operation: string, parameters: Parameters): object {
  const text = (name: string): string | undefined => parameters[name]?.toString();
  const required = (name: string): string => {
    const value = text(name);
    if (value === undefined) throw new ServiceError('ValidationException', `Value at '${name}' must not be null`);
    return value;
  };
  switch (operation) {
    case 'StartExecution': {
      const record = executions.start(required('stateMachineArn'), text('input') ?? '{}', text('name'));
      return { executionArn: record.arn, startDate: record.startedMs / 1000 };
    }
    case 'DescribeExecution': {
      const record = executions.describe(required('executionArn'));
      return {
        ...summary(record),
        input: record.input,
        inputDetails: { included: true },
        ...(record.output === null ? {} : { output: record.output, outputDetails: { included: true } }),
        ...(record.error === null ? {} : { error: record.error }),
        ...(record.cause === null ? {} : { cause: record.cause }),
      };
    }
    case 'StopExecution': {
      const record = executions.stop(required('executionArn'), text('error'), text('cause'));
      return { stopDate: (record.stoppedMs ?? 0) / 1000 };
    }
    case 'ListExecutions': {
      const limit = Number(parameters['maxResults'] || defaultPage);
      const offset = Number(text('nextToken') ?? 0);
      const status = text('statusFilter') as ExecutionStatus | undefined;
      const found = executions.list(required('stateMachineArn'), status, limit + 1, offset);
      const more = found.length > limit ? { nextToken: String(offset + limit) } : {};
      return { executions: found.slice(0, limit).map(summary), ...more };
    }
    case 'ListStateMachines': {
      const stateMachines = executions.machines().map((arn) => ({
        stateMachineArn: arn,
        name: arn.split(':').at(-1),
        type: 'STANDARD',
        creationDate: 0,
      }));
      return { stateMachines };
    }
    default:
      throw new ServiceError('UnknownOperationException', `The local Step Functions does not answer ${operation}.`);
  }
}

function summary(record: ExecutionRecord): object {
  return {
    executionArn: record.arn,
    stateMachineArn: record.machineArn,
    name: record.name,
    status: record.status,
    startDate: record.startedMs / 1000,
    ...(record.stoppedMs === null ? {} : { stopDate: record.stoppedMs / 1000 }),
  };
}
