import { Aws, Duration, RemovalPolicy, type Stack } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { DefinitionBody, LogLevel, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { allow } from './functions.ts';
import { workflow } from './workflow.ts';

/** Makes the state machine, with a role that names what it may invoke. */
export function makeMachine(
  stack: Stack,
  name: string,
  finisher: IFunction,
  runners: readonly IFunction[],
  logRetentionDays: number,
): StateMachine {
  const role = new Role(stack, 'MachineRole', { assumedBy: new ServicePrincipal('states.amazonaws.com') });
  // By name, never a wildcard; `:*` are the versions of that function.
  const runnerArns = runners.flatMap(({ functionArn }) => [functionArn, `${functionArn}:*`]);
  role.addToPolicy(allow(['lambda:InvokeFunction'], [finisher.functionArn, ...runnerArns]));
  return new StateMachine(stack, 'Machine', {
    stateMachineName: name,
    stateMachineType: StateMachineType.STANDARD,
    role,
    definitionBody: DefinitionBody.fromString(stack.toJsonString(workflow(Aws.PARTITION, finisher.functionArn))),
    logs: {
      destination: new LogGroup(stack, 'MachineLogs', {
        // Step Functions writes a resource policy for log groups, which has room for few others than these.
        logGroupName: `/aws/vendedlogs/states/${name}`,
        retention: logRetentionDays,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
      level: LogLevel.ERROR,
      includeExecutionData: false,
    },
    tracingEnabled: false,
  });
}

/** The second healer (design 3.4a): executions that ended without their last state. */
export function watchExecutions(scope: Construct, machine: StateMachine, finisher: IFunction): void {
  const failures = new Queue(scope, 'FinisherFailures', {
    enforceSSL: true,
    encryption: QueueEncryption.SQS_MANAGED,
    retentionPeriod: Duration.days(14),
  });
  const rule = new Rule(scope, 'ExecutionFailed', {
    eventPattern: {
      source: ['aws.states'],
      detailType: ['Step Functions Execution Status Change'],
      detail: { status: ['FAILED', 'TIMED_OUT', 'ABORTED'], stateMachineArn: [machine.stateMachineArn] },
    },
  });
  rule.addTarget(new LambdaFunction(finisher, { retryAttempts: 2, deadLetterQueue: failures }));
  // The queue of the rule gets events that could not be delivered, that of the function those it failed on.
  finisher.configureAsyncInvoke({ retryAttempts: 2, onFailure: new SqsDestination(failures) });
}
