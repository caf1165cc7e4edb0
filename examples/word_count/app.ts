// The CDK app: a stack with one runner, for a service that is deployed already.
import { App, Stack } from 'aws-cdk-lib';
import { JobRunner } from 'background-jobs-sdk/cdk';

const app = new App();
// Which service: its setting `stage`. `npm start -- --plugin` of the service says `local`.
const stage: string = app.node.tryGetContext('stage') ?? 'prod';
const stack = new Stack(app, 'WordCount', { stackName: `word-count-${stage}` });
new JobRunner(stack, 'Runner', { folder: 'runner', stage });
