import { CfnOutput, Fn, type Stack } from 'aws-cdk-lib';

/**
 * What a stack of its own needs of the service to add a runner (infra/job-runner.ts), as CloudFormation exports: it finds
 * them by the service's stage, and CloudFormation keeps the service from being deleted while it uses them. All are names of
 * things that are never replaced, since an export that is in use cannot change either; but for `archivesspace-url`, which
 * only services with an ArchivesSpace have.
 */
export type Exported =
  | 'table' // name
  | 'bucket' // name
  | 'register' // ARN of the function that registers types
  | 'register-role' // name of its role, which deletes old versions
  | 'session' // ARN of the function that gives sessions
  | 'machine-role' // name of the state machine's role, which invokes runners
  | 'archivesspace-url';

/** What the service's setting `stage` may be: it is part of names. */
export const isStage = (value: unknown): value is string =>
  typeof value === 'string' && /^[a-z][a-z0-9-]{0,19}$/.test(value);
export const stageRule = 'must be up to 20 lower-case letters, digits and dashes, with a letter in front';

/** The export's name: one per stage in an account and region. */
export const exportName = (stage: string, what: Exported) => `background-jobs-${stage}:${what}`;

export function exportFrom(stack: Stack, stage: string, values: Readonly<Partial<Record<Exported, string>>>): void {
  for (const [what, value] of Object.entries(values) as [Exported, string][])
    new CfnOutput(stack, `Export-${what}`, { value, exportName: exportName(stage, what) });
}

export const importFrom = (stage: string, what: Exported): string => Fn.importValue(exportName(stage, what));
