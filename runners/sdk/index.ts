// The package `background-jobs-sdk`: what a runner in a repository of its own imports. Its other entries are `./testing`
// (testing.ts) and `./cdk` (infra/job-runner.ts); scripts/package.ts makes it.
export type {
  FieldHints,
  FileRules,
  Permissions,
  PropertyTranslation,
  RunnerManifest,
  Translation,
  TypeOptions,
} from '../../schemas/runner-manifest.ts';
export {
  type ArchivesSpaceSession,
  FinalFailure,
  type InputFile,
  type JobContext,
  type Run,
  StopReason,
} from './context.ts';
export { type Invocation, type RunnerOptions, runner } from './run.ts';
