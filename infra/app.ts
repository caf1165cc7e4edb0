// What `cdk synth` and `cdk deploy` run.
import { buildApp } from './stack.ts';

(await buildApp()).synth();
